"""The labelled chips of a job: read from all its tables, corrected, without repeats, some of them withheld."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from amazon_tags import progress
from amazon_tags.files.hashes import sha256
from amazon_tags.records import Json
from amazon_tags.retraining.job import Job
from amazon_tags.tables import corrections, label_tables
from amazon_tags.tables.image_names import likely_difference
from amazon_tags.training.fingerprints import hash_chips
from amazon_tags.training.training_data import (
    MIN_TRAINING_CHIPS,
    MatchedChips,
    TrainingData,
    data_fingerprint,
    match_chips,
)
from ensemble.arrays import Tags
from features.images import listing, naming

Rows = NDArray[np.intp]  # row numbers
ChipMask = NDArray[np.bool_]  # (chips,)


@dataclass(frozen=True)
class TableSummary:
    """A label table's file name, and how many chips it names."""

    table: str
    chips: int


@dataclass(frozen=True)
class CorrectionsSummary:
    """The corrections file, and how many corrections changed a tag, agreed with it, or name no chip of the job."""

    file: str
    sha256: str
    changed: int
    agreed: int
    elsewhere: int


@dataclass(frozen=True)
class JobDataSummary:
    """What `data.json` of a run's folder holds.

    Attributes:
        tables: the label tables.
        corrections: the corrections, if the job has any.
        repeats: chips that have the content of another one and are left out.
        contradictions: repeats that have other tags than the chip that stays.
        breaches: chips whose tags break a rule of the label space.
        chips: the chips that stay.
        withheld: those of them that no model is trained on.
        fingerprint: one SHA-256 of the chips and their tags.
    """

    tables: tuple[TableSummary, ...]
    corrections: CorrectionsSummary | None
    repeats: int
    contradictions: int
    breaches: int
    chips: int
    withheld: int
    fingerprint: str

    def to_json(self) -> Json:
        """Return the values of `data.json`; without corrections, the key is absent."""
        values = asdict(self)
        return {key: value for key, value in values.items() if key != "corrections" or value is not None}


@dataclass(frozen=True)
class JobData:
    """All labelled chips of a job, and `withheld` (chips,), those that no model is trained on."""

    data: TrainingData
    withheld: ChipMask
    summary: JobDataSummary

    def training(self) -> TrainingData:
        """Return the chips that are not withheld."""
        return take_chips(self.data, np.flatnonzero(~self.withheld))


def gather(job: Job) -> JobData:
    """Read all tables of a job and the chips that they name.

    Whether a chip is withheld depends on its content only, so it is the same in every run, whatever the chip is called
    and whatever chips are added.

    Raises:
        ValueError: two tables name one chip, chips are missing or too few, or `read_truth` refuses a table.
    """
    tables = _match_tables(job)
    labelled = _join_tables(job, tables)
    corrections_summary = _apply_corrections(job, labelled)

    first, contradictions = _first_of_each_content(labelled)
    data = take_chips(labelled, first)
    withheld = _draw_withheld(job, data)

    rules_broken = label_tables.breaches(job.space, data.truth, data.unknown).values()
    summary = JobDataSummary(
        tables=tuple(
            TableSummary(source.table.name, len(table.ids)) for source, table in zip(job.data, tables, strict=True)
        ),
        corrections=corrections_summary,
        repeats=len(labelled.paths) - len(first),
        contradictions=contradictions,
        breaches=len({row for rows in rules_broken for row in rows}),
        chips=len(data.paths),
        withheld=int(withheld.sum()),
        fingerprint=data.fingerprint,
    )
    return JobData(data, withheld, summary)


def take_chips(data: TrainingData, rows: Rows) -> TrainingData:
    """Return some of the chips, in the order of `rows`, with a fingerprint of their own."""
    paths, hashes = [data.paths[row] for row in rows], [data.hashes[row] for row in rows]
    truth, unknown = data.truth[rows], data.unknown[rows]
    fingerprint = data_fingerprint(paths, hashes, truth, unknown)
    return TrainingData(paths, hashes, truth, unknown, data.space, fingerprint, data.unlabelled, data.note)


def _match_tables(job: Job) -> list[MatchedChips]:
    """Match each table with its chips; refuse a chip that two tables name."""
    tables: list[MatchedChips] = []
    names: set[str] = set()
    for source in job.data:
        table = match_chips(
            source.chips,
            source.table,
            job.space,
            advice="add them, or remove their rows",
            join_rows=job.settings.join_rows,
        )
        repeated = [name for name in table.ids if name in names]
        if repeated:
            raise ValueError(
                f"{len(repeated)} chips of {source.table} are in another table too (first: {repeated[0]}); "
                "keep one row for each chip."
            )
        names.update(table.ids)
        tables.append(table)
    return tables


def _join_tables(job: Job, tables: Sequence[MatchedChips]) -> TrainingData:
    """Return the chips of all tables in natural order of their names, hashed; the fingerprint is still empty."""
    ids = [name for table in tables for name in table.ids]
    order = sorted(range(len(ids)), key=lambda row: naming.natural(ids[row]))
    all_paths = [path for table in tables for path in table.paths]
    paths = [all_paths[row] for row in order]
    truth: Tags = np.concatenate([table.truth for table in tables])[order]
    unknown: Tags = np.concatenate([table.unknown for table in tables])[order]
    hashes = list(hash_chips(paths, jobs=job.threads).values())
    return TrainingData(paths, hashes, truth, unknown, job.space, "", [], job.settings.note)


def _apply_corrections(job: Job, data: TrainingData) -> CorrectionsSummary | None:
    """Correct the tags of `data` in place."""
    if job.corrections is None:
        return None
    rows = corrections.read(job.corrections, job.space)
    hashes = {listing.name(path): digest for path, digest in zip(data.paths, data.hashes, strict=True)}
    counts = corrections.apply(rows, job.space, hashes, data.truth, data.unknown)
    if counts["elsewhere"]:
        first = next(row.chip for row in rows if row.chip not in hashes)
        progress.say(
            f"{job.corrections}: {counts['elsewhere']} of {len(rows)} corrections name no chip of the job "
            f"(first: {first}){likely_difference(first, list(hashes))}"
        )
    return CorrectionsSummary(job.corrections.name, sha256(job.corrections), **counts)


def _first_of_each_content(data: TrainingData) -> tuple[Rows, int]:
    """Return the first row of each content, and how many of the other rows have different tags."""
    first: dict[str, int] = {}
    contradictions = 0
    for row, digest in enumerate(data.hashes):
        original = first.setdefault(digest, row)
        contradictions += bool((data.truth[original] != data.truth[row]).any())
    return np.array(list(first.values()), np.intp), contradictions


def _draw_withheld(job: Job, data: TrainingData) -> ChipMask:
    """Return which chips no model is trained on: a share `holdout`, drawn by the chips' hashes."""
    limit = job.settings.holdout * 2**32
    withheld = np.array([int(digest[:8], 16) < limit for digest in data.hashes])
    if (~withheld).sum() < MIN_TRAINING_CHIPS:
        raise ValueError(
            f"{len(data.paths)} chips have labels, and {withheld.sum()} of them are withheld; training needs at least "
            f"{MIN_TRAINING_CHIPS} that are not: add chips, or lower holdout."
        )
    return withheld
