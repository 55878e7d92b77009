"""Files of vectors, as this package and other tools write them."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from amazon_tags.tables import vector_tables
from amazon_tags.tables.vector_tables import is_vector_file, read_table, vector_writer

VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)
NAMES = ["a", "b", "c"]


def column(vectors: np.ndarray, kind: pa.DataType | None = None) -> pa.Array:
    values = pa.array(vectors.ravel(), kind)
    return pa.FixedSizeListArray.from_arrays(values, vectors.shape[1])


def write(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_what_is_written_is_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_tables, "ROWS_A_GROUP", 2)
    path = tmp_path / "vectors.parquet"
    with path.open("wb") as stream, vector_writer(stream, 2, {"key": "value"}) as write_rows:
        write_rows(NAMES[:1], ["0" * 64], VECTORS[:1])
        write_rows(NAMES[1:], ["1" * 64, "2" * 64], VECTORS[1:])
    table = read_table(path)
    assert (table.ids, table.hashes, table.width) == (NAMES, ["0" * 64, "1" * 64, "2" * 64], 2)
    assert table.metadata["key"] == "value"
    parts = list(table.parts())
    assert [len(part) for part in parts] == [2, 1]
    np.testing.assert_array_equal(np.concatenate(parts), VECTORS)


def test_a_file_of_another_tool_needs_names_and_vectors_only(tmp_path):
    names = pa.array(["chips/a.jpg", "b", "c"]).dictionary_encode()
    half = column(VECTORS.astype(np.float16))
    table = read_table(write(tmp_path / "v.parquet", vector=half, more=[1, 2, 3], image_name=names))
    assert (table.ids, table.hashes, table.metadata.get("amazon_tags")) == (NAMES, None, None)
    (part,) = table.parts()
    assert part.dtype == np.float32
    np.testing.assert_array_equal(part, VECTORS)


def test_vectors_are_known_by_content_or_name(tmp_path):
    parquet = write(tmp_path / "vectors", image_name=NAMES, vector=column(VECTORS))
    text = tmp_path / "vectors.csv"
    text.write_text("image_name,v0\n")
    chip = tmp_path / "a.jpg"
    chip.write_bytes(b"\xff\xd8")
    assert [is_vector_file(path) for path in (parquet, text, chip, tmp_path)] == [True, True, False, False]


NAN, LOST = VECTORS.copy(), column(VECTORS)
NAN[1, 0], NAN[2, 1] = np.nan, np.inf
COLUMNS = {  # what is wrong -> the columns, and what is said
    "no vectors": (
        {"image_name": NAMES, "scores": [0.1, 0.2, 0.3]},
        "has the columns image_name, scores; needed vector",
    ),
    "no names": ({"vector": column(VECTORS)}, "needed image_name"),
    "lists of any size": (
        {"image_name": NAMES, "vector": pa.array(VECTORS.tolist(), pa.list_(pa.float32()))},
        r"type list<.*float>, but must be a list of fixed size of float32 or float16",
    ),
    "doubles": ({"image_name": NAMES, "vector": column(VECTORS.astype(np.float64))}, r"double>\[2\], but must be"),
    "integers": ({"image_name": NAMES, "vector": column(VECTORS.astype(np.int32))}, r"int32>\[2\], but must be"),
    "numbers": ({"image_name": NAMES, "vector": pa.array([1.0, 2.0, 3.0], pa.float32())}, "type float, but must be"),
    "no rows": ({"image_name": pa.array([], pa.string()), "vector": LOST[:0]}, "has no rows"),
    "NaN": (
        {"image_name": NAMES, "vector": column(NAN)},
        r"2 of 3 vectors are missing .* NaN or infinite \(first: b\)",
    ),
    "a missing vector": (
        {"image_name": NAMES, "vector": pa.array([[1, 2], None, [3, 4]], pa.list_(pa.float32(), 2))},
        "chips lack a vector",  # which pyarrow 25 does not read
    ),
    "a missing value": (
        {"image_name": NAMES, "vector": pa.array([[1, 2], [3, 4], [None, 6]], pa.list_(pa.float32(), 2))},
        r"1 of 3 vectors are missing .*\(first: c\)",
    ),
    "repeated names": (
        {"image_name": ["a", "b", "x/a.jpg"], "vector": column(VECTORS)},
        r"1 images are repeated \(first: 'a' in rows 0 and 2\)",
    ),
    "empty names": (
        {"image_name": ["a", None, "c"], "vector": column(VECTORS)},
        "1 of 3 cells .* are empty",
    ),
    "numbers as names": (
        {"image_name": [1, 2, 3], "vector": column(VECTORS)},
        "3 of 3 cells of image_name are .* not text",
    ),
    "no hashes": (
        {"image_name": NAMES, "sha256": ["x", "y", "z"], "vector": column(VECTORS)},
        "sha256 has cells that are no SHA-256",
    ),
}


@pytest.mark.parametrize("wrong", COLUMNS)
def test_a_file_that_cannot_be_used_is_refused_with_its_first_row(tmp_path, wrong):
    columns, words = COLUMNS[wrong]
    path = write(tmp_path / "v.parquet", **columns)
    with pytest.raises(ValueError, match=words) as error:
        read_table(path)
    assert str(path) in str(error.value)


def test_a_truncated_file_is_damaged(tmp_path):
    path = write(tmp_path / "v.parquet", image_name=NAMES, vector=column(VECTORS))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="is damaged"):
        read_table(path)


@pytest.mark.parametrize("content", ["image_name,v0\na,1\n", ""])
def test_a_file_of_text_is_no_parquet_file(tmp_path, content):
    path = tmp_path / "v.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match="not a Parquet file"):
        read_table(path)
