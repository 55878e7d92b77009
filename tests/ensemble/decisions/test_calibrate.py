import numpy as np
import pytest

from ensemble.decisions import calibrate
from ensemble.metrics import score

GROUPS = ((0, 1, 2),)


def drawn(seed, chips=3000):
    """Probabilities of three labels of which one holds and of two free ones, and truth drawn by them."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 1.5, (chips, 5))
    parts = np.exp(odds[:, :3])
    chances = np.concatenate([parts / parts.sum(axis=1, keepdims=True), 1 / (1 + np.exp(-odds[:, 3:]))], axis=1)
    picked = (rng.random((chips, 1)) > np.cumsum(chances[:, :3], axis=1)).sum(axis=1).clip(0, 2)
    truth = np.concatenate([np.eye(3, dtype=bool)[picked], rng.random((chips, 2)) < chances[:, 3:]], axis=1)
    return chances.astype(np.float32), truth


@pytest.mark.parametrize("name", calibrate.CALIBRATIONS)
@pytest.mark.parametrize("carriers", [0, 1, 300])
def test_every_calibration_gives_probabilities_whatever_the_labels(name, carriers):
    scores, truth = drawn(0, 300)
    truth[:, 3] = False
    truth[:carriers, 3] = True
    scores[0], scores[1] = 0, 1
    calibrated = calibrate.apply(calibrate.fit(name, scores, truth, GROUPS), scores)
    assert calibrated.shape == scores.shape
    assert calibrated.dtype == np.float32
    assert np.isfinite(calibrated).all()
    assert calibrated.min() >= 0
    assert calibrated.max() <= 1


@pytest.mark.parametrize("name", [name for name in calibrate.CALIBRATIONS if name != "softmax"])
def test_the_order_of_a_labels_scores_is_kept(name):
    scores, truth = drawn(1)
    calibrated = calibrate.apply(calibrate.fit(name, scores**2, truth, GROUPS), scores**2)
    for before, after in zip(scores.T, calibrated.T, strict=True):
        assert (np.diff(after[np.argsort(before, kind="stable")]) >= -1e-7).all()


@pytest.mark.parametrize("name", ["platt", "isotonic"])
def test_a_planted_error_is_undone_on_other_chips(name):
    scores, truth = drawn(2, 8000)
    distorted = scores**2
    half = len(scores) // 2
    calibrated = calibrate.apply(calibrate.fit(name, distorted[:half], truth[:half], GROUPS), distorted[half:])
    right, wrong, corrected = (
        score.log_loss(truth[half:], matrix) for matrix in (scores[half:], distorted[half:], calibrated)
    )
    assert corrected < right + 0.1 * (wrong - right)
    before, after = (score.calibration_error(truth[half:], matrix).mean() for matrix in (distorted[half:], calibrated))
    assert after < before / 3


def test_a_planted_temperature_is_found():
    scores, truth = drawn(3, 20_000)
    odds = calibrate.log_odds(scores) * 2.5
    sharp = (1 / (1 + np.exp(-odds))).astype(np.float32)
    fitted = calibrate.fit("temperature", sharp, truth, GROUPS)
    np.testing.assert_allclose(fitted.slopes, 1 / 2.5, rtol=0.08)


def test_a_group_shares_one_softmax_and_its_temperature_is_found():
    rng = np.random.default_rng(4)
    odds = rng.normal(0, 1, (20_000, 3))
    parts = np.exp(0.5 * odds)
    picked = (rng.random((20_000, 1)) > np.cumsum(parts / parts.sum(axis=1, keepdims=True), axis=1)).sum(axis=1)
    truth = np.eye(3, dtype=bool)[picked.clip(0, 2)]
    scores = (1 / (1 + np.exp(-odds))).astype(np.float32)
    fitted = calibrate.fit("softmax", scores, truth, GROUPS)
    np.testing.assert_allclose(fitted.slopes, 0.5, rtol=0.08)
    calibrated = calibrate.apply(fitted, scores)
    np.testing.assert_allclose(calibrated.sum(axis=1), 1, atol=1e-6)


def test_platt_equals_sklearns_sigmoid():
    from sklearn.calibration import _sigmoid_calibration  # noqa: PLC0415  an oracle, and private

    scores, truth = drawn(5, 400)
    odds = calibrate.log_odds(scores)
    fitted = calibrate.fit("platt", scores, truth, GROUPS)
    for label in range(5):
        slope, offset = _sigmoid_calibration(odds[:, label], truth[:, label].astype(float))
        assert -slope == pytest.approx(fitted.slopes[label], rel=1e-3)
        assert -offset == pytest.approx(fitted.offsets[label], rel=1e-3, abs=1e-3)


def test_isotonic_equals_sklearns():
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415  an oracle

    scores, truth = drawn(6, 500)
    calibrated = calibrate.apply(calibrate.fit("isotonic", scores, truth, GROUPS), scores)
    edge = 0.5 / 501
    for label in range(5):
        expected = IsotonicRegression().fit_transform(scores[:, label], truth[:, label]).clip(edge, 1 - edge)
        np.testing.assert_allclose(calibrated[:, label], expected, atol=1e-6)


def test_scores_of_other_labels_are_refused():
    with pytest.raises(ValueError, match="scores have 4 labels, but the calibration has 5"):
        calibrate.apply(calibrate.unchanged(5), np.zeros((2, 4), np.float32))
    with pytest.raises(ValueError, match=r"scores has shape \(2, 3\) but truth has \(2, 4\)"):
        calibrate.fit("platt", np.zeros((2, 3), np.float32), np.zeros((2, 4), bool), ())
