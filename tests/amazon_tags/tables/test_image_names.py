import numpy as np
import pytest

from amazon_tags.tables.image_names import likely_difference, select


@pytest.mark.parametrize("seed", range(3))
def test_selected_positions_hold_the_wanted_names(seed):
    rng = np.random.default_rng(seed)
    ids = [f"test_{number}" for number in rng.permutation(100)]
    wanted = rng.choice(ids, 30).tolist()
    assert [ids[place] for place in select(ids, wanted)] == wanted


def test_selecting_nothing_gives_an_empty_array_of_positions():
    assert select(["a"], []).dtype == np.intp


def test_a_missing_or_repeated_name_cannot_be_selected():
    with pytest.raises(ValueError, match=r"2 of 3 chips are missing from the 2 chips to select from \(first: 'c'\)"):
        select(["a", "b"], ["a", "c", "d"])
    with pytest.raises(ValueError, match=r"1 images are repeated .first: 'a' in rows 0 and 1"):
        select(["a", "a"], ["a"])


@pytest.mark.parametrize(
    ("name", "others", "clause"),
    [
        ("0007", ["6", "7"], "'7' is there, which differs by leading zeros, which spreadsheets drop"),
        ("train_7", ["train_006", "train_007"], "'train_007' is there, which differs by leading zeros"),
        ("7", ["6.0", "7.0"], "'7.0' is there"),
        ("Sample_7", ["sample_6", "sample_7"], "'sample_7' is there, which differs by upper and lower case"),
        ("sample 7", ["sample_6", "sample_7"], "'sample_7' is there, which differs by blanks, hyphens or underscores"),
        ("sampel_7", ["other", "sample_7"], "the nearest name that is there is 'sample_7'"),
        ("sample_7", ["sample_1", "sample_2"], "names that are there look like 'sample_1'"),
    ],
)
def test_the_message_shows_a_name_that_is_there_and_the_likely_difference(name, others, clause):
    assert likely_difference(name, others).startswith(f"; {clause}")
    with pytest.raises(ValueError, match="1 of 1 chips are missing") as caught:
        select(others, [name])
    assert clause in str(caught.value)


def test_nothing_is_like_a_name_among_none():
    assert likely_difference("a", []) == ""
