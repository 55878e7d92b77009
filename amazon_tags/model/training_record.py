"""The record of a bundle's training chips: hashes, ground truth, and what the model answered without having seen them.

A later model is compared with this one on the same chips, and new chips are told apart from those of the training.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from amazon_tags.model import bundle
from amazon_tags.model.bundle import BundleError
from amazon_tags.model.damage import refusing_damage
from ensemble.arrays import Scores, Tags, Vectors

FILE = "held_out.npz"


@dataclass(frozen=True)
class TrainingRecord:
    """The training chips and their out-of-fold answers, in the order of `hashes`.

    Attributes:
        hashes: the SHA-256 of each chip's file.
        scores: (chips, labels) out-of-fold scores.
        truth: (chips, labels) ground truth.
        band_statistics: (chips, 2 * bands) as in `extract.Outputs`.
        tags: (chips, labels) by decisions that were fitted without the chip; None in bundles of older versions.
    """

    hashes: list[str]
    scores: Scores
    truth: Tags
    band_statistics: Vectors
    tags: Tags | None = None

    def places(self) -> dict[str, int]:
        """Return the row of each chip, by its hash."""
        return {digest: row for row, digest in enumerate(self.hashes)}


def pack(record: TrainingRecord) -> bytes:
    """Return the bytes of a bundle's `held_out.npz`."""
    digests = np.array([list(bytes.fromhex(digest)) for digest in record.hashes], np.uint8)
    tags: dict[str, Any] = {} if record.tags is None else {"tags": record.tags}
    stream = io.BytesIO()
    np.savez_compressed(
        stream, sha256=digests, scores=record.scores, truth=record.truth, looks=record.band_statistics, **tags
    )
    return stream.getvalue()


def read(folder: Path) -> TrainingRecord | None:
    """Read the record of a bundle; None where an older version trained it and wrote none.

    Raises:
        BundleError: the file is damaged.
    """
    content = bundle.read_file(folder, FILE)
    if content is None:
        return None
    with refusing_damage(BundleError, f"{folder / FILE} is damaged", bundle.REPLACE):
        return unpack(content)


def read_required(folder: Path) -> TrainingRecord:
    """Read the record of a bundle that must have one.

    Raises:
        BundleError: the file is damaged.
        ValueError: the bundle has no record.
    """
    record = read(folder)
    if record is None:
        raise ValueError(
            f"{folder} has no record of its training chips ({FILE}), so nothing can be compared with it; "
            "train the model again."
        )
    return record


def unpack(content: bytes) -> TrainingRecord:
    """Return the record that `pack` wrote; damaged bytes raise errors of many types, see `damage.DAMAGE`."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        hashes = [bytes(row).hex() for row in archive["sha256"]]
        tags = archive.get("tags")
        record = TrainingRecord(hashes, archive["scores"], archive["truth"], archive["looks"], tags)
    shapes = {record.scores.shape, record.truth.shape, *([] if tags is None else [tags.shape])}
    if len(shapes) > 1 or not len(record.hashes) == len(record.scores) == len(record.band_statistics):
        raise ValueError("its arrays do not fit together")
    return record
