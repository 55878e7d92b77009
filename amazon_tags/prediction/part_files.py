"""The files of a checkpoint: each holds names, scores, errors, band statistics and remarks of 1,024 chips.

A file is named by the number of its part and by a hash of its chips' names and contents; its metadata state which run
it belongs to. So any machine may write it, and a second one that does writes the same.
"""

import errno
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.files import atomic
from amazon_tags.files.hashes import sha256_bytes
from amazon_tags.prediction.predict import ScoredChips
from amazon_tags.prediction.run_key import Chips, RunKey, refused_as
from features.images import chips, listing
from features.images.chips import ChipError
from features.images.date_pair import DatePair
from features.images.listing import ChipSource
from features.images.remarks import Remark
from features.images.window import Window

CHIPS_A_PART = 1024  # a multiple of every batch; small enough that a kill costs little, large enough for few files
RUN = b"amazon_tags run"  # the key of the metadata
NAME, FILE, ERROR, BAND_STATISTICS, REMARKS = (
    " name",
    " file",
    " error",
    " looks",
    " remarks",
)  # columns beside the labels, whose names do not begin with a space


def part_count(count: int) -> int:
    """Return the number of parts of so many chips."""
    return -(-count // CHIPS_A_PART)


def part_of(paths: Chips, number: int) -> Chips:
    """Return the chips of a part."""
    return paths[number * CHIPS_A_PART : (number + 1) * CHIPS_A_PART]


def part_name(number: int, part: Chips, pool: ThreadPoolExecutor) -> str:
    """Return the name of a part's file."""
    digest = hashlib.sha256()
    for path, content in zip(part, pool.map(_content_hash, part), strict=True):
        digest.update(f"{listing.name(path)} {content}\n".encode())
    return f"{number:06}-{digest.hexdigest()[:32]}.parquet"


def list_parts(folder: Path) -> list[tuple[int, Path]]:
    """Return number and path of the parts in a folder, in order."""
    return [(int(path.name.split("-")[0]), path) for path in sorted(folder.glob("[0-9]*-*.parquet"))]


def _content_hash(path: ChipSource) -> str:
    if isinstance(path, DatePair):
        return f"{_content_hash(path.before)} {_content_hash(path.after)}"
    if isinstance(path, Window):
        return f"{path.picture.sha256} {path.width} {path.height}"  # the name has the position
    try:
        return sha256_bytes(chips.bytes_of(path))
    except (ChipError, OSError) as error:  # the chip cannot be used, which is an answer too
        return f"{type(error).__name__}"


def write_part(path: Path, scored: ScoredChips, labels: Sequence[str], key: RunKey) -> None:
    """Write the file of a part, completely or not at all."""
    import pyarrow as pa  # noqa: PLC0415  0.1 s that only a run with a checkpoint should pay
    from pyarrow import parquet as pq  # noqa: PLC0415

    rows = zip(scored.band_statistics, scored.errors, strict=True)
    statistics = [row if error is None else None for row, error in rows]  # null, not NaN, for a chip with an error
    files = [file if error else None for file, error in zip(scored.files, scored.errors, strict=True)]
    columns = {name: pa.array(column) for name, column in zip(labels, scored.scores.T, strict=True)}
    columns[NAME] = pa.array(scored.ids, pa.string())
    columns[FILE] = pa.array(files, pa.string())  # needed for a list of errors alone
    columns[ERROR] = pa.array(scored.errors, pa.string())
    columns[BAND_STATISTICS] = pa.array(statistics, pa.list_(pa.float32()))
    columns[REMARKS] = pa.array(
        [[[remark.text, remark.detail] for remark in remarks] for remarks in scored.remarks],
        pa.list_(pa.list_(pa.string())),
    )
    table = pa.table(columns).replace_schema_metadata({RUN: json.dumps(asdict(key))})
    with atomic.atomic_file(path) as stream:
        pq.write_table(table, stream)


def read_part(path: Path, part: Chips, labels: Sequence[str], bands: int) -> ScoredChips:
    """Return the scores of these chips.

    Raises:
        ValueError: the file is damaged.
    """
    with _refused_damage(path):
        table = _read_table(path)
        return _scored(table, list(map(listing.name, part)), list(map(str, part)), labels, bands)


def read_names(path: Path) -> tuple[RunKey, list[str]]:
    """Return which run a part belongs to, and the names of its chips.

    Raises:
        ValueError: the file is damaged, or of an earlier version, which stored no names.
    """
    with _refused_damage(path):
        table = _read_table(path, [NAME])
        metadata = table.schema.metadata or {}
        if RUN not in metadata:
            raise ValueError("it states no run")
        return RunKey(**json.loads(metadata[RUN])), table.column(NAME).to_pylist()


def read_named_part(path: Path, labels: Sequence[str], bands: int) -> ScoredChips:
    """Return the scores of a part, with the names that it holds itself.

    Raises:
        ValueError: the file is damaged.
    """
    with _refused_damage(path):
        table = _read_table(path)
        names = table.column(NAME).to_pylist()
        files = [file or name for file, name in zip(table.column(FILE).to_pylist(), names, strict=True)]
        return _scored(table, names, files, labels, bands)


def _refused_damage(path: Path) -> Any:
    return refused_as(f"{path} is damaged", "delete it, and its chips are scored again.")


def _read_table(path: Path, columns: list[str] | None = None) -> Any:
    from pyarrow import parquet as pq  # noqa: PLC0415  as in `write_part`

    try:
        with pq.ParquetFile(path) as file:  # `read_table` would begin a data set of files
            return file.read(columns)
    except FileNotFoundError as error:
        gone = FileNotFoundError(f"{path} is gone since the run began; bring it back, or start the run again.")
        gone.errno = errno.ENOENT
        raise gone from error


def _scored(table: Any, ids: list[str], files: list[str], labels: Sequence[str], bands: int) -> ScoredChips:
    scores = np.stack([table.column(name).to_numpy() for name in labels], axis=1)
    if scores.shape != (len(ids), len(labels)) or scores.dtype != np.float32:
        raise ValueError(f"it holds scores {scores.shape} of {scores.dtype}")
    errors = table.column(ERROR).to_pylist()
    statistics = _band_statistics(table.column(BAND_STATISTICS).to_pylist(), errors, 2 * bands)
    remarks = [tuple(Remark(*pair) for pair in pairs) for pairs in table.column(REMARKS).to_pylist()]
    return ScoredChips(ids, files, scores, errors, statistics, remarks)


def _band_statistics(rows: list[list[float] | None], errors: list[str | None], width: int) -> NDArray[np.float32]:
    """Return the band statistics (chips, width) of a part's column, NaN for a chip with an error.

    Raises:
        ValueError: a row has another width, or is missing for a chip without an error.
    """
    statistics = np.full((len(rows), width), np.nan, np.float32)
    usable = [error is None for error in errors]
    statistics[usable] = np.array([row for row in rows if row is not None], np.float32).reshape(sum(usable), width)
    return statistics
