import numpy as np

from features.images.occlusion import occlusion_maps, patch_starts
from features.networks import openvino_runtime
from tests import planted_network


def test_scores_drop_where_a_planted_tag_stands(tmp_path):
    score = openvino_runtime.load(*planted_network.network(tmp_path))
    first, second = occlusion_maps(planted_network.chip(), score, patch=8)
    assert planted_network.share_in_its_quarter(first) >= 0.95
    assert first.max() == first[8:24, 40:56].max() > 0.03
    assert second.min() == second[8:24, 40:56].min() < 0  # the tag that red speaks against


def test_a_tag_that_fills_its_quarter_hardly_spills_out_of_it():
    chip = np.full((64, 64, 3), planted_network.GREY, np.uint8)
    chip[:32, 32:] = planted_network.RED
    (first,) = occlusion_maps(chip, lambda chips: chips[..., :1].mean(axis=(1, 2)) / 255, patch=4)
    assert planted_network.share_in_its_quarter(first) >= 0.95


def test_a_pixels_drop_is_the_mean_over_the_patches_that_cover_it():
    chip = np.zeros((6, 6, 1), np.uint8)
    chip[0, 0] = 36  # the mean is 1
    drops = occlusion_maps(chip, lambda chips: chips[:, 0, 0].astype(np.float32), patch=4)[0]
    assert np.unique(drops).tolist() == [0, 35 / 4, 35 / 2, 35]
    assert drops[0].tolist() == [35, 35, 35 / 2, 35 / 2, 0, 0]


def test_patches_reach_the_end_of_any_side():
    assert patch_starts(10, 4).tolist() == [0, 2, 4, 6]
    assert patch_starts(11, 4).tolist() == [0, 2, 4, 6, 7]
    assert patch_starts(4, 4).tolist() == [0]
