"""Quantise a network to 8-bit integers after training: NNCF sets the scales from the activations of some chips.

The first layers have large ranges, and later layers cannot recover what they lose. So as many of the first
convolutions stay in floats as are needed to keep the outputs close to the original ones.
"""

import io
import logging
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

from features.arrays import ChipBatch
from features.networks import openvino_runtime

import nncf  # isort: skip  after openvino_runtime, which disables openvino's telemetry
import openvino  # isort: skip

nncf.set_log_level(logging.ERROR)  # it reports every operation that it does not quantise

CONVOLUTIONS = ("Convolution", "GroupConvolution")
MAX_CALIBRATION_CHIPS = 128  # with more chips the scales no longer change
FLOAT_CONVOLUTIONS = (0, 2, 4, 8)  # tried in turn: how many convolutions, counted from the chip, stay in floats
MAX_RELATIVE_ERROR = 0.005  # mean distance of the outputs, as a part of their mean size


def quantise_closely(xml: bytes, weights: bytes, chips: ChipBatch) -> tuple[int, tuple[bytes, bytes]]:
    """Quantise with as few convolutions in floats as keep the outputs close to the original ones.

    Returns:
        The least of `FLOAT_CONVOLUTIONS` at which outputs stay within `MAX_RELATIVE_ERROR`, or the last one, and what
        `quantise_to_int8` returns for it.

    Args:
        xml: The graph of the network in floats, `network.xml`.
        weights: Its `network.bin`.
        chips: Chips (chips, side, side, bands) that set the scales and are compared.
    """
    expected = openvino_runtime.load(xml, weights)(chips)
    for count in FLOAT_CONVOLUTIONS[:-1]:
        quantised = quantise_to_int8(xml, weights, chips, keep=count)
        output = openvino_runtime.load(*quantised)(chips)
        if np.abs(output - expected).mean() <= MAX_RELATIVE_ERROR * max(np.abs(expected).mean(), 1e-6):
            return count, quantised
    return FLOAT_CONVOLUTIONS[-1], quantise_to_int8(xml, weights, chips, keep=FLOAT_CONVOLUTIONS[-1])


def quantise_to_int8(xml: bytes, weights: bytes, chips: ChipBatch, *, keep: int) -> tuple[bytes, bytes]:
    """Return the bytes of `network.xml` and `network.bin` after quantisation.

    Args:
        xml: The graph of the network in floats, `network.xml`.
        weights: Its `network.bin`.
        chips: Chips (chips, side, side, bands) whose activations set the scales.
        keep: How many convolutions, counted from the chip, stay in floats.
    """
    model = openvino.Core().read_model(xml, weights)
    names = [layer.get_friendly_name() for layer in model.get_ordered_ops() if layer.get_type_name() in CONVOLUTIONS]
    with redirect_stdout(io.StringIO()):  # NNCF draws progress bars on stdout
        quantised = nncf.quantize(
            model,
            nncf.Dataset(np.split(chips, len(chips))),
            preset=nncf.QuantizationPreset.MIXED,  # for asymmetric activations: a swish has a short negative side
            subset_size=len(chips),
            model_type=nncf.ModelType.TRANSFORMER if _has_attention(model) else None,  # halves DINOv2's error
            ignored_scope=nncf.IgnoredScope(names=names[:keep]) if names[:keep] else None,
        )
    with tempfile.TemporaryDirectory() as folder:
        openvino_runtime.save(quantised, Path(folder, "network.xml"))
        return Path(folder, "network.xml").read_bytes(), Path(folder, "network.bin").read_bytes()


def _has_attention(model: openvino.Model) -> bool:
    """Return whether a network multiplies two matrices that both depend on the chip."""
    products = [layer for layer in model.get_ordered_ops() if layer.get_type_name() == "MatMul"]
    return any(
        all(layer.input_value(place).get_node().get_type_name() != "Constant" for place in (0, 1)) for layer in products
    )
