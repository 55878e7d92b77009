"""Vectors of chips as Parquet files, written and read a part at a time; other tools can write and read them too.

image_name  text
sha256      of the chip file's bytes, as text; a file from elsewhere may lack it, and has further columns
vector      a list of float32 or float16 whose length is fixed
geometry    footprints by GeoParquet 1.1, only where chips have a position
...         further columns of float32 on chips, on request

What the vectors were computed from is in the file's metadata, see `model.vector_origin`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

from amazon_tags.tables.geoparquet import GeometryColumn
from amazon_tags.tables.image_names import plain_names, refuse_repeats
from ensemble.arrays import Floats, Vectors

HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
MAGIC = b"PAR1"  # the first bytes of a Parquet file

WriteVectors = Callable[[Sequence[str], Sequence[str], Vectors], None]

ROWS_A_GROUP = 1 << 13  # rows in memory at a time: 42 MB of 1,280 columns
SUFFIX = ".parquet"
TEXT_SUFFIXES = (".csv", ".json", ".tsv", ".txt")


@dataclass(frozen=True)
class FurtherColumns:
    """Columns of numbers that are written beside vectors.

    Attributes:
        names: of the columns.
        compute: returns them (rows, columns) for hashes and vectors of the next rows, before these are rounded.
    """

    names: Sequence[str]
    compute: Callable[[Sequence[str], Vectors], Floats]


def join_columns(parts: Sequence[FurtherColumns]) -> FurtherColumns | None:
    """Return several groups of columns as one; None if there is none."""
    if not parts:
        return None

    def compute(hashes: Sequence[str], vectors: Vectors) -> Floats:
        return np.concatenate([part.compute(hashes, vectors) for part in parts], axis=1)

    return FurtherColumns([name for part in parts for name in part.names], compute)


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
    further: FurtherColumns | None = None,
) -> Iterator[WriteVectors]:
    """Yield a function that appends names, hashes and vectors; how these are split into calls changes no byte.

    Args:
        stream: where the file is written.
        width: columns of the vectors.
        metadata: of the file.
        half: round the vectors to float16.
        geometry: the geometries of all chips that will be written, in order.
        further: columns behind the others.
    """
    number = pa.float16() if half else pa.float32()
    schema = _schema(pa.list_(number, width), metadata, geometry, further)
    names: list[str] = []
    hashes: list[str] = []
    matrices: list[Vectors] = []
    written = 0

    def flush(table: Any, count: int) -> None:
        nonlocal written
        matrix = np.concatenate(matrices)
        values = pa.array(_rounded(names, matrix[:count], half=half).ravel(), number)
        columns = [pa.array(names[:count]), pa.array(hashes[:count])]
        columns.append(pa.FixedSizeListArray.from_arrays(values, width))
        if geometry:
            columns.append(pa.array(geometry.values[written : written + count], pa.binary()))
        if further:
            numbers = further.compute(hashes[:count], matrix[:count])
            columns += [pa.array(column, pa.float32()) for column in numbers.T.astype(np.float32)]
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


def _schema(
    kind: Any, metadata: Mapping[str, str], geometry: GeometryColumn | None, further: FurtherColumns | None
) -> Any:
    """Return the columns of a file whose vectors are of this type, with its metadata."""
    fields = [("image_name", pa.string()), ("sha256", pa.string()), ("vector", kind)]
    if geometry:
        fields.append(("geometry", pa.binary()))
        metadata = {**metadata, "geo": geometry.geo}
    if further:
        fields += [(name, pa.float32()) for name in further.names]
    return pa.schema(fields, metadata=metadata)


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


@dataclass(frozen=True)
class VectorTable:
    """A checked file of vectors.

    Attributes:
        path: the file.
        ids: the chips' names, in the order of the file.
        hashes: the SHA-256 of each chip's file; None where the file does not state it.
        width: columns of the vectors.
        metadata: of the file.
    """

    path: Path
    ids: list[str]
    hashes: list[str] | None
    width: int
    metadata: Mapping[str, str]

    def parts(self) -> Iterator[Vectors]:
        """Yield the vectors (rows, width) as float32, a part of the file at a time.

        Raises:
            ValueError: the file is damaged.
        """
        with _open(self.path) as table:
            for batch in table.iter_batches(ROWS_A_GROUP, columns=["vector"]):
                yield _matrix(batch.column(0), self.width)


def is_vector_file(path: Path) -> bool:
    """Return whether a file is meant as vectors: by its first bytes or its name, as Parquet or as text."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC or path.suffix.lower() in (SUFFIX, *TEXT_SUFFIXES)


def read_table(path: Path) -> VectorTable:
    """Read and check all of a file but keep only its names and hashes; `VectorTable.parts` reads the vectors.

    Raises:
        ValueError: the file is no Parquet file, damaged or empty, lacks a column, or has columns of other types, names
            that are empty or repeated, or vectors that are missing or not finite.
    """
    with _open(path) as table:
        schema = table.schema_arrow
        width = _check_columns(path, schema)
        columns = [name for name in ("image_name", "sha256", "vector") if name in schema.names]
        cells: list[Any] = []
        hashes: list[Any] = []
        bad: list[int] = []
        for batch in table.iter_batches(ROWS_A_GROUP, columns=columns):
            rows = dict(zip(batch.schema.names, batch.columns, strict=True))
            bad += (len(cells) + np.flatnonzero(~_usable(rows["vector"], width))).tolist()
            cells += rows["image_name"].to_pylist()
            hashes += rows["sha256"].to_pylist() if "sha256" in rows else []
    if not cells:
        raise ValueError(f"{path} has no rows; a row for each chip is needed.")
    ids = _names(path, cells)
    if bad:
        raise ValueError(
            f"{path}: {len(bad)} of {len(ids)} vectors are missing or have values that are NaN or infinite (first: "
            f"{ids[bad[0]]}); embed these chips again, or leave them out."
        )
    if hashes and not all(isinstance(digest, str) and HEX_DIGEST.fullmatch(digest) for digest in hashes):
        raise ValueError(f"{path}: sha256 has cells that are no SHA-256 in hexadecimal digits; correct or remove it.")
    return VectorTable(path, ids, hashes or None, width, _metadata(schema))


def read_numbers(path: Path, name: str) -> Floats | None:
    """Return a further column (rows,) of a file; None if it has none of this name.

    Raises:
        ValueError: the file is damaged, or the column has cells that are no finite numbers.
    """
    with _open(path) as table:
        if name not in table.schema_arrow.names:
            return None
        column = table.read(columns=[name]).column(0)
    is_number = pa.types.is_floating(column.type)
    numbers: Floats = column.to_numpy().astype(np.float64) if is_number else np.full(1, np.nan)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{path}: {name} has cells that are no finite numbers; embed the chips again.")
    return numbers


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a file, without reading the rest of it.

    Raises:
        ValueError: the file is no Parquet file, or damaged.
    """
    with _open(path) as table:
        return _metadata(table.schema_arrow)


def _metadata(schema: Any) -> dict[str, str]:
    """Return the metadata but for those of pyarrow itself."""
    return {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in (schema.metadata or {}).items()
        if key != b"ARROW:schema"
    }


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open a Parquet file; every error of reading it inside the block becomes a ValueError."""
    with path.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise ValueError(
                f"{path} is not a Parquet file; vectors are read from a file that amazon_tags embed -o vectors.parquet "
                "or another tool wrote."
            )
    try:
        with pq.ParquetFile(path, pre_buffer=False) as table:  # or pyarrow keeps all that it has read
            yield table
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} is damaged, or chips lack a vector: {error}; write it again, with a vector for each chip."
        ) from error


def _check_columns(path: Path, schema: Any) -> int:
    """Return the width of the vectors; raise ValueError for columns that are missing, repeated or of another type."""
    missing = [name for name in ("image_name", "vector") if schema.names.count(name) != 1]
    if missing:
        raise ValueError(
            f"{path} has the columns {', '.join(schema.names)}; needed {' and '.join(missing)} once, rename a column "
            "or embed the chips again."
        )
    kind = schema.field("vector").type
    if not (pa.types.is_fixed_size_list(kind) and kind.value_type in (pa.float32(), pa.float16()) and kind.list_size):
        raise ValueError(
            f"{path}: vector is of the type {kind}, but must be a list of fixed size of float32 or float16, such as "
            "fixed_size_list<float>[576]; convert it."
        )
    return int(kind.list_size)


def _names(path: Path, cells: Sequence[Any]) -> list[str]:
    unnamed = sum(not isinstance(cell, str) for cell in cells)
    if unnamed:
        raise ValueError(
            f"{path}: {unnamed} of {len(cells)} cells of image_name are empty or not text; name each chip."
        )
    ids = plain_names(path, cells)
    refuse_repeats(str(path), ids)
    return ids


def _usable(column: Any, width: int) -> Any:
    """Return which vectors (rows,) are there and finite."""
    usable = ~column.is_null().to_numpy(zero_copy_only=False)
    usable[usable] = np.isfinite(_matrix(column.drop_null(), width)).all(axis=1)
    return usable


def _matrix(column: Any, width: int) -> Vectors:
    vectors: Vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width).astype(np.float32)
    return vectors
