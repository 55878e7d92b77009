"""Test weights in an `.npz` of named arrays; `test_backbones.py` tests those in HDF5."""

import numpy as np
import pytest

from features.images.spec import ChipSpec
from features.networks import backbones
from features.networks.settled import Settled

SPEC = ChipSpec(side=32)
KERNEL = "edges/kernel"


@pytest.fixture
def arrays():
    """The arrays of a toy backbone."""
    whole = backbones.BACKBONES["toy"].make(input_shape=(32, 32, 3), include_top=False, weights=None)
    return {variable.path: variable.numpy() for variable in whole.variables}


def build(folder, arrays, layer="top"):
    """Write arrays, and build a toy backbone that starts from them."""
    np.savez(folder / "toy.npz", **arrays)
    model = backbones.build("toy", SPEC, layer=layer, weights=str(folder / "toy.npz"))
    return next(layer for layer in model.layers if isinstance(layer, Settled)).network


@pytest.mark.parametrize("layer", ["top", "edges"])
def test_named_arrays_become_the_weights(arrays, tmp_path, layer):
    network = build(tmp_path, arrays, layer)
    for variable in network.variables:
        np.testing.assert_array_equal(variable, arrays[variable.path])
    assert len(network.variables) == {"top": 4, "edges": 2}[layer]


def test_arrays_of_layers_behind_the_truncation_may_be_absent(arrays, tmp_path):
    part = {name: value for name, value in arrays.items() if name.startswith("edges")}
    np.testing.assert_array_equal(build(tmp_path, part, "edges").get_layer("edges").kernel, arrays[KERNEL])
    with pytest.raises(ValueError, match=r"toy.npz lacks 2 arrays \(the first is shapes/kernel\); .* weights of "):
        build(tmp_path, part)


def test_16_bit_floats_are_read(arrays, tmp_path):
    half = {name: value.astype(np.float16) for name, value in arrays.items()}
    np.testing.assert_array_equal(build(tmp_path, half).get_layer("edges").kernel, half[KERNEL].astype(np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"more/kernel": np.zeros(3)}, r"toy.npz has further 1 array \(the first is more/kernel\)"),
        ({KERNEL: np.zeros((3, 3, 3, 8))}, r"edges/kernel as float64 \(3, 3, 3, 8\), .* of shape \(5, 5, 3, 8\)"),
        ({KERNEL: np.zeros((5, 5, 3, 8), np.int8)}, r"edges/kernel as int8 \(5, 5, 3, 8\), .* needs floats"),
        ({KERNEL: np.full((5, 5, 3, 8), np.inf)}, "weights that are not finite numbers"),
        ({KERNEL: np.array([None])}, r"toy.npz is not a readable .npz archive"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays, tmp_path, change, message):
    with pytest.raises(ValueError, match=message) as error:
        build(tmp_path, arrays | change)
    assert "\n" not in str(error.value)


def test_the_arrays_of_another_network_are_refused_by_its_first_names(arrays, tmp_path):
    np.savez(tmp_path / "other.npz", **arrays)
    message = r"other.npz lacks 245 arrays \(the first is .*\) and has further 4 arrays \(the first is edges/kernel\)"
    with pytest.raises(ValueError, match=message):
        backbones.build("efficientnet_lite0", SPEC, weights=str(tmp_path / "other.npz"))


@pytest.mark.parametrize("part", [slice(0, 300), slice(40, None)])
def test_a_damaged_archive_is_refused(arrays, tmp_path, part):
    np.savez(tmp_path / "whole.npz", **arrays)
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes((tmp_path / "whole.npz").read_bytes()[part])
    with pytest.raises(ValueError, match=r"damaged\.npz is not a readable"):
        backbones.build("toy", SPEC, weights=str(damaged))
