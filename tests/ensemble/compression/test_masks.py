import numpy as np
import pytest

from ensemble.compression.masks import global_masks, layer_masks

SHAPES = ((3, 3, 4, 8), (1, 1, 8, 5), (7,))


def scores(seed=0):
    rng = np.random.default_rng(seed)
    return [scale * rng.random(shape) for scale, shape in zip((1.0, 10.0, 0.1), SHAPES, strict=True)]


@pytest.mark.parametrize("keep", [0.0, 0.013, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("choose", [global_masks, layer_masks])
def test_masks_keep_the_share_to_half_a_weight(choose, keep):
    masks = choose(scores(), keep)
    assert [mask.shape for mask in masks] == list(SHAPES)
    assert abs(sum(mask.sum() for mask in masks) - keep * sum(mask.size for mask in masks)) <= 0.5


def test_global_masks_keep_no_score_below_one_that_is_pruned():
    values = scores()
    masks = global_masks(values, 0.3)
    kept = np.concatenate([value[mask] for value, mask in zip(values, masks, strict=True)])
    pruned = np.concatenate([value[~mask] for value, mask in zip(values, masks, strict=True)])
    assert kept.min() >= pruned.max()


def test_layer_masks_keep_the_same_share_of_every_tensor_and_its_highest_scores():
    values = scores()
    for value, mask in zip(values, layer_masks(values, 0.25), strict=True):
        assert abs(mask.sum() - 0.25 * mask.size) <= 1
        assert value[mask].min() >= value[~mask].max()


def test_equal_scores_are_pruned_from_the_end():
    (mask,) = global_masks([np.zeros(6)], 0.5)
    assert mask.tolist() == [True] * 3 + [False] * 3
