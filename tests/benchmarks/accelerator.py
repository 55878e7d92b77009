"""Measure chips per second in training and inference of large networks on the Keras backend's device.

    KERAS_BACKEND=jax python -m tests.benchmarks.accelerator [--batch 64] [--side 256] [BACKBONE ...]

A GPU computes in bfloat16, a CPU in float32. The first training step includes the compilation. The last columns show
what limits the speed: the share of the rate of a large matrix product, measured in the same run and precision (a
training step counts as three forward passes), and the rate at which chips are decoded and transformed when nothing else
runs.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from amazon_tags.datasets import sample
from ensemble.networks.batches import BatchSource, EpochBatches
from ensemble.networks.settings import TunedMember
from ensemble.networks.train import compile_network
from features.images import listing
from features.images.spec import ChipSpec
from features.networks import devices
from tests.benchmarks import tables

BACKBONES = ("resnet50", "efficientnet_v2_s", "convnext_tiny")
MULTIPLICATIONS = {"resnet50": 4.1e9, "efficientnet_v2_s": 2.9e9, "convnext_tiny": 4.5e9}  # for a chip of 224 x 224
COLUMNS = (
    "backbone",
    "first step, s",
    "training, chips/s",
    "inference, chips/s",
    "share of the matrix rate",
    "decoding alone, chips/s",
)
MIN_SECONDS = 3.0  # of one measurement: shorter ones differ by more than a tenth from run to run
LABELS = 17


def seconds_per_call(call: Callable[[], object]) -> float:
    """Return the mean seconds of a call, after two calls that are not counted."""
    call()
    call()

    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < MIN_SECONDS or count < 2:
        call()
        count += 1
    return (time.perf_counter() - start) / count


def device_name() -> str:
    """Return the Keras backend and the GPU's name, or that there is none."""
    backend = keras.backend.backend()
    if not devices.count_accelerators():
        return f"{backend} on a CPU"
    if backend == "torch":
        import torch  # noqa: PLC0415  the backend in use

        return f"torch on {torch.cuda.get_device_name()}"
    if backend == "jax":
        import jax  # noqa: PLC0415  the backend in use

        return f"jax on {jax.devices()[0].device_kind}"
    return f"{backend} on {keras.distribution.list_devices()[0]}"


def matrix_rate(side: int) -> float:
    """Return the floating point operations per second of a square matrix product."""
    dtype = "bfloat16" if devices.count_accelerators() else "float32"
    matrix = keras.ops.ones((side, side), dtype=dtype)

    class Product(keras.Layer):  # type: ignore[misc]  # Keras has no types
        def call(self, right: Any) -> Any:
            return right @ right

    layer = Product(dtype=dtype)
    return 2 * side**3 / seconds_per_call(lambda: np.asarray(keras.ops.sum(layer(matrix))))


def measure(options: argparse.Namespace) -> None:
    """Print a row for each backbone."""
    count = devices.count_accelerators()
    rate = matrix_rate(8192 if count else 2048)
    print(f"{device_name()}; matrix product {rate / 1e12:.2f} TFLOP/s; batch {options.batch}\n")
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")

    with tempfile.TemporaryDirectory() as folder:
        sample.write(Path(folder, "chips"), 2 * options.batch, seed=0)
        paths = listing.chips([Path(folder, "chips")])
        source = BatchSource(paths, np.zeros((len(paths), LABELS), np.float32), ChipSpec(side=options.side))
        batches = EpochBatches(source, options.batch, seed=0)

        with ThreadPoolExecutor(options.workers) as pool:
            steps = [0, 1] * options.workers
            decoding = len(steps) * options.batch / seconds_per_call(lambda: list(pool.map(batches.__getitem__, steps)))

        pixels, truth = batches[0]
        for name in options.backbones:
            keras.config.set_dtype_policy("mixed_bfloat16" if count else "float32")
            settings = TunedMember("net", name, weights="none", batch=options.batch)
            start = time.perf_counter()
            model = compile_network(settings, source, np.full(LABELS, 0.2), ())
            model.train_on_batch(pixels, truth)
            first = time.perf_counter() - start
            training = options.batch / seconds_per_call(partial(model.train_on_batch, pixels, truth))
            inference = options.batch / seconds_per_call(partial(model.predict_on_batch, pixels))
            operations = 2 * MULTIPLICATIONS.get(name, np.nan) * (options.side / 224) ** 2
            share = 3 * operations * training / rate
            print(
                f"| {name} | {first:.1f} | {training:.1f} | {inference:.1f} | {share:.0%} | {decoding:.0f} |",
                flush=True,
            )
            keras.utils.clear_session()


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backbones", nargs="*", default=BACKBONES)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    tables.add_options(parser)
    options = parser.parse_args()

    with tables.recorded(options, script="accelerator", data=f"rendered chips, {options.side} x {options.side}"):
        measure(options)


if __name__ == "__main__":
    main()
