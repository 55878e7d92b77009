"""Corrections: read, refused, applied."""

import numpy as np
import pytest

from amazon_tags import corrections, labels

SPACE = labels.PLANET
ROAD, WATER = SPACE.names.index("road"), SPACE.names.index("water")


def write(path, *rows, header="image_name,tag,holds"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_the_later_row_counts_and_all_are_told_of(tmp_path):
    path = write(
        tmp_path / "c.csv", "a,road,yes", "b.jpg,water,no", "b,road,No", "c,road,yes", "a,road,no", "a,water,yes"
    )
    truth, doubts = np.zeros((2, 2, len(SPACE.names)), np.bool_)
    truth[1, WATER] = doubts[0, WATER] = True
    told = corrections.apply(path, SPACE, ["a", "b"], truth, doubts)
    assert not truth[0, ROAD]
    assert truth[0, WATER]
    assert not truth[1, WATER]
    assert not doubts.any()
    assert (told["changed"], told["agreed"], told["elsewhere"], told["file"]) == (4, 1, 1, "c.csv")


def test_a_doubt_that_is_settled_is_none_any_more(tmp_path):
    truth, doubts = np.zeros((2, 1, len(SPACE.names)), np.bool_)
    doubts[0, ROAD] = True
    told = corrections.apply(write(tmp_path / "c.csv", "a,road,no"), SPACE, ["a"], truth, doubts)
    assert not doubts.any()
    assert told["changed"] == 1


def test_further_columns_are_theirs_who_keep_the_file(tmp_path):
    path = write(tmp_path / "c.csv", "me,a,road,yes", header="who,image_name,tag,holds")
    assert corrections.read(path, SPACE) == [corrections.Correction("a", "road", True)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,raod,yes", "line 2: 'raod' is no label of .*road"),
        ("a,road,maybe", "line 2: holds is 'maybe', but must be yes or no"),
        ("a,road", "got 2 fields"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, row, message):
    with pytest.raises(ValueError, match=message):
        corrections.read(write(tmp_path / "c.csv", row), SPACE)
