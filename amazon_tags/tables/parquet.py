"""Score tables as Parquet: an `image_name` and a column of float32 for each label."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ensemble.arrays import Scores
from features.images import naming

Write = Callable[[Sequence[str], Scores], None]

PART = 1 << 16  # rows held at a time


@contextmanager
def writer(stream: BinaryIO, header: Sequence[str]) -> Iterator[Write]:
    """Writes a table to a stream, a row a chip; the same rows give the same bytes, in whatever parts they come."""
    import pyarrow as pa  # noqa: PLC0415  0.1 s that only a run with Parquet should pay
    from pyarrow import parquet as pq  # noqa: PLC0415

    schema = pa.schema([(header[0], pa.string()), *((name, pa.float32()) for name in header[1:])])
    names: list[str] = []
    matrices: list[Scores] = []

    def flush(table: Any, count: int) -> None:
        matrix = np.concatenate(matrices)
        columns = [pa.array(names[:count], pa.string()), *(pa.array(column[:count]) for column in matrix.T)]
        table.write_table(pa.table(columns, schema=schema), row_group_size=PART)
        names[:], matrices[:] = names[count:], [matrix[count:]]

    with pq.ParquetWriter(stream, schema) as table:

        def write(ids: Sequence[str], scores: Scores) -> None:
            names.extend(ids)
            matrices.append(scores)
            while len(names) >= PART:
                flush(table, PART)

        yield write
        if names:
            flush(table, len(names))


def parts(path: Path) -> Iterator[tuple[list[str], Scores, tuple[str, ...]]]:
    """Chips, scores and label columns, a part of the file at a time.

    Raises:
        ValueError: the file is damaged, or its columns are no names and numbers.
    """
    import pyarrow as pa  # noqa: PLC0415  as in `pack`
    from pyarrow import parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path, pre_buffer=False) as table:  # or all that was read is kept
            columns = _columns(path, table.schema_arrow)
            for batch in table.iter_batches(PART):
                names = batch.column("image_name").to_pylist()
                if not all(isinstance(name, str) and name.strip() for name in names):
                    raise ValueError(f"{path}: image_name has rows that are empty or no text; name each chip.")
                matrix = np.empty((len(names), len(columns)), dtype=np.float32)
                for place, name in enumerate(columns):
                    matrix[:, place] = batch.column(name).to_numpy(zero_copy_only=False)
                yield [naming.name(name) for name in names], matrix, columns
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is damaged: {error}; write it again.") from error


def _columns(path: Path, schema: Any) -> tuple[str, ...]:
    import pyarrow as pa  # noqa: PLC0415  as in `pack`

    columns = tuple(name for name in schema.names if name != "image_name")
    if schema.names.count("image_name") != 1 or len(set(columns)) < len(columns):
        raise ValueError(f"{path} has the columns {', '.join(schema.names)}; needed image_name and each label once.")
    for name in columns:
        kind = schema.field(name).type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            raise ValueError(f"{path}: the column {name!r} is of {kind}, needed numbers in [0, 1].")
    return columns
