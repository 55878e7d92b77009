"""Score tables, a row for each chip and a column for each label, as CSV or Parquet: read, checked and written.

Both formats keep every bit of the float32 scores.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from amazon_tags.files import atomic
from amazon_tags.tables import parquet
from amazon_tags.tables.columns import parse_matrix, refuse_columns, refuse_shape
from amazon_tags.tables.image_names import refuse_repeats, select
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.parquet import Write
from ensemble.arrays import Scores

# Probabilities that were summed in float32 end up to some steps of 1.2e-7 outside [0, 1]; more is no rounding.
MAX_ROUNDING = 1e-6


def refuse_score_path(path: Path) -> None:
    """Raise ValueError unless the suffix is `.csv`, `.parquet` or empty: `/dev/stdout` means CSV."""
    if path.suffix.lower() not in (".csv", ".parquet", ""):
        raise ValueError(f"Scores cannot be written to {path}: got {path.suffix!r}, needed .csv or .parquet.")


def write_scores(path: Path, ids: Sequence[str], scores: Scores, space: LabelSpace) -> None:
    """Write `image_name` and a column for each label, as CSV or Parquet by the suffix of the path.

    Raises:
        ValueError: a score is not in [0, 1], a chip is repeated, or the shape or the suffix is wrong.
    """
    with score_writer(path, space) as write:
        write(ids, scores)


@contextmanager
def score_writer(path: Path, space: LabelSpace) -> Iterator[Write]:
    """Yield a function that writes a part of the chips as `write_scores`; the file is saved when the block ends."""
    refuse_score_path(path)
    header = ("image_name", *space.names)
    table_writer = parquet.writer if path.suffix.lower() == ".parquet" else _csv_writer
    with atomic.atomic_file(path) as stream, table_writer(stream, header) as write_rows:

        def write(ids: Sequence[str], scores: Scores) -> None:
            matrix = np.asarray(scores, dtype=np.float32)
            refuse_shape("scores", matrix, ids, space)
            refuse_repeats("The chips to write", ids)
            write_rows(ids, _clip_rounding("The scores to write", ids, matrix, space.names))

        yield write


@contextmanager
def _csv_writer(stream: BinaryIO, header: Sequence[str]) -> Iterator[Write]:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    yield lambda ids, scores: table.writerows((name, *row) for name, row in zip(ids, _decimals(scores), strict=True))
    text.flush()
    text.detach()


def read_scores(path: Path, space: LabelSpace | None = None) -> tuple[list[str], Scores, tuple[str, ...]]:
    """Read a score table; its content says whether it is CSV or Parquet.

    Args:
        path: the table, with label columns in any order.
        space: the labels that the table must have, no more and no fewer; None accepts any.

    Returns:
        ids, scores and label names, in the order of `space` or, if that is None, of the table.

    Raises:
        ValueError: a label column is missing or unknown, an image is repeated, or a score is not in [0, 1].
    """
    parts = list(_checked_parts(path, space))
    ids = [name for part in parts for name in part[0]]
    refuse_repeats(str(path), ids)
    return ids, np.concatenate([part[1] for part in parts]), parts[0][2]


def stream_scores(path: Path, space: LabelSpace) -> Iterator[tuple[list[str], Scores]]:
    """As `read_scores`, but yield a Parquet file part by part; repeated images raise ValueError after the last part."""
    hashes: list[NDArray[np.int64]] = []
    for ids, matrix, _ in _checked_parts(path, space):
        hashes.append(np.array([hash(name) for name in ids], np.int64))  # 8 bytes each: there may be millions of names
        yield ids, matrix
    rows = sum(map(len, hashes))
    repeated = rows - len(np.unique(np.concatenate(hashes)))
    if repeated:
        raise ValueError(f"{path}: {repeated} of {rows} images are repeated; keep one row of each.")


def _checked_parts(path: Path, space: LabelSpace | None) -> Iterator[tuple[list[str], Scores, tuple[str, ...]]]:
    is_parquet = False
    if path.is_file():  # a pipe can be read only once, and Parquet is read from its end
        with path.open("rb") as stream:
            is_parquet = stream.read(4) == b"PAR1"

    parts = parquet.read_parts(path) if is_parquet else iter([parse_matrix(path, path.read_bytes())])
    empty = True
    for ids, matrix, columns in parts:
        if space is None:
            try:
                space = LabelSpace(path.stem, columns)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
        refuse_columns(path, columns, space)
        scores = _clip_rounding(str(path), ids, matrix, columns)
        empty = False
        yield ids, np.ascontiguousarray(scores[:, select(columns, space.names)]), space.names
    if empty:
        raise ValueError(f"{path} has no rows; a row for each image is needed.")


def _clip_rounding(where: str, ids: Sequence[str], scores: Scores, columns: Sequence[str]) -> Scores:
    """Return scores (chips, columns) clipped to [0, 1]; raise ValueError for one that is further off than rounding."""
    with np.errstate(invalid="ignore"):
        outside = np.argwhere(~((scores >= -MAX_ROUNDING) & (scores <= 1 + MAX_ROUNDING)))
    if len(outside):
        row, column = outside[0]
        raise ValueError(
            f"{where}: {len(outside)} scores are not in [0, 1] (first: {scores[row, column]} for {columns[column]} of "
            f"{ids[row]!r}); needed probabilities, not logits or missing values."
        )
    inside = (scores >= 0) & (scores <= 1)
    return scores if inside.all() else np.clip(scores, 0, 1)


def _decimals(scores: Scores) -> NDArray[Any]:
    """Return the shortest decimals that read back, parsed as a double and rounded, as the same float32."""
    texts = scores.astype(object)
    short = scores.astype(np.str_)
    # A few of the shortest decimals are one unit off after both roundings, decimal to double to float32: these are
    # written with the digits of the double.
    lost = short.astype(np.float64).astype(np.float32).view(np.uint32) != scores.view(np.uint32)
    texts[:] = short
    texts[lost] = [repr(float(score)) for score in scores[lost]]
    return texts
