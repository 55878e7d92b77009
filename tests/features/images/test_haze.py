import numpy as np
from keras import ops

from features.images import haze


def scene(seed=0, side=96):
    """Return land as the method expects it: each patch has a pixel that is dark in some colour."""
    rng = np.random.default_rng(seed)
    land = np.kron(rng.random((12, 12, 3)), np.ones((8, 8, 1)))[:side, :side] * 0.6
    land[rng.random((side, side)) < 0.1] *= 0.02
    return land


def dehaze(image):
    return ops.convert_to_numpy(haze.remove_haze(ops.convert_to_tensor((255 * image)[None], "float32")))[0] / 255


def test_haze_that_was_added_to_a_scene_is_removed():
    land = scene()
    for thickness in (0.3, 0.6):
        hazy = (1 - thickness) * land + thickness * 0.9
        hazy[:6, :6] = 0.9  # pixels that show haze alone
        before, after = (np.abs(image - land)[10:, 10:].mean() for image in (hazy, dehaze(hazy)))
        assert after < 0.55 * before


def test_a_clear_scene_hardly_changes():
    land = scene()
    land[:6, :6] = 0.9
    assert np.abs(dehaze(land) - land).mean() < 0.05


def test_a_flat_picture_gives_finite_values_from_0_to_1():
    for level in (0.0, 0.5, 1.0):
        flat = dehaze(np.full((32, 32, 3), level))
        assert np.isfinite(flat).all()
        assert 0 <= flat.min() <= flat.max() <= 1
