import numpy as np
import pytest

from ensemble.metrics.power_law import chips_needed, fit_power_law

CHIPS = np.array([20.0, 60.0, 120.0, 300.0, 600.0])


def curve(exponent: float, *, floor: float = 0.0, noise: float = 0.002) -> tuple[np.ndarray, np.ndarray]:
    """F2 of an error of 0.9 * chips ** -exponent + floor, and noisy draws around it."""
    f2 = 1 - 0.9 * CHIPS**-exponent - floor
    return f2, f2 + np.random.default_rng(0).normal(size=(500, len(CHIPS))) * noise


def test_the_parameters_of_an_exact_law_are_found():
    law = fit_power_law(CHIPS, *curve(0.3))
    assert law.scale == pytest.approx(0.9, rel=1e-9)
    assert law.exponent == pytest.approx(0.3, rel=1e-9)
    assert law.exponent_interval[0] < 0.3 < law.exponent_interval[1]
    assert law.refusal is None


def test_the_chips_that_an_f2_needs_are_those_of_the_law():
    needed = chips_needed(fit_power_law(CHIPS, *curve(0.3)), 0.9)
    assert needed.chips == pytest.approx((0.9 / 0.1) ** (1 / 0.3), rel=1e-9)
    assert needed.interval[0] < needed.chips < needed.interval[1]
    assert needed.refusal is None


def test_far_extrapolation_is_refused():
    needed = chips_needed(fit_power_law(CHIPS, *curve(0.3)), 0.99)
    assert (needed.chips, needed.interval) == (None, None)
    assert "more than 6000 chips" in needed.refusal


def test_a_curve_that_does_not_rise_is_refused():
    law = fit_power_law(CHIPS, *curve(0.001, noise=0.02))
    assert "do not clearly raise F2" in law.refusal
    assert chips_needed(law, 0.9).refusal == law.refusal


def test_a_curve_that_flattens_is_refused():
    assert "no power law" in fit_power_law(CHIPS, *curve(0.8, floor=0.1)).refusal


def test_few_sizes_are_refused():
    f2, draws = curve(0.3)
    assert "3 sizes of samples cannot test a law" in fit_power_law(CHIPS[:3], f2[:3], draws[:, :3]).refusal
    with pytest.raises(ValueError, match="1 sizes of samples have no slope"):
        fit_power_law(CHIPS[:1], f2[:1], draws[:, :1])
