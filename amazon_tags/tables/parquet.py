"""Score tables as Parquet files: the column `image_name` and a float32 column for each label."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ensemble.arrays import Scores
from features.images import naming

Write = Callable[[Sequence[str], Scores], None]

ROWS_PER_PART = 1 << 16  # rows in memory at a time: 4 MB of scores with 17 labels


@contextmanager
def writer(stream: BinaryIO, header: Sequence[str]) -> Iterator[Write]:
    """Yield a function that appends rows to a table; the bytes do not depend on how the rows are split into calls."""
    import pyarrow as pa  # noqa: PLC0415  importing pyarrow takes 0.1 s
    from pyarrow import parquet as pq  # noqa: PLC0415

    schema = pa.schema([(header[0], pa.string()), *((name, pa.float32()) for name in header[1:])])
    names: list[str] = []
    matrices: list[Scores] = []

    def flush(table: Any, count: int) -> None:
        matrix = np.concatenate(matrices)
        columns = [pa.array(names[:count], pa.string()), *(pa.array(column[:count]) for column in matrix.T)]
        table.write_table(pa.table(columns, schema=schema), row_group_size=ROWS_PER_PART)
        names[:], matrices[:] = names[count:], [matrix[count:]]

    with pq.ParquetWriter(stream, schema) as table:

        def write(ids: Sequence[str], scores: Scores) -> None:
            names.extend(ids)
            matrices.append(scores)
            while len(names) >= ROWS_PER_PART:
                flush(table, ROWS_PER_PART)

        yield write
        if names:
            flush(table, len(names))


def read_parts(path: Path) -> Iterator[tuple[list[str], Scores, tuple[str, ...]]]:
    """Yield image names, scores and label columns, a part of the file at a time.

    Raises:
        ValueError: the file is damaged, or its columns are not image names and numbers.
    """
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path, pre_buffer=False) as table:  # or pyarrow keeps all that it has read
            columns = _columns(path, table.schema_arrow)
            for batch in table.iter_batches(ROWS_PER_PART):
                names = batch.column("image_name").to_pylist()
                if not all(isinstance(name, str) and name.strip() for name in names):
                    raise ValueError(f"{path}: image_name has rows that are empty or not text; name each chip.")
                matrix = np.empty((len(names), len(columns)), dtype=np.float32)
                for position, name in enumerate(columns):
                    matrix[:, position] = batch.column(name).to_numpy(zero_copy_only=False)
                yield [naming.name(name) for name in names], matrix, columns
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is damaged: {error}; write it again.") from error


def _columns(path: Path, schema: Any) -> tuple[str, ...]:
    import pyarrow as pa  # noqa: PLC0415

    columns = tuple(name for name in schema.names if name != "image_name")
    if schema.names.count("image_name") != 1 or len(set(columns)) < len(columns):
        raise ValueError(f"{path} has the columns {', '.join(schema.names)}; needed image_name and each label once.")
    for name in columns:
        kind = schema.field(name).type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            raise ValueError(f"{path}: the column {name!r} is of {kind}, needed numbers in [0, 1].")
    return columns
