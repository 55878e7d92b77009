"""What a model said of the chips that it learnt from while it had not seen them: scores and tags, by content.

By these a later model is held to this one on the same chips, and chips that come later are told from those of training.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.model import bundle
from amazon_tags.model.bundle import BundleError

FILE = "held_out.npz"


@dataclass(frozen=True)
class TrainingRecord:
    """One row a chip, in the order of `hashes`, the SHA-256 of each file.

    `scores`, `truth` and `tags` are (chips, labels), `looks` (chips, 2 * bands) those of `extract.Outputs`. `tags` are
    by decisions that were fitted without the chip; bundles from before they were held have none.
    """

    hashes: list[str]
    scores: NDArray[np.float32]
    truth: NDArray[np.bool_]
    band_statistics: NDArray[np.float32]
    tags: NDArray[np.bool_] | None = None

    def places(self) -> dict[str, int]:
        """The row of each chip."""
        return {digest: row for row, digest in enumerate(self.hashes)}


def pack(given: TrainingRecord) -> bytes:
    """The bytes of a bundle's `held_out.npz`."""
    digests = np.array([list(bytes.fromhex(digest)) for digest in given.hashes], np.uint8)
    stream = io.BytesIO()
    tags: dict[str, Any] = {} if given.tags is None else {"tags": given.tags}
    np.savez_compressed(
        stream, sha256=digests, scores=given.scores, truth=given.truth, looks=given.band_statistics, **tags
    )
    return stream.getvalue()


def read(folder: Path) -> TrainingRecord | None:
    """Those of a bundle; none where it was trained before bundles held them.

    Raises:
        BundleError: the file is not what the manifest says, or holds something else.
    """
    content = bundle.read_file(folder, FILE)
    if content is None:
        return None
    try:
        return unpack(content)
    except bundle.NONSENSE as error:
        raise BundleError(f"{folder / FILE} is damaged ({error}); train or fetch the bundle anew.") from error


def read_required(folder: Path) -> TrainingRecord:
    """As `read`, for what cannot be done without.

    Raises:
        ValueError: the bundle has none.
    """
    found = read(folder)
    if found is None:
        raise ValueError(
            f"{folder} does not hold what it was trained on, so nothing can be held against it; train anew."
        )
    return found


def unpack(content: bytes) -> TrainingRecord:
    """What `pack` made; raises whatever bytes of another kind lead to, `bundle.NONSENSE`."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        hashes = [bytes(row).hex() for row in archive["sha256"]]
        tags = archive.get("tags")
        made = TrainingRecord(hashes, archive["scores"], archive["truth"], archive["looks"], tags)
    shapes = {made.scores.shape, made.truth.shape, *([] if tags is None else [tags.shape])}
    if len(shapes) > 1 or not len(made.hashes) == len(made.scores) == len(made.band_statistics):
        raise ValueError("its arrays do not fit together")
    return made
