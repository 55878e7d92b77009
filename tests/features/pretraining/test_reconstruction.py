"""Reconstruction errors: exact formula, fair masks, one value for a chip in any batch, and the decoder's file."""

import keras
import numpy as np
import pytest
from keras import ops

from features.images.spec import ChipSpec
from features.networks import backbones, convnext_v2
from features.networks.settled import Settled
from features.pretraining import masked, reconstruction
from features.pretraining.encoder import save_backbone
from features.pretraining.masked import MaskedAutoencoder, cut_patches, normalise_patches
from features.pretraining.reconstruction import DRAWS, HIDDEN_DRAWS, balanced_masks, reconstruction_error
from features.pretraining.settings import PretrainSettings

SIDE, ROWS, NAME = 96, 3, "convnext_v2_atto"
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def autoencoder():
    """One of few channels, with random weights everywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(convnext_v2.SIZES, "atto", ((1, 1, 1, 1), (4, 4, 8, 8)))
        patch.setattr(masked, "DECODER_WIDTH", 8)
        keras.utils.set_random_seed(0)
        made = MaskedAutoencoder(backbones.build(NAME, ChipSpec(side=SIDE)))
        for variable in made.variables:
            variable.assign(ops.convert_to_numpy(variable) + RNG.normal(0, 0.1, variable.shape))
        yield made
    keras.utils.clear_session()


def patches(count=2, values=12):
    return RNG.normal(3, 5, (count, ROWS, ROWS, values)).astype(np.float32)


def standard(patches):
    return (patches - patches.mean(-1, keepdims=True)) / patches.std(-1, keepdims=True)


def errors(predicted, true):
    return ops.convert_to_numpy(reconstruction_error(predicted, true, balanced_masks(ROWS)))


@pytest.mark.parametrize("rows", [2, 3, 4, 7, 8, 32])
def test_each_patch_is_hidden_equally_often_and_each_mask_shows_and_hides_about_as_many(rows):
    masks = balanced_masks(rows)
    assert (masks == 0).sum(axis=0).tolist() == np.full((rows, rows), HIDDEN_DRAWS).tolist()
    assert HIDDEN_DRAWS / DRAWS == masked.MASKED_SHARE
    hidden = (masks == 0).sum(axis=(1, 2))
    assert np.ptp(hidden) <= HIDDEN_DRAWS
    assert 0 < hidden.min() <= hidden.max() < rows * rows
    np.testing.assert_array_equal(masks, balanced_masks(rows))


def test_a_perfect_decoder_has_no_error_whatever_it_says_of_visible_patches():
    true = patches()
    predicted = np.repeat(ops.convert_to_numpy(normalise_patches(true)[0])[:, None], DRAWS, axis=1)
    assert errors(predicted, true).tolist() == [0, 0]
    predicted[:, balanced_masks(ROWS) == 1] = 1e6
    assert errors(predicted, true).tolist() == [0, 0]
    predicted[1, balanced_masks(ROWS) == 0] += 2
    np.testing.assert_allclose(errors(predicted, true), [0, 4], rtol=1e-5)


def test_the_error_is_the_mean_over_patches_and_the_draws_that_hide_them():
    true = patches()
    predicted = RNG.normal(size=(2, DRAWS, *true.shape[1:]))
    squares = ((predicted - standard(true)[:, None]) ** 2).mean(-1)
    hidden = balanced_masks(ROWS) == 0
    expected = [
        np.mean([square[hidden[:, r, c], r, c].mean() for r, c in np.ndindex(ROWS, ROWS)]) for square in squares
    ]
    np.testing.assert_allclose(errors(predicted, true), expected, rtol=1e-5)
    np.testing.assert_allclose(errors(np.zeros_like(predicted), true), 1, rtol=1e-5)


def test_gain_and_offset_of_a_patch_do_not_change_its_error():
    true = patches(values=48)
    predicted = RNG.normal(size=(2, DRAWS, *true.shape[1:]))
    gain, offset = RNG.uniform(0.5, 2, (2, ROWS, ROWS, 1)), RNG.normal(0, 9, (2, ROWS, ROWS, 1))
    changed = (gain * true + offset).astype(np.float32)
    np.testing.assert_allclose(errors(predicted, changed), errors(predicted, true), rtol=1e-5)


def test_the_network_of_saved_files_has_the_error_of_each_chip_alone(autoencoder, tmp_path):
    pixels = RNG.integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    squares = 0
    for mask in balanced_masks(ROWS):
        of_all = np.repeat(mask[None], 3, axis=0)
        images, _, predicted = autoencoder.predict_patches(pixels, of_all)
        true = standard(ops.convert_to_numpy(cut_patches(images)))
        squares += (((ops.convert_to_numpy(predicted) - true) ** 2).mean(-1) * (1 - mask)).sum(axis=(1, 2))
    expected = squares / (HIDDEN_DRAWS * ROWS * ROWS)
    assert np.ptp(expected) > 1e-3

    save_backbone(autoencoder.encoder, PretrainSettings("fcmae", NAME), tmp_path / "network.weights.h5")
    (tmp_path / "decoder.npz").write_bytes(reconstruction.decoder_bytes(autoencoder))
    network = reconstruction.error_network(
        NAME, ChipSpec(side=SIDE), tmp_path / "network.weights.h5", tmp_path / "decoder.npz"
    )
    together = ops.convert_to_numpy(network(pixels))
    np.testing.assert_allclose(together[:, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(network(pixels[1:2])), together[1:2], rtol=1e-5)
    known = {"Settled": Settled}
    again = keras.models.model_from_json(network.to_json(), custom_objects=known)  # as it is exported from jax
    again.set_weights(network.get_weights())
    np.testing.assert_allclose(ops.convert_to_numpy(again(pixels)), together, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda arrays: arrays.pop("mask_token"), "1 weights are missing or unknown, the first is mask_token"),
        (lambda arrays: arrays.update(more=np.zeros(2)), "the first is more"),
        (lambda arrays: arrays.update(mask_token=np.zeros((1, 8), np.float32)), r"mask_token is float32 \(1, 8\)"),
        (lambda arrays: arrays.update(mask_token=np.full((1, 1, 1, 8), np.nan, np.float32)), "not finite"),
        (lambda arrays: arrays.update(mask_token=np.zeros((1, 1, 1, 8))), "float64"),
    ],
)
def test_a_file_of_another_decoder_is_refused(autoencoder, tmp_path, change, word):
    path = tmp_path / "decoder.npz"
    path.write_bytes(reconstruction.decoder_bytes(autoencoder))
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=word):
        reconstruction.load_decoder(autoencoder, path)
