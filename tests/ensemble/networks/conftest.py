import numpy as np
import pytest

from ensemble.networks.batches import BatchSource
from features.images import chips, listing
from tests.ensemble.networks.toy_member import SPEC


@pytest.fixture(scope="module")
def source(world):
    """Return chips of the world, and whether they are brighter than most: easy to learn."""
    paths = listing.chips([world.train_jpg])
    brightness = np.array([chips.load(path, SPEC).mean() for path in paths])
    bright = brightness > np.median(brightness)
    return BatchSource(paths, np.stack([bright, ~bright, np.zeros_like(bright)], axis=1).astype(np.float32), SPEC)
