"""Find the training chips that are most like a chip, as the bundle sees them.

A bundle keeps the hashes, tags and out-of-fold scores of its training chips, but no vectors. So chips are compared by
their scores, unless the user names the folder of the training chips, whose last feature maps are then computed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.inspection.evidence import Evidence
from amazon_tags.model import training_record
from amazon_tags.model.training_record import TrainingRecord
from amazon_tags.prediction.predict import score_chips
from amazon_tags.records import Json
from amazon_tags.tables import labels
from amazon_tags.training.fingerprints import hash_chips
from ensemble.arrays import Floats, Scores, Vectors
from features.arrays import Chip
from features.images.listing import Listing
from features.networks import extract
from features.networks.feature_maps import MapNetwork

NEIGHBOURS = 3  # that are named
HASH_DIGITS = 12  # that name a chip whose file is unknown


@dataclass(frozen=True)
class Neighbour:
    """A training chip, the cosine to it, and its true tags; None if they are unknown."""

    name: str
    cosine: float
    tags: list[str] | None

    def to_json(self) -> Json:
        """Return the values as `--json` prints them."""
        return {"name": self.name, "cosine": self.cosine, "tags": self.tags}


@dataclass(frozen=True)
class TrainingChips:
    """The training chips, as vectors of length 1 from their mean.

    Attributes:
        evidence: what computes the vector of a new chip.
        by_maps: whether vectors are means of the last feature maps, not scores.
        names: a name for each chip.
        hashes: the SHA-256 of each chip's file.
        tags: the true tags of each chip; None if they are unknown.
        means: of each part of a vector, one a member or one for the scores.
        units: (chips, dim) all parts side by side.
        note: what is compared, for people.
    """

    evidence: Evidence
    by_maps: bool
    names: Sequence[str]
    hashes: Sequence[str]
    tags: Sequence[list[str] | None]
    means: Sequence[Vectors]
    units: Floats
    note: str

    def nearest(self, chip: Chip, scores: Scores, digest: str) -> list[Neighbour]:
        """Return the nearest training chips of a chip with these scores (labels,), without the chip's own file."""
        parts = [scores[np.newaxis]]
        if self.by_maps:
            networks = self.evidence.maps.values()
            parts = [network.vectors(network.network(chip[np.newaxis])) for network in networks]
        cosines = self.units @ _units(parts, self.means)[0]
        order = [row for row in np.argsort(-cosines, kind="stable") if self.hashes[row] != digest]
        return [Neighbour(self.names[row], float(cosines[row]), self.tags[row]) for row in order[:NEIGHBOURS]]


def read_training_chips(evidence: Evidence, folder: Path | None, *, jobs: int = 1) -> TrainingChips | None:
    """Return the training chips of a bundle; None if it keeps no record of them and no folder is named.

    Args:
        evidence: of the bundle.
        folder: the training chips' files, or None; other chips in it are left out.
        jobs: threads.

    Raises:
        BundleError: the record is damaged.
        ChipError: a chip in the folder cannot be used.
        ValueError: the folder holds none of the training chips.
    """
    record = training_record.read(evidence.model.folder)
    if folder:
        return _from_folder(evidence, folder, record, jobs=jobs)
    if record is None:
        return None
    note = (
        f"nearest training chips: by the cosine of the scores, less their mean, among the {len(record.hashes)} chips "
        f"that the bundle keeps out-of-fold scores of; a name is the first {HASH_DIGITS} digits of the file's SHA-256 "
        "(--train-chips FOLDER gives names, and compares feature maps where there are any)"
    )
    names = [digest[:HASH_DIGITS] for digest in record.hashes]
    return _chips(evidence, False, (names, record.hashes, _tags(evidence, record)), [record.scores], note)


def _from_folder(evidence: Evidence, folder: Path, record: TrainingRecord | None, *, jobs: int) -> TrainingChips:
    paths = list_chips([folder])
    digests = list(hash_chips(paths, jobs=jobs).values())
    places = record.places() if record else {digest: row for row, digest in enumerate(digests)}
    kept = [row for row, digest in enumerate(digests) if digest in places]
    if not kept:
        raise ValueError(
            f"{folder} holds {len(paths)} chips, but none of the {len(places)} that the bundle was trained on (first: "
            f"{paths.names()[0]}); name the folder of its training chips, with unchanged files."
        )
    paths, digests = paths.take(kept), [digests[row] for row in kept]
    parts = _map_means(evidence, paths, jobs=jobs) if evidence.maps else [_scores(evidence, paths, jobs=jobs)]
    tags: list[list[str] | None] = [None] * len(kept)
    if record:
        known = _tags(evidence, record)
        tags = [known[places[digest]] for digest in digests]
    what = "scores" if not evidence.maps else f"last feature maps' means of {', '.join(_names(evidence.maps))}"
    missing = len(places) - len(set(digests))
    left = f"; {missing} training chips are not in {folder}" if missing else ""
    note = f"nearest training chips: by the cosine of the {what}, less their mean, among {len(kept)} chips{left}"
    return _chips(evidence, bool(evidence.maps), (paths.names(), digests, tags), parts, note)


def _chips(
    evidence: Evidence,
    by_maps: bool,
    rows: tuple[Sequence[str], Sequence[str], Sequence[list[str] | None]],
    parts: Sequence[Vectors],
    note: str,
) -> TrainingChips:
    means = [part.mean(axis=0) for part in parts]
    return TrainingChips(evidence, by_maps, *rows, means, _units(parts, means), note)


def _units(parts: Sequence[Vectors], means: Sequence[Vectors]) -> Floats:
    """Return rows of length 1: the parts less their means, each scaled to the same length."""
    units = []
    for part, mean in zip(parts, means, strict=True):
        centred = part.astype(np.float64) - mean
        units.append(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12))
    rows: Floats = np.concatenate(units, axis=1) / np.sqrt(len(units))
    return rows


def _map_means(evidence: Evidence, paths: Listing, *, jobs: int) -> list[Vectors]:
    """Return the means of the last feature maps (chips, dim), one matrix for each member that has one."""
    networks = list(evidence.maps.values())
    means: list[list[Vectors]] = [[] for _ in networks]
    with progress.bar("reading training chips", len(paths)) as advance:
        for part in extract.stream_outputs(
            paths, [network.network for network in networks], evidence.model.spec, jobs=jobs
        ):
            for network, values, found in zip(networks, part.values, means, strict=True):
                found.append(network.vectors(values[0]))
            advance(len(part.errors))
    return [np.concatenate(found) for found in means]


def _scores(evidence: Evidence, paths: Listing, *, jobs: int) -> Scores:
    return np.concatenate([part.scores for part in score_chips(paths, evidence.model, jobs=jobs)])


def _tags(evidence: Evidence, record: TrainingRecord) -> list[list[str] | None]:
    return [labels.decode(evidence.model.space, row) for row in record.truth]


def _names(maps: Mapping[str, MapNetwork]) -> list[str]:
    return [name.partition("-")[2] for name in maps]
