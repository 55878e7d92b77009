"""The chips of a gallery: names, files, scores and tags, from a score table or from a run of `predict`.

The rows are in natural order of the names, so that the order of a table changes nothing.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from amazon_tags.model import bundle, decision_file, registry
from amazon_tags.model.bundle import Bundle
from amazon_tags.prediction.decide import tag_scores
from amazon_tags.prediction.predict import TaggedChips
from amazon_tags.review.pictures import Source, reason_against, without_folder
from amazon_tags.tables import score_tables
from amazon_tags.tables.image_names import likely_difference, select
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Floats, Scores, Tags
from ensemble.decisions.decision import Decision
from features.images import listing, naming
from features.images.layout import AS_STATED, Layout
from features.images.listing import Listing
from features.images.spec import ChipSpec

ABSENT = "there is no chip of this name, only a row"


@dataclass(frozen=True)
class Reading:
    """How scores become tags, and how the files of the chips are read."""

    space: LabelSpace
    decision: Decision
    spec: ChipSpec


@dataclass(frozen=True)
class DecidedChips:
    """Chips in natural order of their names.

    Attributes:
        names: (chips,) in tables.
        sources: (chips,) what the pixels are read from; None for a row without a chip.
        scores: (chips, labels), NaN for a chip that cannot be used.
        tags: (chips, labels), none for a chip that cannot be used.
        expected_f: (chips,) the expected F-beta of the tags, NaN for a chip that cannot be used.
        errors: (chips,) why a chip cannot be used, or None.
    """

    names: list[str]
    sources: list[Source | None]
    scores: Scores
    tags: Tags
    expected_f: Floats
    errors: list[str | None]

    def with_errors(self, errors: list[str | None]) -> "DecidedChips":
        """Return the chips without scores and tags of those that have an error."""
        unusable = np.array([error is not None for error in errors], np.bool_)
        scores = np.where(unusable[:, np.newaxis], np.float32(np.nan), self.scores)
        tags = self.tags & ~unusable[:, np.newaxis]
        expected_f = np.where(unusable, np.nan, self.expected_f)
        return replace(self, scores=scores, tags=tags, expected_f=expected_f, errors=errors)


@dataclass
class CollectedRun:
    """What a run of `predict` finds, collected part by part."""

    parts: list[TaggedChips] = field(default_factory=list)
    reading: Reading | None = None

    def watch(self, tagged: Iterable[TaggedChips], model: Bundle) -> Iterator[TaggedChips]:
        """Yield the same parts, and keep each."""
        self.reading = Reading(model.space, model.decision, model.spec)
        for part in tagged:
            yield part
            self.parts.append(part)

    def decided(self, paths: Listing) -> DecidedChips:
        """Return the chips of the run, whose files are among `paths`."""
        return _in_order(self.parts, paths)


def read_decision(decision: Path | None, model: Path | None, layout: Layout = AS_STATED) -> Reading:
    """Return a decision and how chips are read.

    Args:
        decision: a file that `amazon_tags tune` wrote; None is the model's decision.
        model: a bundle, or a registry, whose current model is used; None is the model inside the package, but for its
            chips where a decision is named: these are then read as red, green and blue.
        layout: what the files do not state of their bands and levels.

    Raises:
        BundleError: the model is damaged.
        ValueError: the file is not a decision.
    """
    if decision and not model:
        return Reading(*decision_file.read(decision), ChipSpec(layout=layout))

    with registry.hold_model(model or bundle.DEFAULT) as folder:
        manifest = bundle.read_manifest(folder)
        if not decision:
            bundle.refuse_other_dates(folder, manifest)
        stored = ChipSpec() if manifest.vectors or manifest.spec.dates > 1 else manifest.spec
        spec = replace(stored, layout=layout, training_layout=stored.layout)
        if decision:
            return Reading(*decision_file.read(decision), spec)
        values = json.loads(bundle.read_checked(folder, manifest, "decision.json"))
        return Reading(*decision_file.from_json(values), spec)


def read_decided(table: Path, paths: Listing, reading: Reading) -> DecidedChips:
    """Decide the tags of a score table's chips, and find their files.

    Chips without a row are taken if none of them can be used, since `predict --on-error skip` writes no row for these.

    Raises:
        ValueError: the table is wrong, a row has no chip, or a chip that can be used has no row.
    """
    ids, scores, _ = score_tables.read_scores(table, reading.space)
    rows = select(paths.names(), ids)
    unscored = paths.take(np.setdiff1d(np.arange(len(paths)), rows).tolist())
    errors = _refuse_usable(table, unscored, len(paths), ids, reading.spec)

    tagged = tag_scores(reading.decision, ids, scores)
    nothing = np.zeros((len(unscored), len(reading.space.names)), np.float32)
    without = tag_scores(reading.decision, unscored.names(), nothing)
    return _in_order([tagged, replace(without, errors=errors)], paths)


def _refuse_usable(table: Path, others: Listing, count: int, ids: Sequence[str], spec: ChipSpec) -> list[str | None]:
    """Return why each of the chips without a row cannot be used; raise ValueError at the first that can."""
    errors: list[str | None] = []
    for path in others:
        error = reason_against(path, spec)
        if error is None:
            name = listing.name(path)
            raise ValueError(
                f"{len(others)} of {count} chips have no row in {table} (first that can be used: {name!r})"
                f"{likely_difference(name, ids)}; pass the chips of the table alone, or tag these too."
            )
        errors.append(error)
    return errors


def _in_order(parts: Sequence[TaggedChips], paths: Listing) -> DecidedChips:
    """Return the chips of all parts in natural order, each with its file among `paths`."""
    names = [name for part in parts for name in part.ids]
    order = sorted(range(len(names)), key=lambda row: naming.natural(names[row]))
    files = dict(zip(paths.names(), paths, strict=True))
    sources: list[Source | None] = [files.get(names[row]) for row in order]
    reported = [error for part in parts for error in part.errors]
    errors = [_reason(source, reported[row]) for row, source in zip(order, sources, strict=True)]

    scores = np.concatenate([part.scores for part in parts])[order]
    tags = np.concatenate([part.tags for part in parts])[order]
    expected_f = np.concatenate([part.expected_f for part in parts])[order]
    decided = DecidedChips([names[row] for row in order], sources, scores, tags, expected_f, errors)
    return decided.with_errors(errors)


def _reason(source: Source | None, error: str | None) -> str | None:
    if source is None:
        return ABSENT
    return error and without_folder(source, error)
