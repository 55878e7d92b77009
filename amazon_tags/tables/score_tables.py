"""Score tables: one row a chip and one column a label, as CSV or Parquet, read and written without losing a bit."""

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
from amazon_tags.tables.columns import parse_matrix, refuse_columns, refuse_repeats, refuse_shape, select
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.parquet import Write
from ensemble.arrays import Scores


def refuse_score_path(path: Path) -> None:
    """Raises ValueError where the suffix is neither `.csv` nor `.parquet`; none at all (`/dev/stdout`) means CSV."""
    if path.suffix.lower() not in (".csv", ".parquet", ""):
        raise ValueError(f"Scores cannot be written to {path}: got {path.suffix!r}, needed .csv or .parquet.")


def write_scores(path: Path, ids: Sequence[str], scores: Scores, space: LabelSpace) -> None:
    """Writes `image_name` and one column for each label, as CSV or Parquet by the suffix; no bit is lost in either."""
    with score_writer(path, space) as write:
        write(ids, scores)


@contextmanager
def score_writer(path: Path, space: LabelSpace) -> Iterator[Write]:
    """As `write_scores`, a part of the chips at a time; the file stands once the block ends well."""
    refuse_score_path(path)
    header = ("image_name", *space.names)
    packed = path.suffix.lower() == ".parquet"
    with atomic.atomic_file(path) as stream, (parquet.writer if packed else _csv_writer)(stream, header) as put:

        def write(ids: Sequence[str], scores: Scores) -> None:
            matrix = np.asarray(scores, dtype=np.float32)
            refuse_shape("scores", matrix, ids, space)
            refuse_repeats("The chips to write", ids)
            _refuse_range("The scores to write", ids, matrix, space.names)
            put(ids, matrix)

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
    """Reads a score table, CSV or Parquet by its content.

    Args:
        path: The table; its label columns may stand in any order.
        space: The labels that it must have, no more and no fewer; None takes what the table has.

    Returns:
        ids, scores and label names, in the order of `space`, or of the table without one.

    Raises:
        ValueError: A label column is missing or too many, an image is repeated, a score is not in [0, 1].
    """
    parts = list(_parts(path, space))
    ids = [name for part in parts for name in part[0]]
    refuse_repeats(str(path), ids)
    return ids, np.concatenate([part[1] for part in parts]), parts[0][2]


def stream_scores(path: Path, space: LabelSpace) -> Iterator[tuple[list[str], Scores]]:
    """As `read_scores`, but a part at a time where the file is Parquet; that images are repeated is told at the end."""
    seen: list[NDArray[np.int64]] = []
    for ids, matrix, _ in _parts(path, space):
        seen.append(np.array([hash(name) for name in ids], np.int64))  # 8 bytes of each; names may be millions
        yield ids, matrix
    rows_read = sum(map(len, seen))
    repeated = rows_read - len(np.unique(np.concatenate(seen)))
    if repeated:
        raise ValueError(f"{path}: {repeated} of {rows_read} images are repeated; keep one row of each.")


def _parts(path: Path, space: LabelSpace | None) -> Iterator[tuple[list[str], Scores, tuple[str, ...]]]:
    is_parquet = False
    if path.is_file():  # a pipe can be read only once, and Parquet needs to be read from its end
        with path.open("rb") as stream:
            is_parquet = stream.read(4) == b"PAR1"
    empty = True
    for ids, matrix, columns in parquet.parts(path) if is_parquet else iter([parse_matrix(path, path.read_bytes())]):
        if space is None:
            try:
                space = LabelSpace(path.stem, columns)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
        refuse_columns(path, columns, space)
        _refuse_range(str(path), ids, matrix, columns)
        empty = False
        yield ids, np.ascontiguousarray(matrix[:, select(columns, space.names)]), space.names
    if empty:
        raise ValueError(f"{path} has no rows; a row for each image is needed.")


def _refuse_range(where: str, ids: Sequence[str], scores: Scores, columns: Sequence[str]) -> None:
    with np.errstate(invalid="ignore"):
        wrong = np.argwhere(~((scores >= 0) & (scores <= 1)))
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"{where}: {len(wrong)} scores are not in [0, 1] (first: {scores[row, column]} for {columns[column]} of "
            f"{ids[row]!r}); needed probabilities, not logits or missing values."
        )


def _decimals(scores: Scores) -> NDArray[Any]:
    """Shortest decimals that read back, by way of a double, as the same float32."""
    texts = scores.astype(object)
    short = scores.astype(np.str_)
    # Rounded twice, decimal to double to float32, a few shortest decimals arrive one unit off; those get the double's.
    lost = short.astype(np.float64).astype(np.float32).view(np.uint32) != scores.view(np.uint32)
    texts[:] = short
    texts[lost] = [repr(float(score)) for score in scores[lost]]
    return texts
