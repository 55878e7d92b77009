"""Test how chips are read, conformed to a spec and resized; decoding is tested in test_decode."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.io import MemoryFile

from features.images import chips, listing, sensor_colours
from features.images.chips import ChipError
from features.images.layout import Layout
from features.images.spec import ChipSpec
from features.images.stored import Header, StoredImage

RGB = ChipSpec(side=16)


def fit(chip, spec):
    """Return a chip of a file that states nothing, as a network expects it, at its own size."""
    return chips.fit(StoredImage("tif", chip, ("",) * chip.shape[2]), replace(spec, side=len(chip)), "a.tif").pixels


def noise(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def save_tif(path, pixels):
    height, width, count = pixels.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path, "w", "GTiff", width, height, count, dtype=pixels.dtype) as raster:
            raster.write(pixels.transpose(2, 0, 1))
    return path


def touch(folder, *names):
    for name in names:
        (folder / name).touch()


# reading


def test_the_error_of_a_damaged_chip_starts_with_its_path(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_text("hello, world and all")
    for call in (chips.header, chips.read):
        with pytest.raises(ChipError) as error:
            call(path)
        assert str(error.value).startswith(f"{path} is not an image (starts with b'hello, world')")


@pytest.mark.parametrize("call", [chips.header, chips.read, lambda path: chips.load(path, RGB)])
def test_a_file_that_cannot_be_opened_is_not_a_chip_error(tmp_path, monkeypatch, call):
    with pytest.raises(FileNotFoundError):
        call(tmp_path / "missing.jpg")
    with pytest.raises(ChipError, match="is not a regular file"):
        call(tmp_path)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    touch(tmp_path, "locked.jpg")
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PermissionError):
        call(tmp_path / "locked.jpg")


def test_a_file_that_is_too_large_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.fromarray(noise(4, 4, 3)).save(path)
    monkeypatch.setattr(chips, "MAX_FILE_BYTES", 20)
    with pytest.raises(ChipError, match=r"has .* bytes; a chip has at most 20"):
        chips.read(path)


# conforming


@pytest.mark.parametrize(
    ("bands", "dtype", "spec"),
    [
        (3, np.uint8, ChipSpec()),
        (3, np.uint16, ChipSpec(dtype="uint16")),
        (4, np.uint16, ChipSpec(sensor_colours.BANDS, "uint16")),
    ],
)
def test_a_chip_of_the_spec_is_returned_itself(bands, dtype, spec):
    chip = noise(4, 4, bands, dtype=dtype)
    assert fit(chip, spec) is chip


def test_bands_are_returned_in_the_order_of_the_spec():
    chip = noise(4, 4, 4, dtype=np.uint16)
    spec = ChipSpec(("nir", "red", "green"), "uint16")
    np.testing.assert_array_equal(fit(chip, spec), chip[..., [3, 2, 1]])
    rgb = noise(4, 4, 3)
    spec = ChipSpec(("blue", "green", "red"))
    np.testing.assert_array_equal(fit(rgb, spec), rgb[..., ::-1])


def test_a_four_band_chip_becomes_visible_colours():
    chip = noise(4, 4, 4, dtype=np.uint16)
    colours = sensor_colours.colours(chip)
    np.testing.assert_array_equal(fit(chip, ChipSpec()), colours)
    spec = ChipSpec(("blue", "red"))
    np.testing.assert_array_equal(fit(chip, spec), colours[..., [2, 0]])


@pytest.mark.parametrize(
    ("bands", "dtype", "spec"),
    [
        (1, np.uint8, RGB),
        (5, np.uint16, RGB),
        (3, np.uint8, ChipSpec(sensor_colours.BANDS, "uint16")),
        (3, np.uint8, ChipSpec(("nir", "red", "green"))),
        (4, np.uint16, ChipSpec(("nir",))),
    ],
)
def test_a_chip_of_other_bands_or_type_is_refused(bands, dtype, spec):
    with pytest.raises(ChipError) as error:
        fit(noise(4, 4, bands, dtype=dtype), spec)
    assert str(error.value).startswith(f"a.tif has {bands} bands of {np.dtype(dtype)}")
    assert f"the model expects {spec.dtype} {', '.join(spec.bands)}; pass" in str(error.value)


def test_a_16_bit_png_is_scaled_down_and_a_tif_is_not(tmp_path):
    deep = noise(16, 16, 3).astype(np.uint16) * 257
    layout = {"count": 3, "width": 16, "height": 16, "dtype": "uint16"}
    for driver, path in (("PNG", tmp_path / "a.png"), ("GTiff", tmp_path / "a.tif")):
        with MemoryFile() as memory:
            with memory.open(driver=driver, transform=rasterio.Affine(2, 0, 0, 0, 2, 0), **layout) as raster:
                raster.write(np.moveaxis(deep, -1, 0))
            path.write_bytes(memory.read())
    np.testing.assert_array_equal(chips.load(tmp_path / "a.png", ChipSpec(side=16)), deep // 257)
    with pytest.raises(ChipError, match=r"a\.tif has 3 bands of uint16, but the model expects uint8"):
        chips.load(tmp_path / "a.tif", ChipSpec(side=16))


def test_pipes_and_devices_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    for name in ("pipe.jpg", "zero.jpg"):
        with pytest.raises(ChipError, match="is not a regular file"):
            chips.read(tmp_path / name)


def test_bands_without_names_are_accepted_if_the_spec_has_as_many():
    for count, dtype in ((1, np.uint8), (4, np.uint8), (13, np.uint16)):
        chip = noise(4, 4, count, dtype=dtype)
        bands = tuple(f"b{band}" for band in range(count))
        spec = ChipSpec(bands, np.dtype(dtype).name, layout=Layout(levels="dn"))
        assert fit(chip, spec) is chip


def test_four_8_bit_bands_are_not_taken_for_colours():
    with pytest.raises(ChipError, match=r"a\.tif has 4 bands of uint8"):
        fit(noise(4, 4, 4), RGB)


# resizing


def test_a_chip_of_the_right_size_is_returned_itself():
    chip = noise(16, 16, 3)
    assert chips.resize(chip, 16) is chip


@pytest.mark.parametrize(("height", "width"), [(32, 32), (256, 256), (20, 50), (5, 7), (1, 1), (16, 17)])
def test_rgb_chips_are_resized_as_pillow_does(height, width):
    chip = noise(height, width, 3)
    expected = np.asarray(Image.fromarray(chip).resize((16, 16), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(chips.resize(chip, 16), expected)


@pytest.mark.parametrize("side", [1, 2, 5, 128])
def test_doubling_equals_pillow(side):
    chip = noise(side, side + 1, 3)[:, 1:]  # not contiguous
    chip[0] = 255
    expected = np.asarray(Image.fromarray(chip).resize((2 * side, 2 * side), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(chips.resize(chip, 2 * side), expected)


@pytest.mark.parametrize("size", [8, 16, 40])
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 16])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_resizing_keeps_type_bands_and_flat_colours(size, bands, dtype):
    colour = noise(1, 1, bands, dtype=dtype)
    resized = chips.resize(np.tile(colour, (size, size, 1)), 16)
    assert resized.dtype == dtype
    np.testing.assert_array_equal(resized, np.tile(colour, (16, 16, 1)))


def test_16_bit_chips_are_resized_as_8_bit_ones():
    chip = noise(50, 50, 3)
    fine = chips.resize(chip.astype(np.uint16) * 256, 16) / 256
    assert np.abs(fine - chips.resize(chip, 16)).max() < 1


def test_halving_averages_pixels():
    chip = np.zeros((32, 32, 3), np.uint8)
    chip[::2] = 254  # stripes: every other row alone would be all black or all white
    assert np.abs(chips.resize(chip, 16)[1:-1].astype(int) - 127).max() <= 1


# loading


def test_loading_is_reading_conforming_and_resizing(tmp_path):
    path = save_tif(tmp_path / "a.tif", noise(20, 30, 4, dtype=np.uint16))
    loaded = chips.load(path, RGB)
    np.testing.assert_array_equal(loaded, chips.resize(sensor_colours.colours(chips.read(path)), 16))
    assert loaded.shape == (16, 16, 3)
    assert loaded.dtype == np.uint8
    assert loaded.flags.c_contiguous


def test_many_threads_read_the_same_as_one(tmp_path):
    sides = range(8, 28)
    paths = [save_tif(tmp_path / f"{side}.tif", noise(side, 9, 4, dtype=np.uint16)) for side in sides]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(chips.read, paths * 5))
    for path, chip in zip(paths * 5, results, strict=True):
        np.testing.assert_array_equal(chip, chips.read(path))


def test_files_beside_a_tif_are_not_read(tmp_path):
    pixels = noise(8, 8, 3)
    path = save_tif(tmp_path / "a.tif", pixels)
    (tmp_path / "a.tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><NoDataValue>5</NoDataValue></PAMRasterBand></PAMDataset>"
    )
    (tmp_path / "a.tif.ovr").write_text("no overview")
    (tmp_path / "a.tfw").write_text("no world")
    before = sorted(tmp_path.iterdir())
    np.testing.assert_array_equal(chips.read(path), pixels)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.slow
@pytest.mark.real
def test_competition_jpgs_are_read_as_pillow_reads_them(real):
    paths = listing.chips([real / "planet" / "train-jpg", real / "planet" / "test-jpg"])
    assert paths
    for path in paths:
        with Image.open(path) as image:
            np.testing.assert_array_equal(chips.read(path), np.asarray(image.convert("RGB")))


@pytest.mark.real
def test_competition_tifs_are_four_bands_of_sixteen_bits(real):
    paths = listing.chips([real / "planet" / "train-tif-v2", real / "planet" / "test-tif-v2"])
    assert paths
    for path in paths:
        assert chips.header(path) == Header("tif", 256, 256, 4, "uint16")
        assert chips.load(path, ChipSpec()).shape == (256, 256, 3)
    blue, _, red, infrared = chips.read(paths[0]).mean(axis=(0, 1))
    assert red < blue < infrared  # forest under haze
