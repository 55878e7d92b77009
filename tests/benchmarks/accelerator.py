"""Chips a second in training and inference on whatever the Keras backend computes on, and where the time goes.

    KERAS_BACKEND=jax python -m tests.benchmarks.accelerator [--batch 64] [--side 256] [BACKBONE ...]

On a GPU in bfloat16, on a CPU in float32. The share is of the rate of the largest matrix product that was measured in
the same run and the same precision; a training step is counted as three forward passes. The feed is timed alone: where
it is slower than the steps, it is the limit.
"""

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np

from amazon_tags.datasets import sample
from ensemble.networks.batches import BatchSource, EpochBatches
from ensemble.networks.settings import TunedMember
from ensemble.networks.train import compile_network
from features.images import listing
from features.images.chips import ChipSpec
from features.networks import devices

BACKBONES = ("resnet50", "efficientnet_v2_s", "convnext_tiny")
MULTIPLICATIONS = {"resnet50": 4.1e9, "efficientnet_v2_s": 2.9e9, "convnext_tiny": 4.5e9}  # a chip of 224 x 224


def clock(step, least: float = 3.0) -> float:
    """Seconds a step, after two that are not counted."""
    step()
    step()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < least or count < 2:
        step()
        count += 1
    return (time.perf_counter() - start) / count


def product(side: int) -> float:
    """Floating point operations a second of a square matrix product."""
    kind = "bfloat16" if devices.count_accelerators() else "float32"
    left = keras.ops.ones((side, side), dtype=kind)

    class Product(keras.Layer):
        def call(self, given):
            return given @ given

    layer = Product(dtype=kind)
    seconds = clock(lambda: np.asarray(keras.ops.sum(layer(left))))
    return 2 * side**3 / seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backbones", nargs="*", default=BACKBONES)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    spec = ChipSpec(side=chosen.side)
    rate = product(8192 if devices.count_accelerators() else 2048)
    where = f"{devices.count_accelerators()} accelerators" if devices.count_accelerators() else "CPU"
    print(f"{keras.backend.backend()} on {where}; matrix product {rate / 1e12:.2f} TFLOP/s; batch {chosen.batch}\n")
    print("| backbone | training, chips/s | inference, chips/s | share of the matrix rate | feed alone, chips/s |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        sample.write(Path(folder, "chips"), 2 * chosen.batch, seed=0)
        paths = listing.chips([Path(folder, "chips")])
        targets = np.zeros((len(paths), 17), np.float32)
        source = BatchSource(paths, targets, spec)
        fed = EpochBatches(source, chosen.batch, seed=0)
        with ThreadPoolExecutor(chosen.workers) as pool:
            steps = [0, 1] * chosen.workers
            feeding = len(steps) * chosen.batch / clock(lambda: list(pool.map(fed.__getitem__, steps)))
        pixels, truth = fed[0]
        for name in chosen.backbones:
            keras.config.set_dtype_policy("mixed_bfloat16" if devices.count_accelerators() else "float32")
            settings = TunedMember("net", name, weights="none", batch=chosen.batch)
            model = compile_network(settings, source, np.full(17, 0.2), ())
            training = chosen.batch / clock(lambda model=model: model.train_on_batch(pixels, truth))
            inference = chosen.batch / clock(lambda model=model: model.predict_on_batch(pixels))
            work = 2 * MULTIPLICATIONS.get(name, np.nan) * (chosen.side / 224) ** 2
            share = 3 * work * training / rate
            print(f"| {name} | {training:.1f} | {inference:.1f} | {share:.0%} | {feeding:.0f} |", flush=True)
            keras.utils.clear_session()


if __name__ == "__main__":
    sys.exit(main())
