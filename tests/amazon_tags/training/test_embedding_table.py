"""`amazon_tags embed -o FILE.parquet`."""

import hashlib
import json
import shutil
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pyarrow as pa
import pytest
import rasterio
from pyarrow import parquet as pq
from rasterio.io import MemoryFile

from amazon_tags.datasets import sample
from amazon_tags.tables import vector_tables
from amazon_tags.training.embed import FeatureExtractor, embed
from amazon_tags.training.feature_bank import read_bank
from features.images.chips import ChipError

TRUNK = FeatureExtractor("toy", weights="none")


@pytest.fixture
def folder(world, tmp_path):
    return shutil.copytree(world.test_jpg, tmp_path / "chips")


def vectors_of(table: pa.Table) -> np.ndarray:
    column = table.column("vector").combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), -1)


def test_a_file_holds_names_hashes_and_the_vectors_of_a_bank(folder, tmp_path):
    embed([folder], tmp_path / "bank", TRUNK)
    summary = embed([folder], tmp_path / "vectors.parquet", TRUNK)
    assert summary.text == "10 vectors of width 16"
    table = pq.read_table(tmp_path / "vectors.parquet")
    assert table.schema.names == ["image_name", "sha256", "vector"]
    assert table.schema.field("vector").type == pa.list_(pa.float32(), 16)
    bank = read_bank(tmp_path / "bank")
    assert table.column("image_name").to_pylist() == bank.ids
    assert table.column("sha256")[3].as_py() == hashlib.sha256((folder / "test_3.jpg").read_bytes()).hexdigest()
    np.testing.assert_array_equal(vectors_of(table), bank.vectors)


def test_the_metadata_say_what_the_vectors_were_computed_from(folder, tmp_path):
    embed([folder], tmp_path / "vectors.parquet", replace(TRUNK, layer="edges", pool="max", side=32), views=2)
    metadata = pq.read_schema(tmp_path / "vectors.parquet").metadata
    assert json.loads(metadata[b"amazon_tags"]) == {
        "format": 1,
        "version": version("amazon-tags"),
        "backbone": "toy",
        "layer": "edges",
        "pool": "max",
        "weights": "none",
        "views": 2,
        "chips": {"bands": ["red", "green", "blue"], "dtype": "uint8", "side": 32},
    }
    assert b"geo" not in metadata


def test_half_rounds_to_float16(folder, tmp_path):
    embed([folder], tmp_path / "full.parquet", TRUNK)
    embed([folder], tmp_path / "half.parquet", replace(TRUNK, half=True))
    half = pq.read_table(tmp_path / "half.parquet")
    assert half.schema.field("vector").type == pa.list_(pa.float16(), 16)
    full = vectors_of(pq.read_table(tmp_path / "full.parquet"))
    np.testing.assert_array_equal(vectors_of(half), full.astype(np.float16))


def test_the_same_bytes_for_any_jobs_and_splits(folder, tmp_path, monkeypatch):
    embed([folder], tmp_path / "one.parquet", TRUNK, jobs=1)
    embed([folder], tmp_path / "two.parquet", TRUNK, jobs=3)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    monkeypatch.setattr(vector_tables, "ROWS_A_GROUP", 4)
    embed([folder], tmp_path / "parts.parquet", TRUNK)
    assert pq.ParquetFile(tmp_path / "parts.parquet").metadata.num_row_groups == 3
    assert pq.read_table(tmp_path / "parts.parquet").equals(pq.read_table(tmp_path / "one.parquet"))


def test_chips_with_a_position_have_a_geometry(tmp_path, monkeypatch):
    folder = tmp_path / "chips"
    folder.mkdir()
    for number in range(5):
        pixels = np.moveaxis(sample.render(["primary", "clear"], seed=number, side=64), 2, 0)
        layout = {"count": 3, "width": 64, "height": 64, "dtype": "uint8", "photometric": "rgb"}
        transform = rasterio.Affine(3, 0, 600_000 + 192 * number, 0, -3, 9_700_000)
        with MemoryFile() as memory:
            with memory.open(driver="GTiff", crs="EPSG:32721", transform=transform, **layout) as raster:
                raster.write(pixels)
            (folder / f"chip_{number}.tif").write_bytes(memory.read())
    monkeypatch.setattr(vector_tables, "ROWS_A_GROUP", 2)

    embed([folder], tmp_path / "vectors.parquet", TRUNK)
    table = pq.read_table(tmp_path / "vectors.parquet")
    about = json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]
    assert about["crs"]["id"]["code"] == 32721
    assert about["bbox"] == [600_000, 9_699_808, 600_960, 9_700_000]
    lefts = [np.frombuffer(value.as_py()[13:21], "<f8")[0] for value in table.column("geometry")]
    assert lefts == [600_000 + 192 * number for number in range(5)]


@pytest.mark.parametrize(
    ("name", "half", "words"),
    [
        ("vectors.csv", False, "not written as .csv"),
        ("bank", True, "leave out --half"),
    ],
)
def test_other_outputs_are_refused(folder, tmp_path, name, half, words):
    with pytest.raises(ValueError, match=words):
        embed([folder], tmp_path / name, replace(TRUNK, half=half))


def test_a_pool_that_the_backbone_lacks_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="pool class needs a class token"):
        embed([folder], tmp_path / "vectors.parquet", replace(TRUNK, pool="class"))


def test_values_that_float16_cannot_hold_are_refused_with_the_first_chip():
    vectors = np.zeros((3, 2), np.float32)
    vectors[1] = 70_000
    stream = pa.BufferOutputStream()
    with (
        pytest.raises(ValueError, match=r"1 vectors .*65,504.*\(first: b\).*--half"),
        vector_tables.vector_writer(stream, 2, {}, half=True) as write,
    ):
        write(["a", "b", "c"], ["", "", ""], vectors)


def test_an_old_file_stays_when_a_chip_is_damaged(folder, tmp_path):
    target = tmp_path / "vectors.parquet"
    embed([folder], target, TRUNK)
    before = target.read_bytes()
    (folder / "test_3.jpg").write_bytes(b"not an image")
    with pytest.raises(ChipError):
        embed([folder], target, TRUNK)
    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chips", "vectors.parquet"]


def test_a_bank_of_another_pool_is_not_overwritten(folder, tmp_path):
    embed([folder], tmp_path / "bank", TRUNK)
    with pytest.raises(FileExistsError, match="pool"):
        embed([folder], tmp_path / "bank", replace(TRUNK, pool="max"))
