import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from amazon_tags.training.pair_groups import group_pairs
from features.images.date_pair import DatePair


@pytest.mark.parametrize("count", [12, 25])
def test_groups_are_the_connected_parts_of_pairs_chips_and_their_groups(tmp_path, count):
    rng = np.random.default_rng(count)
    ends = np.array([rng.choice(40, 2, replace=False) for _ in range(count)])
    pairs = [DatePair(f"p{row}", tmp_path / f"c{a}.jpg", tmp_path / f"c{b}.jpg") for row, (a, b) in enumerate(ends)]
    of_chips = rng.integers(0, 12, 40)
    edges = np.concatenate([ends, [(chip, 40 + group) for chip, group in enumerate(of_chips[:20])]])
    graph = coo_array((np.ones(len(edges)), edges.T), shape=(52, 52))
    expected = connected_components(graph, directed=False)[1][ends[:, 0]]
    groups = group_pairs(pairs, [(f"c{chip}", str(group)) for chip, group in enumerate(of_chips[:20])])
    np.testing.assert_array_equal(groups[:, None] == groups, expected[:, None] == expected)


def test_pairs_without_a_common_chip_need_no_groups(tmp_path):
    pairs = [DatePair(f"p{row}", tmp_path / f"a{row}.jpg", tmp_path / f"b{row}.jpg") for row in range(3)]
    assert group_pairs(pairs) is None
    assert group_pairs(pairs, [(f"a{row}", str(row)) for row in range(3)]) is None
