"""Test DINOv2 against the numbers of the original, and its vectors. Its layers are in `test_transformer`."""

import keras
import numpy as np
import pytest

from ensemble.networks.rebuild import RebuildTarget, rebuild_network
from ensemble.networks.settings import FrozenMember
from features.images.spec import ChipSpec
from features.networks import backbones, dinov2, openvino_export, openvino_runtime
from features.networks.backbones import BackboneOptions
from features.networks.settled import Settled
from features.networks.transformer import resampling_matrix
from tests.features.networks.architectures import outputs_of

SPEC = ChipSpec(side=28)  # 2 x 2 patches


def pixels(count: int, side: int = SPEC.side) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.mark.slow
def test_parameters_are_those_of_the_original_at_every_side():
    for side in (28, 224):
        network = dinov2.make(input_shape=(side, side, 3))
        assert network.count_params() == 22_056_192
        assert network.output_shape == (None, 1 + (side // 14) ** 2, 384)
    part = keras.Model(network.input, network.get_layer("block8").output)
    assert part.count_params() == 22_056_192 - 4 * 1_775_232 - 2 * 384
    keras.utils.clear_session()


@pytest.mark.real
@pytest.mark.parametrize("side", [16, 18])
def test_the_resampled_positions_are_those_in_the_genuine_file(real, side):
    with np.load(real.parent / "weights" / "dinov2_vits14_fp16.npz") as archive:
        grid, expected = archive["pos_grid_37x37"].astype(float), archive[f"pos_grid_{side}x{side}"].astype(float)
    matrix = resampling_matrix(side, dinov2.GRID)
    resampled = np.einsum("pi,ijc,qj->pqc", matrix, grid, matrix)
    assert np.abs(resampled - expected).max() < 1e-4  # 16-bit floats


@pytest.mark.slow
def test_pools_are_the_class_token_and_the_mean_and_maximum_of_the_patches(tmp_path):
    keras.utils.set_random_seed(0)
    first = backbones.build("dinov2_vits14", SPEC, layer="block1")
    tokens = keras.Model(first.input, next(layer for layer in first.layers if isinstance(layer, Settled)).output)
    tokens = outputs_of(tokens, pixels(2))
    parts = {"class": tokens[:, 0], "mean": tokens[:, 1:].mean(axis=1), "max": tokens[:, 1:].max(axis=1)}
    for pool, names in backbones.POOLS.items():
        model = backbones.build("dinov2_vits14", SPEC, layer="block1", options=BackboneOptions(pool=pool))
        model.set_weights(first.get_weights())
        expected = np.concatenate([parts[name] for name in names], axis=1)
        np.testing.assert_allclose(outputs_of(model, pixels(2)), expected, atol=1e-5)

        folder = tmp_path / pool
        folder.mkdir()
        openvino_export.export(model, folder)
        network = openvino_runtime.load(*((folder / name).read_bytes() for name in ("network.xml", "network.bin")))
        np.testing.assert_allclose(network(pixels(2)), expected, atol=1e-4)


@pytest.mark.slow
def test_a_member_is_rebuilt_from_its_weights(tmp_path):
    settings = FrozenMember("vectors", "dinov2_vits14", layer="block2", weights="none", pool="class")
    model = backbones.build("dinov2_vits14", SPEC, layer="block2", options=BackboneOptions(pool="class"))
    model.save_weights(tmp_path / "network.weights.h5")
    target = RebuildTarget(SPEC, 4, (), "float32")
    network = rebuild_network(settings, tmp_path / "network.weights.h5", target)
    np.testing.assert_allclose(network(pixels(5)), outputs_of(model, pixels(5)), atol=1e-4)


@pytest.mark.parametrize(("side", "crop"), [(29, slice(0, 28)), (33, slice(2, 30))])
def test_what_is_no_whole_patch_is_cut_off_at_the_edges(side, crop):
    whole = backbones.build("dinov2_vits14", SPEC, layer="block1")
    cut = backbones.build("dinov2_vits14", ChipSpec(side=side), layer="block1")
    cut.set_weights(whole.get_weights())
    chips = pixels(2, side)
    np.testing.assert_array_equal(outputs_of(cut, chips), outputs_of(whole, chips[:, crop, crop]))


@pytest.mark.parametrize(("side", "shrink", "least"), [(10, 1, 14), (27, 2, 28)])
def test_sides_below_a_patch_are_refused(side, shrink, least):
    with pytest.raises(ValueError, match=f"the side {side} is less than {least}, a patch of dinov2_vits14"):
        backbones.build("dinov2_vits14", ChipSpec(side=side), options=BackboneOptions(shrink=shrink))
