import numpy as np
import pytest

from ensemble.networks import augment
from features.images import views


def chip(dtype="uint8", side=24):
    top = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(top // 4, top // 2, (side, side, 3)).astype(dtype)


def test_the_same_seed_shows_the_same_chips():
    batch = [chip()] * 6
    first, again, other = (augment.augment(batch, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_sensors_chip_that_fills_little_of_its_range_keeps_its_light():
    whole = np.random.default_rng(0).integers(2500, 6500, (24, 24, 4)).astype(np.uint16)
    for shown in augment.augment([whole] * 100, seed=3):
        assert abs(shown.mean() / whole.mean() - 1) < 0.25
        assert shown.min() > 1000


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_chip_keeps_its_type_and_becomes_each_of_its_views_with_a_little_light(dtype):
    whole = chip(dtype)
    upright = [views.view(whole, number).astype(float).ravel() for number in range(views.VIEWS)]
    seen, lights = set(), []
    for shown in augment.augment([whole] * 100, seed=3):
        assert (shown.dtype, shown.shape) == (whole.dtype, whole.shape)
        alike = [np.corrcoef(shown.astype(float).ravel(), other)[0, 1] for other in upright]
        assert max(alike) > 0.99
        seen.add(int(np.argmax(alike)))
        lights.append(shown.mean() / whole.mean())
    assert seen == set(range(views.VIEWS))
    assert np.std(lights) > 0.01
    assert max(np.abs(np.array(lights) - 1)) < 0.6
