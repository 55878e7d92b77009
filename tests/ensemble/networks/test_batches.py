import numpy as np
import pytest

from ensemble.networks.batches import BatchSource, EpochBatches
from features.images import listing
from features.images.spec import ChipSpec

SPEC = ChipSpec(side=64)


@pytest.fixture
def source(world):
    paths = listing.chips([world.train_jpg])
    targets = np.eye(len(paths), dtype=np.float32)
    return BatchSource(paths, targets, SPEC)


def test_an_epoch_shows_every_chip_and_fills_the_last_batch(source):
    epoch = EpochBatches(source, 32, seed=0)
    assert (len(epoch), epoch.parts.shape) == (2, (2, 32))
    assert set(epoch.parts.ravel()) == set(range(48))
    pixels, targets = epoch[0]
    assert (pixels.shape, pixels.dtype, targets.shape) == ((32, 64, 64, 3), np.uint8, (32, 48))


def test_a_seed_decides_order_and_views(source):
    first, again, other = (EpochBatches(source, 16, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first[1][0], again[1][0])
    np.testing.assert_array_equal(first[1][1], again[1][1])
    assert not np.array_equal(first.parts, other.parts)


def test_no_more_unlabelled_than_labelled_chips_are_drawn(source):
    few = BatchSource(source.paths[:8], source.targets[:8], SPEC, source.paths[8:], source.targets[8:])
    assert few.shown == 16
    rows = EpochBatches(few, 16, seed=0).parts.ravel()
    assert set(range(8)) < set(rows)
    assert len(set(rows)) == 16
    drawn = [frozenset(EpochBatches(few, 16, seed=seed).parts.ravel()) for seed in range(3)]
    assert len(set(drawn)) == 3  # a new draw each time


def test_mixup_mixes_chips_and_targets_by_one_share(source):
    epoch = EpochBatches(source, 2, seed=1, mixup=1.0)
    plain = EpochBatches(source, 2, seed=1)
    pixels, targets = epoch[0]
    originals, plain_targets = plain[0]
    assert plain_targets[0] @ plain_targets[1] == 0  # they have no label in common, so the targets tell the share
    share = (targets[0] @ plain_targets[0]) / (plain_targets[0] @ plain_targets[0])
    expected = share * originals[0].astype(float) + (1 - share) * originals[1]
    np.testing.assert_allclose(pixels[0], expected, atol=0.51)
