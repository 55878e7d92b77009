"""Score tables as Parquet files: the column `image_name` and a float32 column for each label.

The index that pandas adds to a table is left out, as from a CSV.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from amazon_tags import progress
from amazon_tags.tables import csv_rows
from amazon_tags.tables.image_names import plain_names
from ensemble.arrays import Scores

Write = Callable[[Sequence[str], Scores], None]

PANDAS_INDEX = re.compile(r"__index_level_\d+__")
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
            index = _index_columns(path, table)
            positions = _columns(path, table.schema_arrow, index)
            image_names = positions.pop("image_name")
            for batch in table.iter_batches(ROWS_PER_PART):
                names = batch.column(image_names).to_pylist()
                if not all(isinstance(name, str) for name in names):
                    raise ValueError(f"{path}: image_name has rows that are empty or not text; name each chip.")
                matrix = np.empty((len(names), len(positions)), dtype=np.float32)
                for column, position in enumerate(positions.values()):
                    matrix[:, column] = batch.column(position).to_numpy(zero_copy_only=False)
                yield plain_names(path, names), matrix, tuple(positions)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is damaged: {error}; write it again.") from error


def _index_columns(path: Path, table: Any) -> list[int]:
    """Return the positions of columns that hold an index; refuse one without a name that holds something else."""
    names = table.schema_arrow.names
    index = [position for position, name in enumerate(names) if PANDAS_INDEX.fullmatch(name)]
    unnamed = [position for position, name in enumerate(names) if csv_rows.UNNAMED.fullmatch(name.strip())]
    for position in unnamed:
        values = (value for batch in table.iter_batches(ROWS_PER_PART) for value in batch.column(position).to_pylist())
        texts = ["" if text in ("None", "nan") else text for text in map(str, values)]
        if csv_rows.is_index(names[position].strip(), texts, in_front=position in (0, unnamed.index(position))):
            index.append(position)
            continue
        raise ValueError(f"{path}: column {position + 1} has no name and is no index; name it or remove it.")
    if index:
        progress.say(f"{path}: {csv_rows.remark_on_index(len(index))}")
    return index


def _columns(path: Path, schema: Any, index: Sequence[int]) -> dict[str, int]:
    """Return the position of `image_name` and of each label."""
    import pyarrow as pa  # noqa: PLC0415

    names = {place: csv_rows.plain_header(name) for place, name in enumerate(schema.names) if place not in index}
    positions = {name: place for place, name in names.items()}
    if "image_name" not in positions or len(positions) < len(names):
        raise ValueError(f"{path} has the columns {', '.join(schema.names)}; needed image_name and each label once.")
    for name, position in positions.items():
        kind = schema.field(position).type
        if name != "image_name" and not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            raise ValueError(f"{path}: the column {name!r} is of {kind}, needed numbers in [0, 1].")
    return positions
