"""Fit the curves of `features/images/sensor_colours.py` on chips that exist as JPG and TIF, and measure their error.

    python -m tests.benchmarks.visual_mapping

AMAZON_TAGS_DATA names the folder of real chips. JPG and TIF of one name are often not one place, so the TIF is moved
along x until both correlate best; a pair whose correlation stays below `MIN_CORRELATION` is not used. Each form of
curve is fitted per band to the least mean absolute error over pairs, and measured on the pair left out of its fit.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from ensemble.arrays import Floats
from features.images import chips, listing, sensor_colours
from tests.benchmarks import tables

Curve = Callable[[Floats, Floats], Floats]  # (constants, levels of the sensor) -> grey levels

MIN_CORRELATION = 0.85  # true pairs reach 0.89 and more, others stay below 0.45
MAX_SHIFT_PIXELS = 48  # the largest shift of a true pair is 35
PIXEL_STEP = 16  # every 16th pixel of a pair is used: neighbours carry the same information


@dataclass(frozen=True)
class Pair:
    """One place in two images: `levels` of the sensor and `grey` of the JPG, both (pixels, 3) in red, green, blue."""

    name: str
    shift: int  # pixels of the JPG along x
    correlation: float
    levels: Floats
    grey: Floats


def chip_files(folder: Path) -> list[Path]:
    """Return the chips of a folder in natural order."""
    return [path for path in listing.chips([folder]) if isinstance(path, Path)]


def align(jpg: Path, tif: Path) -> Pair:
    """Return the pair at the shift along x where the brightness of both images correlates best."""
    grey = chips.read(jpg).astype(np.float64)
    levels = chips.read(tif)[..., 2::-1].astype(np.float64)

    candidates = []
    for shift in range(-MAX_SHIFT_PIXELS, MAX_SHIFT_PIXELS + 1):
        left, right = _shifted(grey, shift), _shifted(levels, -shift)
        candidates.append((_correlation(left.mean(axis=2), right.mean(axis=2)), -abs(shift), shift))
    correlation, _, shift = max(candidates)

    return Pair(
        jpg.stem,
        shift,
        correlation,
        _shifted(levels, -shift).reshape(-1, 3)[::PIXEL_STEP],
        _shifted(grey, shift).reshape(-1, 3)[::PIXEL_STEP],
    )


def _shifted(image: Floats, shift: int) -> Floats:
    return image[:, max(shift, 0) : image.shape[1] + min(shift, 0)]


def _correlation(left: Floats, right: Floats) -> float:
    left, right = left - left.mean(), right - right.mean()
    return float((left * right).sum() / np.sqrt((left**2).sum() * (right**2).sum() + 1e-9))


FORMS: dict[str, tuple[Curve, tuple[float, ...]]] = {  # curve and first guess; sensor levels in thousands inside
    "line": (lambda at, x: at[0] + at[1] * x / 1000, (-40, 30)),
    "power": (lambda at, x: at[0] * np.maximum(x / 1000 - at[1], 0) ** np.clip(at[2], 0.1, 3), (50, 2, 0.7)),
    "exponential": (lambda at, x: at[0] * (1 - np.exp((at[1] - x / 1000) / max(at[2], 0.1))), (230, 2, 3)),
    "shoulder": (lambda at, x: sensor_colours.shoulder(x, at[1], at[0]), (-50, 35)),
}


def fit(form: str, pairs: list[Pair], band: int) -> Floats:
    """Return the constants of least mean absolute error, with the same weight for every pair."""
    curve, guess = FORMS[form]
    levels = np.concatenate([pair.levels[::4, band] for pair in pairs])
    grey = np.concatenate([pair.grey[::4, band] for pair in pairs])
    weights = np.concatenate([np.full(len(pair.levels[::4]), 1 / len(pair.levels)) for pair in pairs])

    def error(constants: Floats) -> float:
        return float((weights * np.abs(curve(constants, levels).clip(0, 255) - grey)).sum())

    constants: Floats = minimize(error, guess, method="Nelder-Mead", options={"maxiter": 400}).x
    return constants


def mean_error(form: str, constants: Floats, pair: Pair, band: int) -> float:
    """Return the mean absolute error of one band of a pair, in grey levels."""
    predicted = np.rint(FORMS[form][0](constants, pair.levels[:, band])).clip(0, 255)
    return float(np.abs(predicted - pair.grey[:, band]).mean())


def left_out_errors(form: str, pairs: list[Pair]) -> Floats:
    """Return the error of each pair and band, (pairs, 3), by the curve that was fitted on the other pairs."""
    return np.array(
        [
            [mean_error(form, fit(form, pairs[:row] + pairs[row + 1 :], band), pair, band) for band in range(3)]
            for row, pair in enumerate(pairs)
        ]
    )


def measure(pairs: list[Pair]) -> None:
    """Print each form's error on left-out pairs, the constants fitted on all pairs, and the pairs."""
    used = [pair for pair in pairs if pair.correlation >= MIN_CORRELATION]
    errors = {form: left_out_errors(form, used) for form in FORMS}
    print(f"{len(used)} of {len(pairs)} pairs reach a correlation of {MIN_CORRELATION} at some shift and are used.\n")

    print("| curve | mean error on left-out pairs, grey levels | median | red | green | blue |")
    print("|---|---|---|---|---|---|")
    for form, table in errors.items():
        bands = " | ".join(f"{error:.2f}" for error in table.mean(axis=0))
        print(f"| {form} | {table.mean():.2f} | {np.median(table):.2f} | {bands} |")

    print("\n| band | gain | offset | mean error on the pairs of the fit |\n|---|---|---|---|")
    for band, colour in enumerate(sensor_colours.COLOURS):
        constants = fit("shoulder", used, band)
        inside = np.mean([mean_error("shoulder", constants, pair, band) for pair in used])
        print(f"| {colour} | {constants[1]:.1f} | {constants[0]:.1f} | {inside:.2f} |")

    by_name = {pair.name: row for pair, row in zip(used, errors["shoulder"], strict=True)}
    print("\n| pair | shift, pixels | correlation | error of the shoulder, left out: red | green | blue |")
    print("|---|---|---|---|---|---|")
    for pair in pairs:
        row = by_name.get(pair.name)
        bands = "not used | |" if row is None else " | ".join(f"{error:.1f}" for error in row)
        print(f"| {pair.name} | {pair.shift} | {pair.correlation:.3f} | {bands} |")


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables.add_options(parser)
    options = parser.parse_args()

    planet = Path(os.environ["AMAZON_TAGS_DATA"]) / "planet"
    files = [
        (planet / f"{part}-jpg" / f"{tif.stem}.jpg", tif)
        for part in ("train", "test")
        for tif in chip_files(planet / f"{part}-tif-v2")
    ]
    pairs = [align(jpg, tif) for jpg, tif in files if jpg.exists()]
    data = f"{len(pairs)} competition chips that exist as JPG and as TIF"
    with tables.recorded(options, script="visual_mapping", data=data):
        measure(pairs)


if __name__ == "__main__":
    main()
