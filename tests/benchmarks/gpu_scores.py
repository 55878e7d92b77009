"""Compare the bundled model's scores and tags on a GPU with those on the CPU, and the time that they take.

    KERAS_BACKEND=jax python -m tests.benchmarks.gpu_scores [CHIPS] [--jobs 16]

CHIPS are by default the labelled competition chips in the folder that AMAZON_TAGS_DATA names. Each row is a pass over
all chips, after one over the first of them that is not counted, in which the networks are compiled.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np

from amazon_tags.model import bundle
from amazon_tags.prediction.predict import find_chips, predict_chips
from tests.benchmarks import tables
from tests.benchmarks.accelerator import device_name

ENGINES = (("cpu", "f32"), ("gpu", "f32"), ("gpu", "bf16"))  # the first is what the others are compared with
WARM_CHIPS = 128  # two batches


def measure(options: argparse.Namespace) -> None:
    """Print a row for each device and precision."""
    paths = find_chips([options.chips])
    print(f"{device_name()}\n")
    print("| device | precision | start, s | chips/s | largest difference of a score | chips with the same tags |")
    print("|---|---|---|---|---|---|")

    reference = None
    for device, precision in ENGINES:
        start = time.perf_counter()
        model = bundle.load(bundle.DEFAULT, jobs=options.jobs, device=device, precision=precision)
        list(predict_chips(paths[:WARM_CHIPS], model, jobs=options.jobs))
        warm = time.perf_counter()
        parts = list(predict_chips(paths, model, jobs=options.jobs))
        end = time.perf_counter()

        scores, tags = (np.concatenate([getattr(part, name) for part in parts]) for name in ("scores", "tags"))
        reference = reference or (scores, tags)
        difference, same = np.abs(scores - reference[0]).max(), (tags == reference[1]).all(axis=1).sum()
        rate = len(paths) / (end - warm)
        cells = (device, precision, f"{warm - start:.1f}", f"{rate:.0f}", f"{difference:.1e}", f"{same} of {len(tags)}")
        print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "chips", nargs="?", type=Path, default=Path(os.environ.get("AMAZON_TAGS_DATA", "."), "planet/train-jpg")
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    tables.add_options(parser)
    options = parser.parse_args()

    with tables.recorded(options, script="gpu_scores", data="labelled chips of the competition, the bundled model"):
        measure(options)


if __name__ == "__main__":
    main()
