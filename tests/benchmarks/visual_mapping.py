"""Fits `features.visual` on the competition's chips that exist as JPG and as TIF, and says how well it does.

Run as `python -m tests.benchmarks.visual_mapping`, with AMAZON_TAGS_DATA naming the folder of real chips.

JPG and TIF of one name are often not one place. So the TIF is moved along x until the two correlate best; a pair that
never reaches `ALIKE` is left out. Each form of curve is fitted, per band, to the least mean absolute error over pairs,
and judged on the pair that was left out of its fit.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from features.images import chips, listing, sensor_colours

Floats = NDArray[np.float64]
Curve = Callable[[Floats, Floats], Floats]  # (constants, levels of the sensor) -> grey levels

ALIKE = 0.85  # correlation; true pairs reach 0.89 and more, chance stays below 0.45
FAR = 48  # pixels
EVERY = 16  # pixels of a pair are thinned to every 16th: neighbours say the same


@dataclass(frozen=True)
class Pair:
    """One place seen twice: `levels` of the sensor and `grey` of the JPG, both (pixels, 3) in red, green, blue."""

    name: str
    shift: int
    correlation: float
    levels: Floats
    grey: Floats


def align(jpg: Path, tif: Path) -> Pair:
    """The pair at the shift along x, in pixels of the JPG, where brightness correlates best."""
    grey = chips.read(jpg).astype(np.float64)
    levels = chips.read(tif)[..., 2::-1].astype(np.float64)
    tried = []
    for shift in range(-FAR, FAR + 1):
        ours, theirs = _shifted(grey, shift), _shifted(levels, -shift)
        tried.append((_correlation(ours.mean(axis=2), theirs.mean(axis=2)), -abs(shift), shift))
    correlation, _, shift = max(tried)
    return Pair(
        jpg.stem,
        shift,
        correlation,
        _shifted(levels, -shift).reshape(-1, 3)[::EVERY],
        _shifted(grey, shift).reshape(-1, 3)[::EVERY],
    )


def _shifted(image: Floats, shift: int) -> Floats:
    return image[:, max(shift, 0) : image.shape[1] + min(shift, 0)]


def _correlation(ours: Floats, theirs: Floats) -> float:
    ours, theirs = ours - ours.mean(), theirs - theirs.mean()
    return float((ours * theirs).sum() / np.sqrt((ours**2).sum() * (theirs**2).sum() + 1e-9))


FORMS: dict[str, tuple[Curve, tuple[float, ...]]] = {  # curve, first guess; thousands of sensor levels inside
    "line": (lambda at, x: at[0] + at[1] * x / 1000, (-40, 30)),
    "power": (lambda at, x: at[0] * np.maximum(x / 1000 - at[1], 0) ** np.clip(at[2], 0.1, 3), (50, 2, 0.7)),
    "exponential": (lambda at, x: at[0] * (1 - np.exp((at[1] - x / 1000) / max(at[2], 0.1))), (230, 2, 3)),
    "shoulder": (lambda at, x: sensor_colours.shoulder(x, at[1], at[0]), (-50, 35)),
}


def fit(form: str, pairs: list[Pair], band: int) -> Floats:
    """The constants of least mean absolute error, every pair weighing the same."""
    curve, guess = FORMS[form]
    levels = np.concatenate([pair.levels[::4, band] for pair in pairs])
    grey = np.concatenate([pair.grey[::4, band] for pair in pairs])
    weights = np.concatenate([np.full(len(pair.levels[::4]), 1 / len(pair.levels)) for pair in pairs])

    def error(constants: Floats) -> float:
        return float((weights * np.abs(curve(constants, levels).clip(0, 255) - grey)).sum())

    found: Floats = minimize(error, guess, method="Nelder-Mead", options={"maxiter": 400}).x
    return found


def miss(form: str, constants: Floats, pair: Pair, band: int) -> float:
    """Mean absolute error in grey levels."""
    made = np.rint(FORMS[form][0](constants, pair.levels[:, band])).clip(0, 255)
    return float(np.abs(made - pair.grey[:, band]).mean())


def main() -> None:
    """Prints the pairs, each form's residual on left-out pairs, and the constants of all pairs."""
    planet = Path(os.environ["AMAZON_TAGS_DATA"]) / "planet"
    named = [
        (planet / f"{part}-jpg" / f"{tif.stem}.jpg", tif)
        for part in ("train", "test")
        for tif in listing.chips([planet / f"{part}-tif-v2"])
    ]
    pairs = [align(jpg, tif) for jpg, tif in named if jpg.exists()]
    used = [pair for pair in pairs if pair.correlation >= ALIKE]
    print(f"{len(pairs)} pairs, {len(used)} used (correlation of at least {ALIKE} at some shift)")
    left_out = {form: np.array([_left_out(form, used, place) for place in range(len(used))]) for form in FORMS}
    residuals = {pair.name: errors for pair, errors in zip(used, left_out["shoulder"], strict=True)}
    print("pair      shift  correlation  left-out residual of the shoulder, red green blue")
    for pair in pairs:
        errors = " ".join(f"{error:5.1f}" for error in residuals.get(pair.name, ())) or "not used"
        print(f"{pair.name:9} {pair.shift:5} {pair.correlation:12.3f}  {errors}")
    print("form         left-out residual: mean, median over pairs; red green blue")
    for form, table in left_out.items():
        print(f"{form:12} {table.mean():5.2f} {np.median(table):5.2f} ", *(f"{error:5.2f}" for error in table.mean(0)))
    for band, colour in enumerate(sensor_colours.COLOURS):
        constants = fit("shoulder", used, band)
        inside = np.mean([miss("shoulder", constants, pair, band) for pair in used])
        print(f"{colour}: gain {constants[1]:.1f}, offset {constants[0]:.1f}; residual inside {inside:.2f}")


def _left_out(form: str, pairs: list[Pair], place: int) -> list[float]:
    rest = pairs[:place] + pairs[place + 1 :]
    return [miss(form, fit(form, rest, band), pairs[place], band) for band in range(3)]


if __name__ == "__main__":
    main()
