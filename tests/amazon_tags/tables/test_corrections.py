"""Corrections: read, refused, applied."""

import numpy as np
import pytest

from amazon_tags.tables import corrections, labels
from amazon_tags.tables.corrections import Correction

SPACE = labels.PLANET
ROAD, WATER = SPACE.names.index("road"), SPACE.names.index("water")


def write(path, *rows, header="image_name,tag,holds"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_the_later_of_two_corrections_counts_and_both_are_reported(tmp_path):
    path = write(
        tmp_path / "c.csv", "a,road,yes", "b.jpg,water,no", "b,road,No", "c,road,yes", "a,road,no", "a,water,yes"
    )
    truth, unknown = np.zeros((2, 2, len(SPACE.names)), np.bool_)
    truth[1, WATER] = unknown[0, WATER] = True
    counts = corrections.apply(corrections.read(path, SPACE), SPACE, {"a": "1", "b": "2"}, truth, unknown)
    assert not truth[0, ROAD]
    assert truth[0, WATER]
    assert not truth[1, WATER]
    assert not unknown.any()
    assert counts == {"changed": 4, "agreed": 1, "elsewhere": 1}


def test_a_correction_of_one_copy_applies_to_all(tmp_path):
    rows = corrections.read(write(tmp_path / "c.csv", "a,road,yes", "c,road,yes"), SPACE)
    truth, unknown = np.zeros((2, 3, len(SPACE.names)), np.bool_)
    counts = corrections.apply(rows, SPACE, {"a": "1", "b": "2", "c": "1"}, truth, unknown)
    assert truth[:, ROAD].tolist() == [True, False, True]
    assert counts == {"changed": 1, "agreed": 1, "elsewhere": 0}


def test_a_corrections_file_may_have_no_rows(tmp_path):
    assert corrections.read(write(tmp_path / "c.csv"), SPACE) == []


def test_a_corrected_tag_is_not_unknown_any_more(tmp_path):
    truth, unknown = np.zeros((2, 1, len(SPACE.names)), np.bool_)
    unknown[0, ROAD] = True
    rows = corrections.read(write(tmp_path / "c.csv", "a,road,no"), SPACE)
    counts = corrections.apply(rows, SPACE, {"a": "1"}, truth, unknown)
    assert not unknown.any()
    assert counts["changed"] == 1


def test_other_columns_are_ignored(tmp_path):
    path = write(tmp_path / "c.csv", "me,a,road,yes", header="who,image_name,tag,holds")
    assert corrections.read(path, SPACE) == [Correction("a", "road", True)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,raod,yes", "line 2: 'raod' is not a label of .*road"),
        ("a,road,maybe", "line 2: holds is 'maybe', but must be yes or no"),
        ("a,road", "got 2 fields"),
    ],
)
def test_an_error_is_reported_with_its_line(tmp_path, row, message):
    with pytest.raises(ValueError, match=message):
        corrections.read(write(tmp_path / "c.csv", row), SPACE)
