"""Rank candidate pretraining sets for a target by vectors of one frozen backbone.

Mensink et al. 2021 found that a source helps most if it includes the target's kind of images, and that a much broader
source does little harm: hence the order by directed coverage. Labels do not count here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from amazon_tags import progress
from ensemble.arrays import Floats, Vectors
from ensemble.metrics.score import bootstrap_interval
from ensemble.representation.coverage import Nearness, measure_nearness, nearest_others
from ensemble.representation.frechet import MIN_CHIPS, fit_gaussian, frechet_distance
from features.scenes.alike import AlikeBetween, find_alike_between

DIGITS = 6  # significant ones of figures; further ones depend on the machine


@dataclass(frozen=True)
class VectorSet:
    """The chips of a set that are compared.

    Attributes:
        name: of the set.
        ids: the chips' names.
        vectors: (chips, dim).
        chips: how many chips the set has in all.
    """

    name: str
    ids: Sequence[str]
    vectors: Vectors
    chips: int


@dataclass(frozen=True)
class SourceFigures:
    """How a source lies to the target; distances are squared, and intervals are 95 % bootstraps over target chips.

    Attributes:
        name: of the source.
        chips: how many it has.
        compared: how many of them were compared.
        coverage: mean distance of a target chip to the nearest source chip.
        interval: of the coverage.
        behind: how much larger the coverage is than that of the first source.
        behind_interval: of that, paired by target chips.
        coverage_at_size: the coverage by random parts of one size, the same for all sources.
        breadth: mean distance of a source chip to the nearest target chip.
        frechet: Fréchet distance of the two sets.
        copies: how many target chips have the same vector as a compared chip of the source, as the same picture has.
        near_duplicates: how many target chips look like a compared chip of the source, as near duplicates do; see
            `find_alike_between`.
        near_duplicate_chips: the names of these chips of the source.
    """

    name: str
    chips: int
    compared: int
    coverage: float
    interval: tuple[float, float]
    behind: float
    behind_interval: tuple[float, float]
    coverage_at_size: float
    breadth: float
    frechet: float
    copies: int
    near_duplicates: int
    near_duplicate_chips: tuple[str, ...]


@dataclass(frozen=True)
class SourceRanking:
    """Sources in the order in which they cover a target.

    Attributes:
        target: its name.
        chips: how many chips the target has.
        compared: how many of them were compared.
        vectors: what the vectors are, in words.
        seed: of the random chips and of the intervals.
        size: chips of a part in `SourceFigures.coverage_at_size`.
        own_distance: mean distance of a target chip to the nearest other target chip, as a scale.
        sources: the figures of each, the nearest first.
    """

    target: str
    chips: int
    compared: int
    vectors: str
    seed: int
    size: int
    own_distance: float
    sources: tuple[SourceFigures, ...]


def rank_source_vectors(target: VectorSet, sources: Sequence[VectorSet], *, vectors: str, seed: int) -> SourceRanking:
    """Rank sources by their coverage of a target, and warn of possible near duplicates in both.

    Args:
        target: the chips that a model will be trained for.
        sources: at least one, of the same backbone's vectors.
        vectors: what the vectors are, in words.
        seed: of the intervals.

    Raises:
        ValueError: a set has fewer than two chips, of which no covariance can be estimated.
    """
    for vector_set in (target, *sources):
        refuse_few(vector_set.name, len(vector_set.vectors))
    size = min(len(source.vectors) for source in sources)
    gaussian = fit_gaussian(target.vectors)
    nearnesses: list[Nearness] = []
    figures: list[SourceFigures] = []
    with progress.bar("comparing", len(sources)) as advance:
        for source in sources:
            nearness = measure_nearness(target.vectors, source.vectors, size=size)
            frechet = frechet_distance(gaussian, fit_gaussian(source.vectors))
            alike = find_alike_between(target.vectors, source.vectors)
            nearnesses.append(nearness)
            figures.append(_describe(source, nearness, frechet, alike, seed))
            _warn_of_duplicates(target, source, figures[-1].copies, alike)
            advance(1)

    order = sorted(range(len(figures)), key=lambda row: (figures[row].coverage, -figures[row].chips, figures[row].name))
    first = nearnesses[order[0]].nearest
    ranked = tuple(_compare(figures[row], nearnesses[row].nearest - first, seed) for row in order)
    own = _rounded(nearest_others(target.vectors).mean())
    return SourceRanking(target.name, target.chips, len(target.ids), vectors, seed, size, own, ranked)


def refuse_few(name: str, chips: int) -> None:
    """Raise ValueError if a set has too few chips for a covariance."""
    if chips < MIN_CHIPS:
        raise ValueError(
            f"{name} has too few chips ({chips}): the Fréchet distance needs a covariance, so at least {MIN_CHIPS}; "
            "add chips."
        )


def _describe(source: VectorSet, nearness: Nearness, frechet: float, alike: AlikeBetween, seed: int) -> SourceFigures:
    """Return the figures of a source; how far it is behind the first is not known yet."""
    return SourceFigures(
        name=source.name,
        chips=source.chips,
        compared=len(source.ids),
        coverage=_rounded(nearness.nearest.mean()),
        interval=_interval(nearness.nearest, seed),
        behind=0.0,
        behind_interval=(0.0, 0.0),
        coverage_at_size=_rounded(nearness.at_size.mean()),
        breadth=_rounded(nearness.reverse.mean()),
        frechet=_rounded(frechet),
        copies=int((nearness.nearest == 0).sum()),
        near_duplicates=int((alike.partner >= 0).sum()),
        near_duplicate_chips=tuple(source.ids[row] for row in np.flatnonzero(alike.is_partner).tolist()),
    )


def _compare(source: SourceFigures, behind: Floats, seed: int) -> SourceFigures:
    """Return the figures with how far the source is behind the first, given for each target chip."""
    return replace(source, behind=_rounded(behind.mean()), behind_interval=_interval(behind, seed))


def _warn_of_duplicates(target: VectorSet, source: VectorSet, copies: int, alike: AlikeBetween) -> None:
    rows = np.flatnonzero(alike.partner >= 0).tolist()
    if rows:
        pair = f"{target.ids[rows[0]]} and {source.ids[int(alike.partner[rows[0]])]}"
        progress.say(
            f"{source.name}: {len(rows):,} of {len(target.ids):,} target chips look like one of its chips, {copies:,} "
            f"of them have the same vector (first: {pair}); plain water and cloud do so too, but pretraining on copies "
            f"makes the target's score too good: look at the {int(alike.is_partner.sum()):,} source chips that --json "
            "lists, and leave copies out"
        )


def _interval(values: Floats, seed: int) -> tuple[float, float]:
    low, high = bootstrap_interval(values, seed=seed)
    return _rounded(low), _rounded(high)


def _rounded(figure: float) -> float:
    return float(f"{figure:.{DIGITS}g}")
