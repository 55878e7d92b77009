"""What a chip costs in pretraining: reading it and making its views, against the network's step.

Run: python -m tests.benchmarks.pretraining_speed
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras

from features.images import listing
from features.images.spec import ChipSpec
from features.networks import devices
from features.pretraining import trainer
from features.pretraining.batches import PretrainBatches, PretrainSource
from features.pretraining.settings import PretrainSettings
from tests.benchmarks import tables

RUNS = ("simclr:mobilenet_v2_035", "byol:mobilenet_v3_small", "byol:convnext_v2_atto", "fcmae:convnext_v2_atto")


def cost(call: Callable[[int], object], count: int) -> float:
    """Return the processor time of a call in seconds, over all threads; the least of several."""
    times = []
    for number in range(count):
        begun = time.process_time()
        call(number)
        times.append(time.process_time() - begun)
    return min(times)


def measure(settings: PretrainSettings, source: PretrainSource, count: int) -> tuple[float, float]:
    """Return the milliseconds of a processor for a chip: for its views, and for the network's step."""
    keras.utils.clear_session()
    batches = PretrainBatches(source, settings, 0, count)
    views = cost(lambda number: batches[number], count)
    with devices.training_precision():
        model = trainer.compile_model(settings, source, 1000, "none")
        inputs, targets = batches[0]
        model.train_on_batch(inputs, targets)  # traces
        step = cost(lambda _: model.train_on_batch(inputs, targets), count)
    return 1000 * views / settings.batch, 1000 * step / settings.batch


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "runs", nargs="*", metavar="METHOD:BACKBONE", default=RUNS, help="what to measure; default: %(default)s"
    )
    parser.add_argument("--side", type=int, default=128, help="side of the views in pixels")
    parser.add_argument("--batch", type=int, default=64, help="chips in a batch")
    parser.add_argument("--count", type=int, default=3, help="batches, of which the fastest counts")
    tables.add_options(parser)
    options = parser.parse_args()
    folder = Path(os.environ["AMAZON_TAGS_DATA"]) / "planet" / "train-jpg"
    source = PretrainSource(listing.chips([folder]), ChipSpec(side=options.side))
    plain = PretrainSettings("byol", "toy", batch=options.batch, random=True)
    side, batch = options.side, options.batch
    data = f"chips of the competition (256 x 256 JPG), views of {side} x {side}, batches of {batch}"
    with tables.recorded(options, script="pretraining_speed", data=data):
        print("| method | backbone | views, ms of a core | network, ms of a core | chips/s of two cores | views |")
        print("|---|---|---|---|---|---|")
        for run in options.runs:
            method, _, backbone = run.partition(":")
            views, step = measure(replace(plain, method=method, backbone=backbone), source, options.count)
            pace, share = 2000 / (views + step), views / (views + step)
            print(f"| `{method}` | `{backbone}` | {views:.2f} | {step:.1f} | {pace:.0f} | {share:.0%} |", flush=True)


if __name__ == "__main__":
    main()
