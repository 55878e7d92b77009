"""Test decoding: every layout that occurs is read, and damaged files are refused."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import rasterio
import simplejpeg
from PIL import Image
from rasterio.io import DatasetReader, MemoryFile

from features.images import decode


def noise(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def smooth(height=40, width=24, bands=3):
    """Return blobs that JPG keeps, without symmetry."""
    rough = noise(8, 8, bands)
    bands_first = [Image.fromarray(np.ascontiguousarray(rough[..., band])) for band in range(bands)]
    return np.stack([np.asarray(band.resize((width, height), Image.Resampling.BICUBIC)) for band in bands_first], 2)


def encode(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def picture(mode="RGB", size=(24, 40)):
    return Image.frombytes(mode, size, smooth(size[1], size[0], len(Image.new(mode, (1, 1)).getbands())).tobytes())


def raster(pixels, driver="GTiff", **options):
    height, width, count = pixels.shape
    shape = {"width": width, "height": height, "count": count, "dtype": pixels.dtype.name}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with MemoryFile() as file:
            with file.open(driver=driver, **shape, **options) as target:
                target.write(pixels.transpose(2, 0, 1))
            return file.read()


def rgb(content):
    with Image.open(io.BytesIO(content)) as image:
        image.info.pop("transparency", None)
        return np.asarray(image.convert("RGB"))


JPGS = {
    "baseline": encode(picture(), "JPEG"),
    "progressive": encode(picture(), "JPEG", progressive=True),
    "grey": encode(picture("L"), "JPEG"),
    "full colour": encode(picture(), "JPEG", subsampling=0),
    "restarts": encode(picture(), "JPEG", restart_marker_rows=1),
    "plain rgb": encode(picture(), "JPEG", keep_rgb=True),
    "cmyk": encode(picture("CMYK"), "JPEG"),
    "comment": encode(picture(), "JPEG", comment=b"\xff\xc0\0\x11no frame"),
}
PNGS = {
    "rgb": encode(picture(), "PNG"),
    "grey": encode(picture("L"), "PNG"),
    "grey and alpha": encode(picture("LA"), "PNG"),
    "alpha": encode(picture("RGBA"), "PNG"),
    "palette": encode(picture().quantize(7), "PNG"),
    "see-through palette": encode(picture().quantize(7), "PNG", transparency=b"\x00\x80\xff"),
    "see-through colour": encode(picture(), "PNG", transparency=(1, 2, 3)),
    "see-through grey": encode(picture("L"), "PNG", transparency=3),
    "bits": encode(picture("L").convert("1"), "PNG"),
}
TIFS = {
    "strip": {},
    "short strips": {"blockysize": 3},
    "tiles": {"tiled": True, "blockxsize": 16, "blockysize": 16},
    "deflate": {"compress": "deflate", "predictor": 2},
    "lzw": {"compress": "lzw"},
    "deflated tiles": {"compress": "deflate", "tiled": True, "blockxsize": 32, "blockysize": 16},
    "bands apart": {"interleave": "band"},
    "big": {"BIGTIFF": "YES"},
    "big end first": {"ENDIANNESS": "BIG"},
}


def assert_header_describes(content, pixels):
    header = decode.header(content)
    assert (header.height, header.width, header.bands) == pixels.shape
    assert header.dtype == pixels.dtype
    assert pixels.flags.c_contiguous
    assert pixels.dtype.isnative


@pytest.mark.parametrize("name", JPGS)
def test_jpgs_are_decoded_as_pillow_does(name):
    pixels = decode.pixels(JPGS[name])
    np.testing.assert_array_equal(pixels, rgb(JPGS[name]))
    assert_header_describes(JPGS[name], pixels)
    assert decode.header(JPGS[name]).format == "jpg"


@pytest.mark.parametrize("name", JPGS)
def test_the_fallback_to_pillow_gives_the_same_pixels(name, monkeypatch):
    expected = decode.pixels(JPGS[name])

    def refuse(*_):
        raise ValueError("no such subsampling")

    monkeypatch.setattr(simplejpeg, "decode_jpeg_header", refuse)
    np.testing.assert_array_equal(decode.pixels(JPGS[name]), expected)


def without_adobe(content):
    """Remove the Adobe marker of a four-component JPG; the competition's files have none."""
    start = content.index(b"\xff\xee")
    return content[:start] + content[start + 16 :]


def test_the_fourth_component_of_a_competition_jpg_is_ignored():
    colours = smooth()
    cmyk = np.dstack([255 - colours, np.zeros((40, 24), np.uint8)])  # Pillow stores the complement
    content = without_adobe(encode(Image.frombytes("CMYK", (24, 40), cmyk.tobytes()), "JPEG", quality=100))
    pixels = decode.pixels(content)
    np.testing.assert_array_equal(pixels, rgb(content))
    assert np.abs(pixels.astype(int) - colours).max() < 8
    assert_header_describes(content, pixels)


@pytest.mark.parametrize("name", PNGS)
def test_pngs_become_three_bands(name):
    pixels = decode.pixels(PNGS[name])
    np.testing.assert_array_equal(pixels, rgb(PNGS[name]))
    assert_header_describes(PNGS[name], pixels)
    assert decode.header(PNGS[name]).format == "png"


@pytest.mark.parametrize(("bands", "order"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (3, [0, 1, 2]), (4, [0, 1, 2])])
def test_16_bit_pngs_keep_their_bits(bands, order):
    deep = noise(7, 5, bands, dtype=np.uint16)
    content = raster(deep, "PNG")
    pixels = decode.pixels(content)
    np.testing.assert_array_equal(pixels, deep[..., order])
    assert pixels.dtype == np.uint16
    assert_header_describes(content, pixels)


@pytest.mark.parametrize("layout", TIFS)
@pytest.mark.parametrize("bands", [1, 3, 4, 16])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tifs_are_read_as_they_are_stored(layout, bands, dtype):
    expected = noise(40, 50, bands, dtype=dtype)
    content = raster(expected, **TIFS[layout])
    pixels = decode.pixels(content)
    np.testing.assert_array_equal(pixels, expected)
    assert pixels.dtype == dtype
    assert_header_describes(content, pixels)
    assert decode.header(content).format == "tif"


@pytest.mark.parametrize("dtype", ["int16", "float64", "uint32", "complex64"])
def test_tifs_of_other_types_are_refused(dtype):
    content = raster(np.zeros((4, 4, 3), dtype))
    for call in (decode.header, decode.pixels):
        with pytest.raises(ValueError, match=f"is of {dtype}; uint8, uint16 or float32 is expected"):
            call(content)


VRT = b'<VRTDataset rasterXSize="2" rasterYSize="2"><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'


@pytest.mark.parametrize("content", [b"hello", b"\xff\xd8", b"\0" * 99])
def test_other_files_are_refused_with_their_first_bytes(content):
    for call in (decode.header, decode.pixels):
        with pytest.raises(ValueError) as error:
            call(content)
        assert str(error.value).startswith(f"is not an image (starts with {content[:12]!r}")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (VRT, "XML or HTML"),
        (encode(picture(), "GIF"), "GIF"),
        (encode(picture(), "BMP"), "BMP"),
        (encode(picture(), "WEBP"), "WebP"),
        (encode(picture(), "JPEG2000"), "JPEG 2000"),
        (encode(picture(), "JPEG2000", no_jp2=True), "JPEG 2000"),
        (encode(picture(), "AVIF"), "AVIF"),
        (b"PK\x03\x04" + bytes(40), "zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
    ],
)
def test_other_formats_are_refused_by_name(content, name):
    for call in (decode.header, decode.pixels):
        with pytest.raises(ValueError, match=f"^is of the format {name}; expected a JPG, PNG or GeoTIFF: convert it"):
            call(content)


def test_an_empty_file_is_refused():
    with pytest.raises(ValueError, match="is empty"):
        decode.pixels(b"")


def jpg_of_size(width, height):
    content = bytearray(JPGS["baseline"])
    place = content.index(b"\xff\xc0")
    content[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def png_of_size(width, height):
    chunk = b"IHDR" + struct.pack(">II", width, height) + PNGS["rgb"][24:29]
    return PNGS["rgb"][:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + PNGS["rgb"][33:]


def tif_of_size(width, height, count=3, **options):
    """Return a TIF of that size without pixels, some kilobytes at most."""
    with warnings.catch_warnings(), MemoryFile() as file:
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with file.open(
            driver="GTiff", width=width, height=height, count=count, dtype="uint8", SPARSE_OK=True, **options
        ):
            pass
        return file.read()


@pytest.mark.parametrize("make", [jpg_of_size, png_of_size, tif_of_size])
@pytest.mark.parametrize(("width", "height"), [(65500, 65500), (4097, 16), (16, 4097)])
def test_an_image_that_is_too_large_is_refused_before_it_is_decoded(make, width, height, monkeypatch):
    content = make(width, height)
    for decoder, function in ((Image, "open"), (DatasetReader, "read"), (simplejpeg, "decode_jpeg")):
        monkeypatch.setattr(decoder, function, None)
    for call in (decode.header, decode.pixels):
        with pytest.raises(ValueError, match=f"is {width} x {height} pixels with 3 bands; at most 4096 x 4096 x 16"):
            call(content)


@pytest.mark.parametrize("make", [jpg_of_size, png_of_size])
def test_an_image_without_pixels_is_refused(make):
    with pytest.raises(ValueError, match="is 0 x 5 pixels"):
        decode.pixels(make(0, 5))


def test_the_largest_size_is_read():
    content = encode(Image.new("RGB", (4096, 4096)), "PNG", compress_level=1)
    assert decode.pixels(content).shape == (4096, 4096, 3)


def test_more_than_sixteen_bands_are_refused():
    with pytest.raises(ValueError, match="is 4 x 4 pixels with 17 bands"):
        decode.header(raster(np.zeros((4, 4, 17), np.uint8)))


def test_a_small_tif_with_huge_tiles_is_refused():
    content = tif_of_size(8, 8, 1, tiled=True, blockxsize=8192, blockysize=8192)
    with pytest.raises(ValueError, match="is stored in tiles of 8192 x 8192; at most 4096 x 4096"):
        decode.pixels(content)


def test_a_jpg_with_too_many_scans_is_refused():
    content = JPGS["progressive"]
    with pytest.raises(ValueError, match="is a JPG of over 500 scans"):
        decode.pixels(content[:-2] + b"\xff\xda\0\0" * 501)


def test_a_jpg_of_twelve_bits_is_refused():
    content = bytearray(JPGS["baseline"])
    content[content.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(ValueError, match="is a JPG of 12 bits a sample; 8 are expected"):
        decode.header(bytes(content))


def test_a_jpg_that_only_pillow_repairs_is_refused():
    content = bytearray(encode(Image.fromarray(noise(64, 64, 3)), "JPEG", quality=95, optimize=True))
    start = len(content) // 2
    content[start : start + 40] = bytes(40)
    with pytest.raises(ValueError, match="is a damaged JPG"):
        decode.pixels(bytes(content))


SMALL = {
    "jpg": JPGS["baseline"],
    "progressive": JPGS["progressive"],
    "cmyk": JPGS["cmyk"],
    "png": PNGS["rgb"],
    "palette": PNGS["see-through palette"],
    "deep png": raster(noise(9, 9, 3, dtype=np.uint16), "PNG"),
    "tif": raster(noise(9, 9, 4, dtype=np.uint16)),
    "deflated tif": raster(noise(9, 9, 3), compress="deflate"),
    "lzw tif": raster(noise(9, 9, 3), compress="lzw", tiled=True, blockxsize=16, blockysize=16),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_truncated_file_is_refused_at_any_length(name):
    content = SMALL[name]
    whole = decode.pixels(content)
    for length in range(0, len(content) - 1, max(1, len(content) // 150)):
        try:
            pixels = decode.pixels(content[:length])
        except ValueError:
            continue
        np.testing.assert_array_equal(pixels, whole, err_msg=f"{length} bytes")  # the missing bytes held no pixels


@pytest.mark.parametrize("name", SMALL)
def test_flipped_bytes_give_pixels_or_an_error_in_one_line(name, capfd):
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        content = bytearray(SMALL[name])
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            content[place] ^= rng.integers(1, 256)
        try:
            header = decode.header(bytes(content))
            pixels = decode.pixels(bytes(content))
        except ValueError as error:
            refused += 1
            assert "\n" not in str(error)
            assert "vsimem" not in str(error)
            continue
        assert (header.height, header.width, header.bands) == pixels.shape
    assert refused > 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["png", "palette", "deep png"])
def test_a_change_of_any_byte_of_a_png_is_noticed(name):
    content = bytearray(SMALL[name])
    for place in range(len(content)):
        content[place] ^= 0x10
        with pytest.raises(ValueError):
            decode.pixels(bytes(content))
        content[place] ^= 0x10


def test_a_tif_of_several_pages_is_refused():
    pages = [picture("L") for _ in range(4)]
    content = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    for call in (decode.header, decode.pixels):
        with pytest.raises(ValueError, match="has 4 pages, of which the first has 1 bands; one page with all bands"):
            call(content)
