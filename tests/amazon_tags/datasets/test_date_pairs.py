"""Test tables of pairs of dates, and the groups that must stay in one fold."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from amazon_tags.datasets.date_pairs import group_pairs, list_pairs
from features.images.date_pair import DatePair

HEADER = "image_name,before,after\n"


@pytest.fixture
def chips(tmp_path):
    folder = tmp_path / "chips"
    folder.mkdir()
    for name in ("a1", "a2", "b1", "b2"):
        (folder / f"{name}.jpg").touch()  # a listing reads no pixels
    return folder


def read(chips, text, **options):
    table = chips.parent / "pairs.csv"
    table.write_text(HEADER + text)
    return list_pairs(table, [chips], **options)


def test_pairs_are_in_natural_order_of_their_names_and_name_files_with_or_without_suffix(chips):
    pairs = read(chips, "place_10,b1,b2.jpg\nplace_9,x/a1.jpg, a2 \n")
    assert pairs.names() == ["place_9", "place_10"]
    assert [path.name for path in pairs.files()] == ["a1.jpg", "a2.jpg", "b1.jpg", "b2.jpg"]
    assert pairs.take([1])[0] == DatePair("place_10", chips / "b1.jpg", chips / "b2.jpg")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p,a1,a9\nq,b1,b2\n", r"1 of 2 pairs .*missing from .*chips \(first: 'p' needs 'a9'\)"),
        ("p,a1,a1.jpg\n", r"line 2: 'p' has the chip 'a1' twice"),
        ("p,a1,a2\nq,a1,a2\n", r"lines 2 and 3: 'p' and 'q' have the same two chips"),
        ("p,a1,a2\nq,a2,a1\n", r"lines 2 and 3: 'p' and 'q' have the same two chips"),
        ("p,a1,a2\np,b1,b2\n", r"1 images are repeated \(first: 'p'"),
        ("p,a1,\n", r"line 2: after is empty"),
        (",a1,a2\n", r"image_name is empty"),
        ('"p\n",a1,a2\n"q\tr",b1,b2\n', r"'q\\tr'"),
    ],
)
def test_a_table_that_is_wrong_is_refused_in_one_line(chips, text, message):
    with pytest.raises(ValueError, match=message) as refusal:
        read(chips, text)
    assert "\n" not in str(refusal.value)


def test_pairs_that_lack_a_chip_are_left_out_only_on_request(chips, capsys):
    assert read(chips, "p,a1,a9\nq,b1,b2\n", skip_missing=True).names() == ["q"]
    assert "these pairs are left out" in capsys.readouterr().err
    with pytest.raises(ValueError, match="pass --skip-missing"):
        read(chips, "p,a1,a9\nq,b1,b2\n", skip_missing=False)
    with pytest.raises(ValueError, match="no pair is left"):
        read(chips, "p,a1,a9\n", skip_missing=True)


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
