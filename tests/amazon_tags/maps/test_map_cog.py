"""Maps as Cloud Optimized GeoTIFF: the polygons' scores where the polygons are, in the layout that readers rely on."""

import os
import struct
import subprocess
import sys
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from pyarrow import parquet as pq
from rasterio.transform import Affine

from amazon_tags.maps import map_cog
from amazon_tags.maps.cells import MapCells
from amazon_tags.maps.map_scenes import MapOptions, map_scenes
from amazon_tags.maps.plan import MapSettings
from amazon_tags.prediction.tag_chips import TagOptions
from amazon_tags.tables import labels
from features.images.footprint import apply
from features.scenes.scene import Scene
from features.scenes.windows import lay_grid
from tests.scene_files import NORTH_UP, noise, write_scene

GRIDS = {
    "north-up": {},
    "south-up": {"transform": Affine(3, 0, 600_000, 0, 3, 9_700_000)},
    "rotated": {"transform": Affine(2, 1.5, 600_000, 1.5, -2, 9_700_000)},
    "feet": {"crs": "EPSG:2263", "transform": Affine(10, 0, 984_250, 0, -10, 200_000)},
    "degrees": {"crs": "EPSG:4326", "transform": Affine(3e-5, 0, -60, 0, -2.9e-5, -3)},
}


def write_map(scene, folder, *, settings=None, jobs=1):
    """Map a scene, and return the table of polygons and the path of the GeoTIFF."""
    tagging = TagOptions(precision="f32", device="cpu", jobs=jobs)
    options = MapOptions(settings or MapSettings(pixels=64), tagging, cog=folder / "scores.tif")
    map_scenes([scene], folder / "tags.parquet", options=options)
    return pq.read_table(folder / "tags.parquet"), folder / "scores.tif"


def with_a_gap():
    """A scene of 4 x 3 windows of 64 pixels, of which the second and third in the middle row hold no data."""
    pixels = noise(150, 200)
    pixels[64:128, 64:192] = 0
    return pixels


def corners(table):
    """Each polygon's first column and row, and its ring."""
    for name, value in zip(table["window"].to_pylist(), table["geometry"].to_pylist(), strict=True):
        row, column = (int(part[1:]) for part in name.split("_"))
        yield column, row, [struct.unpack_from("<dd", value, 13 + 16 * place) for place in range(4)]


@pytest.mark.parametrize("overlap", [0, 0.5])
@pytest.mark.parametrize("grid", GRIDS)
def test_a_pixel_lies_where_the_polygon_lies_and_has_its_scores_to_the_bit(grid, overlap, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", with_a_gap(), nodata=0, **GRIDS[grid])
    stride, min_valid = (32, 0.6) if overlap else (64, 0.3)
    settings = MapSettings(pixels=64, overlap=overlap, min_valid=min_valid)
    table, path = write_map(scene, tmp_path, settings=settings)
    with rasterio.open(path) as file, rasterio.open(scene) as source:
        assert file.crs == source.crs
        assert file.descriptions == labels.PLANET.names
        assert file.dtypes == ("float32",) * 17
        assert np.isnan(file.nodata)
        assert file.shape == (-(-150 // stride), -(-200 // stride))
        bands, transform = file.read(), file.transform

    filled = np.zeros(bands.shape[1:], np.bool_)
    for place, (column, row, ring) in enumerate(corners(table)):
        at = row // stride, column // stride
        filled[at] = True
        scores = [table[f"score_{name}"][place].as_py() for name in labels.PLANET.names]
        np.testing.assert_array_equal(bands[:, *at], np.array(scores, np.float32))

        right, bottom = min(column + stride, 200), min(row + stride, 150)
        ends = [(column, row), (column, bottom), (right, bottom), (right, row)]
        expected = [apply(transform, x / stride, y / stride) for x, y in ends]
        np.testing.assert_allclose(ring, expected, rtol=1e-12)
    assert not filled.all()
    assert np.isnan(bands[:, ~filled]).all()


def test_a_scene_without_a_position_gives_pixels_in_columns_and_negative_rows_and_says_so(tmp_path, caplog):
    Image.fromarray(noise(150, 200)).save(tmp_path / "scene.jpg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, path = write_map(tmp_path / "scene.jpg", tmp_path)
    with rasterio.open(path) as file:
        assert file.crs is None
        assert file.transform == Affine(64, 0, 0, 0, -64, 0)
    assert f"{path} has no reference system, as {tmp_path / 'scene.jpg'} has none" in caplog.text


def test_edges_that_are_dropped_have_no_pixels(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(150, 200))
    _, path = write_map(scene, tmp_path, settings=MapSettings(pixels=64, edges="drop"))
    with rasterio.open(path) as file:
        assert file.shape == (2, 3)
        assert not np.isnan(file.read()).any()


def test_jobs_change_no_byte(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(150, 200))
    maps = {write_map(scene, tmp_path, jobs=jobs)[1].read_bytes() for jobs in (1, 2, 5)}
    assert len(maps) == 1


def large_map():
    """The cells of a map of 150 rows of 200 cells; 7 rows and 9 columns have no scores."""
    grid = lay_grid((2000, 1500), (10, 10))
    boxes = [grid.cell_box(column, row) for row in range(7, 150) for column in range(9, 200)]
    scores = np.random.default_rng(0).random((len(boxes), 17)).astype(np.float32)
    crs = rasterio.crs.CRS.from_epsg(32721)
    scene = Scene((Path("scene.tif"),), 2000, 1500, 3, "uint8", crs, NORTH_UP, lambda part: None)
    return MapCells(scene, boxes, scores, scores > 0.5, np.ones(len(boxes)), np.ones(len(boxes))), grid


def directories(content):
    """Each image directory of a little-endian TIF: where it stands, its width, and where its tiles are."""
    kinds = {3: "H", 4: "I"}
    (place,) = struct.unpack_from("<I", content, 4)
    while place:
        (count,) = struct.unpack_from("<H", content, place)
        tags = {}
        for entry in range(place + 2, place + 2 + 12 * count, 12):
            tag, kind, length = struct.unpack_from("<HHI", content, entry)
            if tag in (256, 324):
                packed = f"<{length}{kinds[kind]}"
                start = entry + 8 if struct.calcsize(packed) <= 4 else struct.unpack_from("<I", content, entry + 8)[0]
                tags[tag] = struct.unpack_from(packed, content, start)
        yield place, tags[256][0], tags[324]
        (place,) = struct.unpack_from("<I", content, place + 2 + 12 * count)


def test_the_layout_is_that_of_a_cloud_optimized_file(caplog):
    cells, grid = large_map()
    content = map_cog.encode(cells, grid, labels.PLANET)
    assert not caplog.records  # GDAL has no remark on the options
    assert content.startswith(b"II*\0")
    assert content[8:].startswith(b"GDAL_STRUCTURAL_METADATA_SIZE=")
    assert b"LAYOUT=IFDS_BEFORE_DATA" in content[:400]

    found = list(directories(content))
    assert [width for _, width, _ in found] == [200, 100]
    places = [place for place, _, _ in found]
    assert places == sorted(places)
    first_tile = min(min(tiles) for _, _, tiles in found)
    assert places[-1] < first_tile  # what a reader needs to know comes before all pixels
    for (_, _, finer), (_, _, coarser) in pairwise(found):
        assert min(finer) > max(coarser)  # overviews come first


def test_overviews_are_the_mean_of_the_cells_with_scores(tmp_path):
    cells, grid = large_map()
    path = tmp_path / "scores.tif"
    path.write_bytes(map_cog.encode(cells, grid, labels.PLANET))
    with rasterio.open(path) as file:
        bands = file.read()
        assert file.block_shapes[0] == (128, 128)
        assert [file.overviews(band) for band in file.indexes] == [[2]] * 17
    with rasterio.open(path, overview_level=0) as file:
        overview = file.read()
    assert np.isnan(overview[:, :3]).all()
    assert np.isnan(overview[:, :, :4]).all()
    np.testing.assert_allclose(overview[:, 10, 20], bands[:, 20:22, 40:42].mean(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_array_equal(overview[:, 3, 4], bands[:, 7, 9])  # the only one of four cells
    np.testing.assert_array_equal(bands[:, 7, 9], cells.scores[0])


def test_a_small_map_is_one_tile_without_overviews(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(150, 200))
    _, path = write_map(scene, tmp_path)
    with rasterio.open(path) as file:
        assert file.overviews(1) == []
        assert len(list(file.block_windows(1))) == 1
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


REFUSED = {  # the values of --cog and --style
    ("scores.png", "tags.qml"): (1, "scores.png has no suffix of a GeoTIFF; name a file that ends in .tif or .tiff"),
    ("scores.tif", "tags.xml"): (1, "tags.xml has no suffix of a QGIS style; name a file that ends in .qml"),
    ("none/scores.tif", "tags.qml"): (74, "create it first"),
    ("scores.tif", "none/tags.qml"): (74, "create it first"),
    ("scene.tif", "tags.qml"): (1, "scene.tif is one of the inputs and would be lost"),
}


@pytest.mark.parametrize("names", REFUSED)
def test_files_that_cannot_be_written_are_refused_before_any_work(names, run, tmp_path):
    code, reason = REFUSED[names]
    scene = write_scene(tmp_path / "scene.tif", noise(64, 64))
    content = scene.read_bytes()
    cog, style = (tmp_path / name for name in names)
    done = run("map", scene, "-o", tmp_path / "tags.geojson", "--cog", cog, "--style", style, "--pixels", 64)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), done.stderr
    assert reason in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]
    assert scene.read_bytes() == content


@pytest.mark.parametrize("option", ["--cog", "--style"])
def test_a_full_disk_leaves_no_part_of_a_file_and_the_old_one(option, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(300, 400))
    name = {"--cog": "scores.tif", "--style": "tags.qml"}[option]
    (tmp_path / name).write_bytes(b"of an earlier run")
    (tmp_path / "tags.geojson").symlink_to(os.devnull)  # so that the map itself has room
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); import amazon_tags.cli; amazon_tags.cli.main()"
    command = [sys.executable, "-c", limit, "map", scene, "-o", tmp_path / "tags.geojson", option, tmp_path / name]
    done = subprocess.run([*map(str, command), "--pixels", "64"], capture_output=True, text=True, check=False)
    assert done.returncode == 74, done.stderr
    assert f"{name} cannot be written" in done.stderr.splitlines()[-1]
    assert (tmp_path / name).read_bytes() == b"of an earlier run"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["scene.tif", name, "tags.geojson"])


@pytest.mark.real
@pytest.mark.parametrize("name", ["culltivation2.jpg", "full-slashburn.jpg", "RGB.byte.tif"])
def test_real_scenes_have_the_scores_of_their_polygons(name, real, tmp_path):
    table, path = write_map(real / "scenes" / name, tmp_path, settings=MapSettings(pixels=256), jobs=2)
    with rasterio.open(path) as file:
        bands = file.read()
    for label, band in zip(labels.PLANET.names, bands, strict=True):
        np.testing.assert_array_equal(band[~np.isnan(band)], table[f"score_{label}"].to_numpy())
