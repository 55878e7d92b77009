"""Test how empty chips are recognised: by nodata, mask, transparency, or one value everywhere."""

import io

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.windows import Window

from features.images import decode
from features.images.chips import ChipError, fit
from features.images.spec import ChipSpec
from tests.features.images.images import COLOURS, DN, encode


def load(content):
    return fit(decode.image(content), ChipSpec(side=20), "a")


def remarks(content):
    return [
        (remark.text, remark.detail) for remark in load(content).remarks if not remark.text.startswith(("4", "lev"))
    ]


def half(pixels, value, rows=10):
    """Return the chip with a value in its upper rows."""
    return np.concatenate([np.full_like(pixels[:rows], value), pixels[rows:]])


def png(pixels, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", **options)
    return stream.getvalue()


NODATA = "half or more of the pixels are nodata or transparent"
EXTREME = "half or more of the pixels are black or white, as where no data is"
MASK = np.arange(20)[:, None].repeat(20, 1) >= 10
ALPHA = (MASK * 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (encode(half(DN, 0), nodata=0), NODATA),
        (encode(half(COLOURS, 255), nodata=255), NODATA),
        (encode(half(COLOURS, 7), nodata=7), NODATA),
        (encode(COLOURS, mask=MASK), NODATA),
        (encode(np.dstack([COLOURS, ALPHA])), NODATA),
        (encode(np.dstack([COLOURS, ALPHA]).astype(np.uint16) * 257, "PNG"), NODATA),
        (png(np.dstack([COLOURS, ALPHA])), NODATA),
        (png(half(COLOURS, 0), transparency=(0, 0, 0)), NODATA),
        (encode(half(DN, 0)), EXTREME),
        (encode(half(COLOURS, 255)), EXTREME),
        (png(half(COLOURS, 0)), EXTREME),
    ],
)
def test_a_chip_that_is_half_empty_gets_a_remark(content, text):
    assert remarks(content)[0][0] == text
    assert remarks(content)[0][1].startswith("50%")


@pytest.mark.parametrize(
    "content",
    [
        encode(COLOURS),
        encode(half(COLOURS, 0, 9), nodata=0),
        encode(half(COLOURS, 0, 9)),
        encode(half(COLOURS, 90, 17)),
        encode(COLOURS, nodata=0),
        png(COLOURS, transparency=(0, 0, 0)),
    ],
)
def test_a_chip_that_is_mostly_full_gets_none(content):
    assert remarks(content) == []


def test_a_nearly_flat_chip_gets_a_remark():
    assert remarks(encode(half(COLOURS, 90, 19))) == [("nearly flat", "95% have the value 90, 90, 90")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            encode(DN, nodata=0, mask=np.zeros((20, 20), bool)),
            "holds no data: all its pixels are nodata or transparent",
        ),
        (encode(np.full_like(DN, 9), nodata=9), "holds no data"),
        (png(np.dstack([COLOURS, 0 * ALPHA])), "holds no data"),
        (encode(np.zeros_like(COLOURS)), "has the value 0, 0, 0 in all its pixels, so it shows nothing"),
        (encode(np.full_like(COLOURS, 255)), "has the value 255, 255, 255 in all its pixels"),
        (png(np.full_like(COLOURS, 90)), "has the value 90, 90, 90 in all its pixels"),
    ],
)
def test_an_empty_chip_is_refused(content, message):
    with pytest.raises(ChipError, match=message):
        load(content)


@pytest.mark.parametrize("options", [{}, {"interleave": "band"}, {"tiled": True, "blockxsize": 16, "blockysize": 16}])
def test_strips_that_were_never_written_are_damage_unless_nodata_is_declared(options, tmp_path):
    for nodata in (None, 0):
        path = tmp_path / f"{nodata}.tif"
        shape = {"width": 48, "height": 48, "count": 3, "dtype": "uint8", "nodata": nodata, "SPARSE_OK": True}
        if "tiled" not in options:
            shape["blockysize"] = 16
        with rasterio.open(
            path, "w", "GTiff", transform=rasterio.Affine(3, 0, 0, 0, -3, 0), **shape, **options
        ) as raster:
            raster.write(np.full((3, 16, 48), 99, np.uint8), window=Window(0, 0, 48, 16))
        if nodata is None:
            with pytest.raises(ValueError, match=r"is a damaged TIF: \d of its \d strips or tiles were never written"):
                decode.image(path.read_bytes())
        else:
            assert remarks(path.read_bytes()) == [(NODATA, "67%")]


def test_unwritten_tiles_outside_of_the_mask_are_no_damage(tmp_path):
    path = tmp_path / "a.tif"
    shape = {"width": 48, "height": 48, "count": 3, "dtype": "uint8", "blockysize": 16, "SPARSE_OK": True}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", "GTiff", transform=rasterio.Affine(3, 0, 0, 0, -3, 0), **shape) as raster,
    ):
        raster.write(np.full((3, 16, 48), 99, np.uint8), window=Window(0, 0, 48, 16))
        raster.write_mask(np.arange(48)[:, None].repeat(48, 1) < 16)
    assert remarks(path.read_bytes()) == [(NODATA, "67%")]
