"""Vectors of chips as Parquet files: written a part at a time, read by any tool that knows Parquet.

image_name  text
sha256      of the chip file's bytes, as text; a file from elsewhere may lack it
vector      a list of float32 or float16 whose length is fixed
geometry    footprints by GeoParquet 1.1, only where chips have a position

What the vectors were computed from is in the file's metadata, see `model.vector_origin`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

from amazon_tags.tables.geoparquet import GeometryColumn
from ensemble.arrays import Vectors

WriteVectors = Callable[[Sequence[str], Sequence[str], Vectors], None]

ROWS_A_GROUP = 1 << 13  # rows in memory at a time: 42 MB of 1,280 columns
SUFFIX = ".parquet"
TEXT_SUFFIXES = (".csv", ".json", ".tsv", ".txt")


def is_vector_path(path: Path) -> bool:
    """Return whether a file's name is that of a Parquet file."""
    return path.suffix.lower() == SUFFIX


def refuse_vector_path(path: Path, *, half: bool = False) -> None:
    """Raise ValueError for an output whose name asks for vectors as text, or for float16 in a feature bank."""
    if path.suffix.lower() in TEXT_SUFFIXES:
        raise ValueError(
            f"vectors are not written as {path.suffix} ({path}); name a {SUFFIX} file, or a folder for a feature bank."
        )
    if half and not is_vector_path(path):
        raise ValueError(
            f"{path} is a feature bank, which holds float32 only; name a {SUFFIX} file, or leave out --half."
        )


@contextmanager
def vector_writer(
    stream: BinaryIO,
    width: int,
    metadata: Mapping[str, str],
    *,
    half: bool = False,
    geometry: GeometryColumn | None = None,
) -> Iterator[WriteVectors]:
    """Yield a function that appends names, hashes and vectors; how these are split into calls changes no byte.

    Args:
        stream: where the file is written.
        width: columns of the vectors.
        metadata: of the file.
        half: round the vectors to float16.
        geometry: the geometries of all chips that will be written, in order.
    """
    number = pa.float16() if half else pa.float32()
    fields = [("image_name", pa.string()), ("sha256", pa.string()), ("vector", pa.list_(number, width))]
    if geometry:
        fields.append(("geometry", pa.binary()))
        metadata = {**metadata, "geo": geometry.geo}
    schema = pa.schema(fields, metadata=metadata)
    names: list[str] = []
    hashes: list[str] = []
    matrices: list[Vectors] = []
    written = 0

    def flush(table: Any, count: int) -> None:
        nonlocal written
        matrix = np.concatenate(matrices)
        values = pa.array(_rounded(names, matrix[:count], half=half).ravel(), number)
        vectors = pa.FixedSizeListArray.from_arrays(values, width)
        columns = [pa.array(names[:count], pa.string()), pa.array(hashes[:count], pa.string()), vectors]
        if geometry:
            columns.append(pa.array(geometry.values[written : written + count], pa.binary()))
        table.write_table(pa.table(columns, schema=schema), row_group_size=ROWS_A_GROUP)
        names[:], hashes[:], matrices[:] = names[count:], hashes[count:], [matrix[count:]]
        written += count

    with pq.ParquetWriter(stream, schema, use_dictionary=False) as table:  # no name, hash or number is repeated

        def write(ids: Sequence[str], digests: Sequence[str], vectors: Vectors) -> None:
            names.extend(ids)
            hashes.extend(digests)
            matrices.append(vectors)
            while len(names) >= ROWS_A_GROUP:
                flush(table, ROWS_A_GROUP)

        yield write
        if names:
            flush(table, len(names))


def _rounded(names: Sequence[str], vectors: Vectors, *, half: bool) -> Any:
    """Return vectors in the type of the file; raise ValueError for values that float16 cannot hold."""
    if not half:
        return vectors
    with np.errstate(over="ignore"):
        rounded = vectors.astype(np.float16)
    large = np.flatnonzero(~np.isfinite(rounded).all(axis=1))
    if len(large):
        raise ValueError(
            f"{len(large)} vectors have values beyond 65,504, the largest of float16 (first: {names[large[0]]}); "
            "leave out --half."
        )
    return rounded
