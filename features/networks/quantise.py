"""A network in 8-bit integers, by post-training quantisation: NNCF on the scales of some chips' activations.

The first layers see large ranges, and what they lose no later one gets back. So as many of them stay in floats as it
takes for the outputs to stay near.
"""

import io
import logging
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

from features.networks import openvino_runtime
from features.networks.openvino_runtime import ChipBatch

import nncf  # isort: skip  after runtime, which keeps openvino's telemetry out
import openvino  # isort: skip

nncf.set_log_level(logging.ERROR)  # it tells of every operation that it leaves alone

CONVOLUTIONS = ("Convolution", "GroupConvolution")
ENOUGH = 128  # chips: with more, the scales no longer move
LADDER = (0, 2, 4, 8)  # convolutions, counted from the chip on, that stay in floats
NEAR = 0.005  # mean distance of outputs, as a part of their own mean size


def kept(xml: bytes, weights: bytes, shown: ChipBatch) -> int:
    """The least step of the ladder at which the outputs for these chips stay near, or its last."""
    expected = openvino_runtime.load(xml, weights)(shown)
    for count in LADDER[:-1]:
        given = openvino_runtime.load(*quantise_to_int8(xml, weights, shown, keep=count))(shown)
        if np.abs(given - expected).mean() <= NEAR * max(np.abs(expected).mean(), 1e-6):
            return count
    return LADDER[-1]


def quantise_to_int8(xml: bytes, weights: bytes, shown: ChipBatch, *, keep: int) -> tuple[bytes, bytes]:
    """The bytes of `network.xml` and `network.bin`, quantised.

    Args:
        xml: of the network in floats.
        weights: its numbers.
        shown: chips (chips, side, side, bands) whose activations set the scales.
        keep: how many convolutions, counted from the chip on, stay in floats.
    """
    model = openvino.Core().read_model(xml, weights)
    ordered = [layer.get_friendly_name() for layer in model.get_ordered_ops() if layer.get_type_name() in CONVOLUTIONS]
    with redirect_stdout(io.StringIO()):  # it draws bars there
        quantised = nncf.quantize(
            model,
            nncf.Dataset(np.split(shown, len(shown))),
            preset=nncf.QuantizationPreset.MIXED,  # activations may be lopsided: a swish has a short negative side
            subset_size=len(shown),
            ignored_scope=nncf.IgnoredScope(names=ordered[:keep]) if ordered[:keep] else None,
        )
    with tempfile.TemporaryDirectory() as folder:
        openvino_runtime.save(quantised, Path(folder, "network.xml"))
        return Path(folder, "network.xml").read_bytes(), Path(folder, "network.bin").read_bytes()
