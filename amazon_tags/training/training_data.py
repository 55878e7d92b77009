"""Training data: labelled chips, matched with their label table and fingerprinted, and chips without labels."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from amazon_tags import progress
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.datasets.date_pairs import COLUMNS, list_pairs
from amazon_tags.tables import label_tables, labels, truth_tables
from amazon_tags.tables.image_names import likely_difference, select
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.training.fingerprints import combine_named, hash_chips
from amazon_tags.training.pair_groups import chip_names, group_pairs
from ensemble.arrays import Rows, Tags
from features.images import listing
from features.images.date_pair import DatePair
from features.images.listing import ChipPath, ChipRow

MIN_TRAINING_CHIPS = 2  # fewer cannot be divided into folds


@dataclass(frozen=True)
class TrainingSource:
    """Where labelled chips come from.

    Attributes:
        chips: a folder or an archive of chips; with a folder for `table`, also one with a subfolder for each class. For
            `train_vectors` a Parquet file of vectors.
        table: a label table, a one-hot table, or a folder with a subfolder of chips for each class.
        space: `planet`, `table` (the labels that occur in the table), `folders` (the names of the subfolders) or a TOML
            file.
        skip_missing: whether to leave out chips that the table names but the folder does not have.
        note: where the chips are from and under which terms; printed on the model's card.
        unlabelled: folders of chips without labels, for members that learn from teachers.
        groups: a table `image_name,group` of chips that must stay in one fold.
        join_rows: whether to join the tags of all rows of an image in the table.
        pairs: a table `image_name,before,after` of pairs of the chips, which `table` names; it may be `table` itself.
    """

    chips: Path
    table: Path
    space: str = "planet"
    skip_missing: bool = False
    note: str = ""
    unlabelled: tuple[Path, ...] = ()
    groups: Path | None = None
    join_rows: bool = False
    pairs: Path | None = None


class LabelledData(Protocol):
    """What chips and vectors with labels have alike: (chips, labels) tags, their space, and (chips,) groups."""

    @property
    def truth(self) -> Tags:
        """The ground truth."""

    @property
    def space(self) -> LabelSpace:
        """The label space."""

    @property
    def groups(self) -> NDArray[np.str_] | None:
        """Names of groups that must stay in one fold."""


@dataclass(frozen=True)
class TrainingData:
    """The labelled chips or pairs of chips, in natural order of their names, and chips without labels.

    Attributes:
        paths: the labelled chips or pairs.
        hashes: SHA-256 of each labelled chip's file.
        truth: (chips, labels) the ground truth.
        unknown: (chips, labels) tags of which the table says `tag?`.
        space: the label space.
        fingerprint: one SHA-256 of all chips and tags.
        unlabelled: chips without labels.
        note: the source's note.
        groups: (chips,) names of groups that must stay in one fold.
        unusable: how many chips of the source cannot be used and were left out.
    """

    paths: Sequence[ChipRow]
    hashes: list[str]
    truth: Tags
    unknown: Tags
    space: LabelSpace
    fingerprint: str
    unlabelled: list[ChipPath]
    note: str = ""
    groups: NDArray[np.str_] | None = None
    unusable: int = 0


@dataclass(frozen=True)
class MatchedChips:
    """The chips of a folder, or pairs of them, that a label table names, in natural order of their names.

    `truth` and `unknown` are (chips, labels); `unnamed` is how many chips of the folder the table does not name.
    """

    ids: list[str]
    paths: Sequence[ChipRow]
    truth: Tags
    unknown: Tags
    unnamed: int

    def take(self, rows: Rows) -> "MatchedChips":
        """Return the chips of these rows."""
        ids, paths = [self.ids[row] for row in rows], [self.paths[row] for row in rows]
        return replace(self, ids=ids, paths=paths, truth=self.truth[rows], unknown=self.unknown[rows])


def match_chips(
    chips: Path,
    table: Path,
    space: LabelSpace,
    *,
    advice: str | None,
    join_rows: bool = False,
    pairs: Path | None = None,
) -> MatchedChips:
    """Read a label table, report its remarks, and find the chips that it names.

    Args:
        chips: a folder or an archive.
        table: the label table, in which `tag?` is allowed, or a folder with a subfolder of chips for each class.
        space: the labels.
        advice: what the user can do about chips that are missing; None leaves them out instead of raising.
        join_rows: whether to join the tags of all rows of an image.
        pairs: a table of pairs of these chips, which the label table names in place of chips.

    Raises:
        ValueError: chips are missing, or `read_truth` or `list_pairs` refuses the table.
    """
    places = _read_pairs(pairs, chips, table, skip_missing=advice is None) if pairs else {}
    label_table = truth_tables.read_truth(table, space, allow_unknown=True, join_rows=join_rows)
    label_table.report(table)

    places = places or _find_chips(chips, table)
    if pairs != table:  # else pairs that were left out have been reported
        report_missing(label_table.ids, list(places), table, pairs or chips, advice)

    named = set(label_table.ids)
    ids = [name for name in places if name in named]
    rows = select(label_table.ids, ids)
    paths = [places[name] for name in ids]
    return MatchedChips(ids, paths, label_table.truth[rows], label_table.unknown[rows], len(places) - len(ids))


def _read_pairs(pairs: Path, chips: Path, table: Path, *, skip_missing: bool) -> Mapping[str, ChipRow]:
    """Return the pairs that a table names, by their names; the table must hold tags if it is the label table too."""
    required = (*COLUMNS, "tags") if pairs == table else COLUMNS
    found = list_pairs(pairs, [chips], skip_missing=skip_missing, required=required)
    return {pair.name: pair for pair in found}


def _find_chips(chips: Path, table: Path) -> Mapping[str, ChipRow]:
    """Return the chips of a folder or an archive by their names; with a folder as table, those of its classes."""
    folders = listing.class_folders(chips) if table.is_dir() and chips.is_dir() else []
    find_chips = listing.chips if folders and chips == table else list_chips  # the table's remarks name other pictures
    return {listing.name(path): path for path in find_chips(folders or [chips])}


def report_missing(named: Sequence[str], there: Sequence[str], table: Path, chips: Path, advice: str | None) -> None:
    """Report chips that a table names and that are not there; raise ValueError for them if there is advice."""
    names = set(there)
    missing = [name for name in named if name not in names]
    if not missing:
        return
    problem = (
        f"{len(missing)} of {len(named)} chips named in {table} are missing from {chips} "
        f"(first: {missing[0]}){likely_difference(missing[0], there)}"
    )
    if advice:
        raise ValueError(f"{problem}; {advice}.")
    progress.say(f"{problem}; they are left out")


def read_training_data(
    source: TrainingSource,
    jobs: int,
    *,
    find_usable: Callable[[Sequence[ChipRow]], Rows] | None = None,
    space: LabelSpace | None = None,
) -> TrainingData:
    """Read the labelled and unlabelled chips of a source, with `jobs` threads.

    `find_usable` returns the rows of those chips that can be used; the others are left out. Without it all are kept.
    `space` takes the place of the source's.

    Raises:
        ValueError: chips are missing or too few, or none has a tag.
    """
    space = space or labels.choose(source.space, source.table)
    chips = match_chips(
        source.chips,
        source.table,
        space,
        advice=None if source.skip_missing else "pass --skip-missing to train without them",
        join_rows=source.join_rows,
        pairs=source.pairs,
    )
    report_unused(source, chips.unknown, len(chips.ids), chips.unnamed)
    refuse_too_few(source, chips.truth)

    candidates = [path for folder in source.unlabelled for path in list_chips([folder])]  # names may repeat
    unusable = 0
    if find_usable is not None:
        usable = find_usable([*chips.paths, *candidates])
        unusable = len(chips.paths) + len(candidates) - len(usable)
        candidates = [candidates[row - len(chips.paths)] for row in usable if row >= len(chips.paths)]
        chips = chips.take(usable[usable < len(chips.paths)])
        refuse_too_few(source, chips.truth)

    digests = hash_chips([*chips.paths, *candidates], jobs=jobs)
    hashes = [digests[path] for path in chips.paths]
    unlabelled = _without_labelled(candidates, digests, set(hashes))

    fingerprint = data_fingerprint(
        chips.paths, hashes, chips.truth, chips.unknown, {path: digests[path] for path in unlabelled}
    )
    groups = _read_groups(source.groups, chips)
    return TrainingData(
        chips.paths, hashes, chips.truth, chips.unknown, space, fingerprint, unlabelled, source.note, groups, unusable
    )


def _read_groups(table: Path | None, chips: MatchedChips) -> NDArray[np.str_] | None:
    """Return the groups (chips,) that a table of chips says; pairs that share a chip or a group are one."""
    pairs = [pair for pair in chips.paths if isinstance(pair, DatePair)]
    if not pairs:
        return label_tables.read_groups(table, chips.ids) if table else None
    names = chip_names(pairs)
    chip_groups = label_tables.read_groups(table, names).tolist() if table else []
    groups = group_pairs(pairs, list(zip(names, chip_groups, strict=True)) if table else [])
    if groups is not None:
        progress.say(
            f"{len(pairs)} pairs are {len(set(groups.tolist()))} groups, which stay in one fold, since they share "
            "chips or groups of chips"
        )
    return groups


def data_fingerprint(
    paths: Sequence[ChipRow],
    hashes: Sequence[str],
    truth: Tags,
    unknown: Tags,
    unlabelled: Mapping[ChipPath, str] | None = None,
) -> str:
    """Return one SHA-256 of chips or pairs, by name and content, and of their tags."""
    rest = unlabelled or {}
    names = [*map(listing.name, paths), *map(listing.name, rest)]
    return named_fingerprint(names, [*hashes, *rest.values()], truth, unknown)


def named_fingerprint(names: Sequence[str], hashes: Sequence[str], truth: Tags, unknown: Tags) -> str:
    """Return one SHA-256 of chips, by their names and hashes in order, and of their tags."""
    content = combine_named(zip(names, hashes, strict=True))
    tags = np.packbits(truth).tobytes() + (np.packbits(unknown).tobytes() if unknown.any() else b"")
    return hashlib.sha256(content.encode() + tags).hexdigest()


def report_unused(source: TrainingSource, unknown: Tags, labelled: int, unnamed: int) -> None:
    """Report tags that are unknown, and chips that the table does not name."""
    if unknown.any():
        progress.say(
            f"{source.table}: {unknown.sum()} tags are marked as unknown (tag?); fine-tuned members ignore them"
        )
    if unnamed:
        progress.say(f"{source.chips}: {unnamed} of {unnamed + labelled} chips have no labels and are left out")


def refuse_too_few(source: TrainingSource, truth: Tags) -> None:
    """Raise ValueError for too few labelled chips, or for chips (chips, labels) without any tag."""
    if len(truth) < MIN_TRAINING_CHIPS:
        raise ValueError(
            f"{len(truth)} chips of {source.chips} are named in {source.table}; training needs at least "
            f"{MIN_TRAINING_CHIPS}: add chips, or check that the table's image_name is the chips' file name."
        )
    if not truth.any():
        raise ValueError(f"no chip of {source.table} has a tag without a question mark; training needs some.")


def _without_labelled(
    candidates: Sequence[ChipPath], digests: Mapping[ChipRow, str], labelled: set[str]
) -> list[ChipPath]:
    """Return the unlabelled chips whose content is not that of a labelled chip."""
    unlabelled = [path for path in candidates if digests[path] not in labelled]
    if len(unlabelled) < len(candidates):
        progress.say(
            f"{len(candidates) - len(unlabelled)} of {len(candidates)} unlabelled chips have the content of a labelled "
            "chip and are left out"
        )
    return unlabelled
