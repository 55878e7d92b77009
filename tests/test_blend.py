import numpy as np
import pytest

from ensemble import blend


def matrices(seed=0, number=3):
    return list(np.random.default_rng(seed).random((number, 20, 5)).astype(np.float32))


def test_the_mean_is_numpys():
    given = matrices()
    found = blend.mean(given)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.mean(given, axis=0), rtol=1e-6)


def test_weights_are_those_of_numpys_average_at_any_scale():
    given = matrices()
    np.testing.assert_allclose(blend.mean(given, [1, 2, 5]), np.average(given, axis=0, weights=[1, 2, 5]), rtol=1e-6)
    np.testing.assert_array_equal(blend.mean(given, [1, 2, 5]), blend.mean(given, [2, 4, 10]))


def test_equal_weights_are_no_weights():
    np.testing.assert_array_equal(blend.mean(matrices(), [3, 3, 3]), blend.mean(matrices()))


def test_a_member_alone_or_repeated_is_its_own_mean():
    one = matrices()[0]
    np.testing.assert_array_equal(blend.mean([one]), one)
    np.testing.assert_array_equal(blend.mean([one] * 7), one)
    np.testing.assert_array_equal(blend.mean(matrices(), [0, 1, 0]), matrices()[1])


def test_the_mean_of_scores_is_a_score():
    ones = np.ones((4, 3), np.float32)
    for number in range(1, 30):
        assert blend.mean([ones] * number, list(np.linspace(0.1, 1, number))).max() <= 1


@pytest.mark.parametrize(
    ("given", "weights", "text"),
    [
        ([], None, "0 score matrices"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], None, r"matrix 1 has shape \(2, 4\)"),
        (matrices(), [1, 2], "3 score matrices came with 2 weights"),
        (matrices(), [1, 2, -1], "none may be negative"),
        (matrices(), [0, 0, 0], "one must be positive"),
        (matrices(), [1, 2, np.nan], "make no mean"),
    ],
)
def test_what_has_no_mean_is_refused(given, weights, text):
    with pytest.raises(ValueError, match=text):
        blend.mean(given, weights)
