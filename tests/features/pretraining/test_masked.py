"""FCMAE: nothing of what is masked is seen, and nothing of what is visible is asked for."""

import keras
import numpy as np
import pytest
from keras import ops

from features.images.spec import ChipSpec
from features.initialisation.gradients import value_and_gradients
from features.networks import backbones, convnext_v2
from features.pretraining import masked
from features.pretraining.masked import MaskedAutoencoder, masked_maps
from features.pretraining.settings import PATCH

SIDE, ROWS = 96, 3
RNG = np.random.default_rng(0)


@pytest.fixture
def network(monkeypatch):
    """A ConvNeXt V2 of one block a stage, with random weights everywhere, also in offsets and global norms."""
    monkeypatch.setitem(convnext_v2.SIZES, "atto", ((1, 2, 1, 1), (4, 6, 8, 10)))
    made = convnext_v2.make(size="atto", input_shape=(SIDE, SIDE, 3))
    made.set_weights([RNG.normal(0, 0.3, weight.shape) for weight in made.get_weights()])
    return made


def images(count=2, side=SIDE):
    return RNG.normal(size=(count, side, side, 3)).astype(np.float32)


def middle_visible():
    mask = np.zeros((1, ROWS, ROWS), np.float32)
    mask[0, 1, 1] = 1
    return mask


def test_masked_pixels_do_not_reach_the_encoder(network):
    batch = images()
    mask = np.stack([masked.draw_mask(RNG, ROWS) for _ in batch])
    louder = batch * ops.convert_to_numpy(masked._stretch(1 + 99 * (1 - mask), SIDE))
    maps = ops.convert_to_numpy(masked_maps(network, batch, mask))
    assert np.abs(louder - batch).max() > 100
    np.testing.assert_array_equal(ops.convert_to_numpy(masked_maps(network, louder, mask)), maps)
    assert (maps[mask == 0] == 0).all()
    assert np.abs(maps[mask == 1]).min() > 0


def test_visible_pixels_reach_the_encoder(network):
    batch, mask = images(1), middle_visible()
    changed = ops.convert_to_numpy(masked_maps(network, 1.1 * batch, mask))
    assert not np.allclose(changed, ops.convert_to_numpy(masked_maps(network, batch, mask)))


def test_a_visible_patch_among_masked_ones_is_seen_as_if_it_were_alone(network):
    batch = images(1)
    alone = convnext_v2.make(size="atto", input_shape=(PATCH, PATCH, 3))
    alone.set_weights(network.get_weights())
    single = ops.convert_to_numpy(alone(batch[:, PATCH : 2 * PATCH, PATCH : 2 * PATCH]))
    among = ops.convert_to_numpy(masked_maps(network, batch, middle_visible()))
    np.testing.assert_allclose(among[0, 1, 1], single[0, 0, 0], rtol=1e-4, atol=1e-5)


def test_without_a_mask_the_encoder_is_the_network(network):
    batch = images()
    whole = ops.convert_to_numpy(masked_maps(network, batch, np.ones((2, ROWS, ROWS), np.float32)))
    np.testing.assert_allclose(whole, ops.convert_to_numpy(network(batch)), rtol=1e-4, atol=1e-5)


def test_visible_targets_give_no_gradient():
    predicted, patches = (ops.convert_to_tensor(RNG.normal(size=(2, 3, 3, 12)).astype(np.float32)) for _ in range(2))
    mask = np.stack([masked.draw_mask(RNG, ROWS) for _ in range(2)])
    _, gradients = value_and_gradients(lambda both: ops.sum(masked.masked_error(*both, mask)), [predicted, patches])
    for gradient in map(ops.convert_to_numpy, gradients):
        np.testing.assert_array_equal(gradient[mask == 1], 0)
        assert np.abs(gradient[mask == 0]).min(axis=-1).max() > 0


def test_the_error_is_that_of_patches_normalised_each_by_itself():
    patches = RNG.normal(3, 5, size=(1, 2, 2, 50)).astype(np.float32)
    mask = np.array([[[0, 1], [0, 0]]], np.float32)
    predicted = RNG.normal(size=patches.shape)
    standard = (patches - patches.mean(-1, keepdims=True)) / patches.std(-1, keepdims=True)
    expected = ((predicted - standard) ** 2).mean(-1)[mask == 0].mean()
    assert float(masked.masked_error(predicted, patches, mask)[0]) == pytest.approx(expected, rel=1e-5)


def test_patches_are_squares_of_the_image_and_join_to_it():
    batch = images()
    patches = masked.cut_patches(batch)
    corner = batch[1, PATCH : 2 * PATCH, 2 * PATCH :].reshape(-1)
    np.testing.assert_array_equal(ops.convert_to_numpy(patches)[1, 1, 2], corner)
    np.testing.assert_array_equal(ops.convert_to_numpy(masked.join_patches(patches, 3)), batch)


@pytest.mark.parametrize(("rows", "masked_patches"), [(2, 2), (4, 10), (8, 38)])
def test_three_fifths_of_the_patches_are_masked(rows, masked_patches):
    mask = masked.draw_mask(np.random.default_rng(1), rows)
    assert (mask == 0).sum() == masked_patches
    assert set(np.unique(mask)) <= {0, 1}


def test_only_masked_patches_are_filled_in(network):  # noqa: ARG001  the small network is in the table
    keras.utils.set_random_seed(0)
    model = MaskedAutoencoder(backbones.build("convnext_v2_atto", ChipSpec(side=SIDE)))
    pixels = RNG.integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    mask = np.stack([masked.draw_mask(RNG, ROWS) for _ in pixels])
    scaled, filled = (ops.convert_to_numpy(value) for value in model.fill_in(pixels, mask))
    is_same = np.isclose(scaled, filled, atol=1e-4).reshape(2, ROWS, PATCH, ROWS, PATCH, 3).mean(axis=(2, 4, 5))
    np.testing.assert_array_equal(is_same == 1, mask == 1)
    assert ops.convert_to_numpy(model([pixels, mask])).shape == (2, 2)
