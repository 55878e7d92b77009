"""Test tables of pairs of dates."""

import pytest

from amazon_tags.datasets.date_pairs import list_pairs
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
