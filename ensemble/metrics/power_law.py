"""How F2 grows with the number of labelled chips: a power law of the error, and what it can be used for.

1 - F2 = scale * chips ** -exponent, a straight line in logarithms, as in Cherti and Jitsev 2022. It has no floor, so it
promises too much where the error cannot fall below one; therefore it has to predict the largest sample first.
"""

from dataclasses import dataclass

import numpy as np

from ensemble.arrays import Floats

MIN_SIZES = 4  # of samples: three to fit two parameters, and one to test them on
MAX_EXTRAPOLATION = 10.0  # times the largest sample; the sizes that are measured span about as much
MIN_ERROR = 1e-6  # or its logarithm is infinite
ENDS = (0.025, 0.975)  # of a 95 % interval


@dataclass(frozen=True)
class PowerLaw:
    """A fitted law; `draws` (draws, 2) are logarithm of the scale and exponent of each bootstrap draw."""

    scale: float
    exponent: float
    exponent_interval: tuple[float, float]
    largest: float  # sample, in chips
    draws: Floats
    refusal: str | None = None  # why it carries no extrapolation; None if it does


@dataclass(frozen=True)
class ChipsNeeded:
    """The labelled chips at which the law reaches an F2, with a 95 % interval; None and the reason if refused."""

    f2: float
    chips: float | None
    interval: tuple[float, float] | None
    refusal: str | None = None


def fit_power_law(chips: Floats, f2: Floats, draws: Floats) -> PowerLaw:
    """Fit the law by least squares in logarithms.

    Args:
        chips: (sizes,) of the samples, ascending.
        f2: (sizes,).
        draws: (draws, sizes) of F2, paired between the sizes.

    Raises:
        ValueError: there are fewer than two sizes.
    """
    if len(np.unique(chips)) < 2:
        raise ValueError(f"{len(np.unique(chips))} sizes of samples have no slope; pass two or more.")
    log_scale, exponent = _fit(chips, f2[np.newaxis])[0]
    drawn = _fit(chips, draws)
    low, high = (float(end) for end in np.quantile(drawn[:, 1], ENDS))
    refusal = _refusal(chips, draws, low)
    return PowerLaw(float(np.exp(log_scale)), float(exponent), (low, high), float(chips[-1]), drawn, refusal)


def chips_needed(law: PowerLaw, f2: float) -> ChipsNeeded:
    """Return the number of labelled chips at which the law reaches an F2 between 0 and 1, unless that is refused."""
    if law.refusal:
        return ChipsNeeded(f2, None, None, law.refusal)
    log_error = np.log(1 - f2)
    with np.errstate(over="ignore", divide="ignore"):
        drawn = np.exp((law.draws[:, 0] - log_error) / np.maximum(law.draws[:, 1], MIN_ERROR))
        chips = float(np.exp((np.log(law.scale) - log_error) / law.exponent))
    low, high = (float(end) for end in np.quantile(drawn, ENDS, method="nearest"))
    limit = MAX_EXTRAPOLATION * law.largest
    if max(chips, high) > limit:
        reason = (
            f"it may need more than {limit:.0f} chips, {MAX_EXTRAPOLATION:g} times the largest sample (95 % interval "
            f"from {low:.0f}), where the law says nothing; label more chips and measure again"
        )
        return ChipsNeeded(f2, None, None, reason)
    return ChipsNeeded(f2, chips, (low, high))


def _fit(chips: Floats, f2: Floats) -> Floats:
    """Return (draws, 2) logarithm of the scale and exponent."""
    x = np.log(chips) - np.log(chips).mean()
    y = np.log(np.maximum(1 - f2, MIN_ERROR))
    slope = y @ x / (x @ x)
    return np.stack([y.mean(axis=1) - slope * np.log(chips).mean(), -slope], axis=1)


def _refusal(chips: Floats, draws: Floats, least_exponent: float) -> str | None:
    sizes = len(np.unique(chips))
    if sizes < MIN_SIZES:
        return f"{sizes} sizes of samples cannot test a law; measure {MIN_SIZES} or more"
    if least_exponent <= 0:
        return "more chips do not clearly raise F2 here, the exponent's interval holds 0; label more chips first"
    part = _fit(chips[:-1], draws[:, :-1])
    predicted = 1 - np.exp(part[:, 0] - part[:, 1] * np.log(chips[-1]))
    low, high = (float(end) for end in np.quantile(predicted - draws[:, -1], ENDS))
    if low > 0 or high < 0:
        return (
            "the curve is no power law: fitted without the largest sample, it misses the F2 measured there by "
            f"{low:+.4f} to {high:+.4f}; add larger samples"
        )
    return None
