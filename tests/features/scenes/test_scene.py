"""Scenes: a window is the chip that a user cuts from the scene, whatever the file's layout; what is refused."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from PIL import Image
from rasterio.control import GroundControlPoint

from features.images import chips, footprint, jpg
from features.images.chips import ChipError
from features.images.window import Window
from features.scenes.scene import open_scene, sidecars
from tests.scene_files import LAYOUTS, NORTH_UP, UTM, cut, noise, write_scene

BOXES = [(0, 0, 64, 64), (70, 50, 61, 47), (136, 86, 64, 64)]  # the last one reaches to the lower right corner
BLOB = np.hypot(*np.mgrid[-60:90, -90:110]) < 70

STATED = {
    "nodata": (noise(150, 200) * BLOB[..., np.newaxis].astype(np.uint8), {"nodata": 0}),
    "a mask": (noise(150, 200), {"mask": BLOB}),
    "alpha": (np.dstack([noise(150, 200), BLOB * np.uint8(255)]), {"colours": ["red", "green", "blue", "alpha"]}),
    "names": (noise(150, 200, 4, "uint16"), {"descriptions": ("nir", "blue", "green", "red")}),
    "a palette": (noise(150, 200, 1), {"colormap": {level: (level, 255 - level, 9, 255) for level in range(256)}}),
    "white is zero": (noise(150, 200, 1), {"photometric": "MINISWHITE"}),
    "two bands": (noise(150, 200, 2), {}),
}


def assert_same_image(image, expected):
    np.testing.assert_array_equal(image.pixels, expected.pixels)
    assert image.pixels.dtype == expected.pixels.dtype
    assert (image.format, image.bands, image.scales, image.bits) == (
        expected.format,
        expected.bands,
        expected.scales,
        expected.bits,
    )
    assert (image.valid is None) == (expected.valid is None)
    if image.valid is not None:
        np.testing.assert_array_equal(image.valid, expected.valid)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("bands", "dtype"), [(3, "uint8"), (4, "uint16")])
def test_a_window_is_the_chip_that_is_cut_from_the_scene(layout, bands, dtype, tmp_path):
    path = write_scene(tmp_path / "scene.tif", noise(150, 200, bands, dtype), **LAYOUTS[layout])
    with open_scene(path) as scene:
        for box in BOXES:
            assert_same_image(
                chips.read_image(Window(scene, *box)), chips.read_image(cut(path, tmp_path / "chip.tif", box))
            )


@pytest.mark.parametrize("stated", STATED)
def test_a_window_states_what_the_scene_states(stated, tmp_path):
    pixels, options = STATED[stated]
    path = write_scene(tmp_path / "scene.tif", pixels, **options)
    with open_scene(path) as scene:
        for box in BOXES:
            expected = cut(path, tmp_path / "chip.tif", box)
            if stated == "white is zero":
                expected = write_scene(expected, chips.read(path)[box[1] : box[1] + box[3], box[0] : box[0] + box[2]])
            assert_same_image(chips.read_image(Window(scene, *box)), chips.read_image(expected))


def test_a_window_over_the_edge_is_mirrored_and_without_data_there(tmp_path):
    pixels = noise(150, 200)
    with open_scene(write_scene(tmp_path / "scene.tif", pixels)) as scene:
        image = chips.read_image(Window(scene, 180, 130, 64, 32))
    inside = pixels[130:, 180:]
    mirrored = np.concatenate([inside, inside[::-1]])[:32]
    expected = np.concatenate([mirrored, mirrored[:, ::-1], mirrored, mirrored[:, ::-1]], axis=1)[:, :64]
    np.testing.assert_array_equal(image.pixels, expected)
    np.testing.assert_array_equal(image.valid, np.add.outer(np.arange(32) >= 20, np.arange(64) >= 20) == 0)


def test_many_threads_read_the_same_pixels(tmp_path):
    pixels = noise(300, 400)
    path = write_scene(tmp_path / "scene.tif", pixels, **LAYOUTS["deflate, bands apart"])
    corners = [(column, row) for row in range(0, 236, 31) for column in range(0, 336, 29)]
    with open_scene(path, readers=3) as scene, ThreadPoolExecutor(8) as pool:
        windows = [Window(scene, column, row, 64, 64) for column, row in corners]
        for (column, row), image in zip(corners, pool.map(chips.read_image, windows), strict=True):
            np.testing.assert_array_equal(image.pixels, pixels[row : row + 64, column : column + 64])


def test_a_jpg_has_the_pixels_that_the_decoder_of_chips_gives(tmp_path):
    path = tmp_path / "scene.jpg"
    Image.fromarray(noise(150, 4200)).save(path, quality=70)  # wider than a chip may be
    whole = jpg.decode(path.read_bytes(), 5000).pixels
    with open_scene(path) as scene:
        assert scene.crs is None
        image = chips.read_image(Window(scene, 4100, 40, 80, 60))
    np.testing.assert_array_equal(image.pixels, whole[40:100, 4100:4180])


def test_a_scene_states_its_position_or_is_in_pixels(tmp_path):
    placed = write_scene(tmp_path / "placed.tif", noise(20, 30))
    with open_scene(placed) as scene:
        assert (scene.crs.to_epsg(), scene.transform) == (32721, NORTH_UP)
    for name, options in {"crs": {"crs": None}, "transform": {"transform": None}}.items():
        with open_scene(write_scene(tmp_path / f"{name}.tif", noise(20, 30), **options)) as scene:
            assert scene.crs is None
            assert footprint.apply(scene.transform, 3, 5) == (3, -5)


REFUSED = {
    "complex": (
        {"pixels": noise(20, 30).astype(np.complex64)},
        "is of complex64; uint8, uint16 or float32 is expected",
    ),
    "64 bits": ({"pixels": noise(20, 30).astype(np.float64)}, "is of float64; uint8, uint16 or float32 is expected"),
    "bands": ({"pixels": noise(20, 30, 17)}, "has 17 bands; at most 16 are read"),
    "control points": (
        {"pixels": noise(20, 30), "transform": None, "gcps": [GroundControlPoint(0, 0, 600_000, 9_700_000)] * 4},
        "is placed by 4 ground control points alone",
    ),
    "VRT": ({"pixels": noise(20, 30), "driver": "VRT"}, "is no GeoTIFF or JPG"),
    "PNG": ({"pixels": noise(20, 30), "driver": "PNG", "transform": None, "crs": None}, "is no GeoTIFF or JPG"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_scene_that_is_not_read_is_refused_with_the_reason(name, tmp_path):
    options, reason = REFUSED[name]
    if name == "VRT":
        source = write_scene(tmp_path / "source.tif", options["pixels"])
        rasterio.shutil.copy(source, tmp_path / "scene.tif", driver="VRT")
    else:
        write_scene(tmp_path / "scene.tif", **options)
    with pytest.raises(ChipError, match=f"scene.tif {reason}"), open_scene(tmp_path / "scene.tif"):
        pass


@pytest.mark.parametrize("layout", ["tiles", "deflate, bands apart", "COG"])
@pytest.mark.parametrize("kept", [0.02, 0.6])
def test_a_truncated_file_is_refused_at_once_or_where_it_ends(layout, kept, tmp_path):
    path = write_scene(tmp_path / "scene.tif", noise(300, 400), **LAYOUTS[layout])
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ChipError, match="is a damaged TIF"), open_scene(path) as scene:
        for row in range(0, 300, 50):
            chips.read_image(Window(scene, 0, row, 400, 50))


def test_files_beside_a_scene_are_named_and_not_read(tmp_path):
    path = write_scene(tmp_path / "scene.tif", noise(20, 30), crs=None, transform=None)
    (tmp_path / "scene.tfw").write_text("3\n0\n0\n-3\n600000\n9700000\n")
    (tmp_path / "scene.tif.aux.xml").write_text(f"<PAMDataset><SRS>{UTM}</SRS></PAMDataset>")
    assert [name.name for name in sidecars(path)] == ["scene.tfw", "scene.tif.aux.xml"]
    with open_scene(path) as scene:
        assert scene.crs is None


@pytest.mark.real
@pytest.mark.parametrize("name", ["culltivation2.jpg", "full-slashburn.jpg", "RGB.byte.tif", "cogeo.tif"])
def test_windows_of_real_scenes_are_their_chips(name, real, tmp_path):
    path = real / "scenes" / name
    with open_scene(path) as scene:
        box = (scene.width - 300, scene.height - 290, 256, 250)
        image = chips.read_image(Window(scene, *box))
    if name.endswith(".jpg"):
        pixels = jpg.decode(path.read_bytes(), 7000).pixels[-290:-40, -300:-44]
        np.testing.assert_array_equal(image.pixels, pixels)
    else:
        assert_same_image(image, chips.read_image(cut(path, tmp_path / "chip.tif", box)))
