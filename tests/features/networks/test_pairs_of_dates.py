"""Test backbones of pairs of chips of two dates."""

import keras
import numpy as np
import pytest

from features.images.spec import ChipSpec
from features.networks import backbones
from features.networks.backbone_shapes import BackboneOptions, refuse_components

RGB = ChipSpec(side=64, dates=2)
SENSOR = ChipSpec(("blue", "green", "red", "nir"), "uint16", 64, dates=2)


def chips(spec: ChipSpec, seed: int) -> np.ndarray:
    """Return two chips of one date."""
    high = 256 if spec.dtype == "uint8" else 8000
    return np.random.default_rng(seed).integers(0, high, (2, spec.side, spec.side, len(spec.bands)), spec.dtype)


def vectors(model: keras.Model, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict_on_batch(np.concatenate([before, after], axis=-1)))


@pytest.mark.parametrize(("spec", "sees"), [(RGB, "bands"), (SENSOR, "streams"), (SENSOR, "grey")])
def test_a_shared_backbone_gives_equal_dates_equal_vectors_and_swapped_dates_swapped_ones(spec, sees):
    model = backbones.build("toy", spec, options=BackboneOptions(sees))
    single = backbones.build("toy", spec.of_one_date(), options=BackboneOptions(sees))
    single.set_weights(model.get_weights())  # one backbone an image, whatever the number of dates
    a, b = chips(spec, 1), chips(spec, 2)
    both = vectors(model, a, b)
    first, second = np.split(both, 2, axis=1)
    np.testing.assert_array_equal(*np.split(vectors(model, a, a), 2, axis=1))
    np.testing.assert_array_equal(vectors(model, b, a), np.concatenate([second, first], axis=1))
    np.testing.assert_allclose(first, np.asarray(single(a)), rtol=1e-4, atol=1e-6)
    assert np.abs(first - second).max() > 1e-3


def test_of_stacked_dates_each_has_the_pretrained_weights_of_a_single_chip(tmp_path):
    file, stack = tmp_path / "toy.weights.h5", BackboneOptions(stacked=True)
    backbones.architecture("toy").save_weights(file)
    single = backbones.build("toy", RGB.of_one_date(), weights=str(file))
    stacked = backbones.build("toy", RGB, weights=str(file), options=stack)
    a, b = chips(RGB, 1), chips(RGB, 2)
    np.testing.assert_allclose(vectors(stacked, a, a), np.asarray(single(a)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(vectors(stacked, a, b), vectors(stacked, b, a), rtol=1e-4, atol=1e-6)
    assert np.abs(vectors(stacked, a, b) - vectors(stacked, a, a)).max() > 1e-3
    drawn = backbones.build("toy", RGB, options=stack)
    assert np.abs(vectors(drawn, a, b) - vectors(drawn, b, a)).max() > 1e-3  # random weights know the order of dates


def test_the_components_of_a_hypercomplex_backbone_are_the_stacked_dates():
    keras.utils.clear_session()
    options = BackboneOptions(stacked=True)
    model = backbones.build("phresnet18", RGB, layer="stage1_block1_out", options=options)
    (settled,) = backbones.settled_backbones(model)
    stem = settled.network.get_layer("stem_conv")
    assert stem.components == 2
    assert stem.kernel.shape == (2, 7, 7, 3, 32)  # of the bands of one date to half of the channels
    assert model.output_shape == (None, 64)


def test_components_divide_the_bands_of_both_dates():
    refuse_components("phresnet18", 6, "bands", RGB.bands, dates=2)
    with pytest.raises(ValueError, match="components 4 does not divide the 6 bands"):
        refuse_components("phresnet18", 4, "bands", RGB.bands, dates=2)
    with pytest.raises(ValueError, match="components 6 does not divide the 3 bands"):
        refuse_components("phresnet18", 6, "bands", RGB.bands)
