"""Labelled chips: a folder or archive and a table, matched and fingerprinted; and chips that nobody has labelled."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amazon_tags import progress
from amazon_tags.tables import label_tables, labels
from amazon_tags.tables.image_names import select
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.training.fingerprints import combine_hashes, hash_chips
from features.images import listing
from features.images.listing import ChipPath


@dataclass(frozen=True)
class TrainingSource:
    """Where labelled chips come from.

    `space` is `planet`, `table` (the labels are whatever the table holds) or a TOML file. `skip_missing` leaves out
    chips that the table names and the folder lacks. `note` goes onto the card: where the chips are from and on which
    terms. `unlabelled` are folders of chips for members that have teachers. `groups` is a table `image_name,group` of
    chips that must stay in one fold.
    """

    chips: Path
    table: Path
    space: str = "planet"
    skip_missing: bool = False
    note: str = ""
    unlabelled: tuple[Path, ...] = ()
    groups: Path | None = None


@dataclass(frozen=True)
class TrainingData:
    """The chips that have labels, in natural order of their names, and the others; `doubts` are unknown tags.

    `hashes` are the SHA-256 of the labelled chips' files, `fingerprint` is one of all that is here, and `note` is that
    of the source. `groups` (chips,) names what must stay together.
    """

    paths: list[ChipPath]
    hashes: list[str]
    truth: NDArray[np.bool_]
    unknown: NDArray[np.bool_]
    space: LabelSpace
    fingerprint: str
    unlabelled: list[ChipPath]
    note: str = ""
    groups: NDArray[np.str_] | None = None


def read_training_data(source: TrainingSource, jobs: int) -> TrainingData:
    """The chips that the table names.

    Raises:
        ValueError: chips are missing, too few, or nothing is known of them.
    """
    table = label_tables.read_labels(source.table, labels.choose(source.space, source.table), allow_unknown=True)
    if table.unknown.any():
        progress.say(
            f"{source.table}: {table.unknown.sum()} tags are in doubt (tag?): no fine-tuned member learns them"
        )
    for remark in table.remarks:
        progress.say(f"{source.table}: {remark}")
    named = {listing.name(path): path for path in listing.chips([source.chips])}
    missing = [name for name in table.ids if name not in named]
    if missing and not source.skip_missing:
        raise ValueError(
            f"{len(missing)} of {len(table.ids)} chips named in {source.table} are missing from {source.chips} "
            f"(first: {missing[0]}); pass --skip-missing to train without them."
        )
    wanted = set(table.ids)
    paths = [path for name, path in named.items() if name in wanted]
    if len(paths) < len(named):
        progress.say(f"{source.chips}: {len(named) - len(paths)} of {len(named)} chips have no labels and are left out")
    if len(paths) < 2:
        raise ValueError(f"{len(paths)} chips of {source.chips} are named in {source.table}; training needs more.")
    rows = select(table.ids, [listing.name(path) for path in paths])
    truth, unknown = table.truth[rows], table.unknown[rows]
    if not truth.any():
        raise ValueError(f"no chip of {source.table} carries a tag that is sure; there is nothing to learn.")
    unlabelled = [path for folder in source.unlabelled for path in listing.chips([folder])]  # whose names are no matter
    hashes = hash_chips([*paths, *unlabelled], jobs=jobs)
    seen = {hashes[path] for path in paths}
    apart = [path for path in unlabelled if hashes[path] not in seen]
    if len(apart) < len(unlabelled):
        progress.say(
            f"{len(unlabelled) - len(apart)} of {len(unlabelled)} chips without labels have some, and are left out"
        )
    known = [hashes[path] for path in paths]
    mark = data_fingerprint(paths, known, truth, unknown, {path: hashes[path] for path in apart})
    groups = label_tables.read_groups(source.groups, [listing.name(path) for path in paths]) if source.groups else None
    return TrainingData(paths, known, truth, unknown, table.space, mark, apart, source.note, groups)


def data_fingerprint(
    paths: Sequence[ChipPath],
    hashes: Sequence[str],
    truth: NDArray[np.bool_],
    unknown: NDArray[np.bool_],
    unlabelled: Mapping[ChipPath, str] | None = None,
) -> str:
    """One SHA-256 of chips, by name and content, and of what is known of them."""
    pixels = combine_hashes({**dict(zip(paths, hashes, strict=True)), **(unlabelled or {})})
    tags = np.packbits(truth).tobytes() + (np.packbits(unknown).tobytes() if unknown.any() else b"")
    return hashlib.sha256(pixels.encode() + tags).hexdigest()
