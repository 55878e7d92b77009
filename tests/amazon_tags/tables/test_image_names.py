import numpy as np
import pytest

from amazon_tags.tables.image_names import select


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
