"""Decode GeoTIFF files from bytes to bands as they are stored, with what the file states about them."""

import struct
from itertools import product
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window as RasterPart

from features.arrays import Chip
from features.images import raster
from features.images.band_names import standard_names
from features.images.floats import with_gaps
from features.images.stored import RGB, Header, StoredImage, ValidPixels

Size = tuple[int, int]  # width and height
DRIVER = "GTiff"  # always: a VRT named .tif could read any file
PHOTOMETRIC, LAB_COLOURS = 262, (8, 9, 10)  # the tag, and its values for L*a*b*; TIFF 6.0, section 23


def read_header(content: bytes) -> Header:
    """Return the header; raise ValueError if the TIF is damaged or of a kind that is not read."""
    with raster.open_raster(content, DRIVER) as dataset:
        return _check(dataset)


def decode(content: bytes) -> StoredImage:
    """Return the image; raise ValueError like `read_header`, or if pixels are damaged or were never written."""
    refuse_other_colours(content)
    with raster.open_raster(content, DRIVER) as dataset:
        _check(dataset)
        refuse_unwritten(dataset)
        return read(dataset)


def read(dataset: Any, part: RasterPart | None = None, size: Size | None = None) -> StoredImage:
    """Return the image of an open raster, or of a part of it, which is that of a file cut from it.

    With a size (width and height), the image is that small, of means of pixels. Floats stay so.
    """
    is_mixable = ColorInterp.palette not in dataset.colorinterp
    pixels = raster.bands_last(dataset, part, size, is_mixable=is_mixable)
    valid = _valid(dataset, pixels, part, size)
    structure = dataset.tags(1, ns="IMAGE_STRUCTURE") | dataset.tags(ns="IMAGE_STRUCTURE")
    scales, is_float = _scales(dataset), pixels.dtype == np.float32
    if is_float:
        valid = with_gaps(pixels, valid)
    bits = 16 if is_float else int(structure.get("NBITS", 8 * pixels.itemsize))
    colours = [colour.name for colour in dataset.colorinterp]

    if "palette" in colours:
        if "alpha" in colours:
            opaque = pixels[..., colours.index("alpha")] > 0
            valid = opaque if valid is None else valid & opaque
        return StoredImage("tif", _colours_of_palette(dataset, pixels), RGB, valid)
    if structure.get("MINISWHITE") == "YES":  # GDAL leaves the levels as they are, and names no colour
        pixels[..., 0] = (1 << bits) - 1 - pixels[..., 0]
        colours[0] = "gray"
    if pixels.dtype == np.uint8 and bits < 8:
        pixels = np.rint(pixels * (255 / ((1 << bits) - 1))).astype(np.uint8)
    names = standard_names(dataset.descriptions, colours)
    return StoredImage("tif", pixels, names, valid, bits if 8 < bits < 16 else None, scales, is_float)


def refuse_other_colours(content: bytes | mmap) -> None:
    """Raise ValueError for L*a*b* colours, which GDAL returns as if they were red, green and blue."""
    if _photometric(content) in LAB_COLOURS:
        raise ValueError("is a TIF of L*a*b* colours; red, green and blue are expected, convert it.")


def refuse_other_colour_space(dataset: Any) -> None:
    """Raise ValueError for L*a*b* colours as `refuse_other_colours` does, by what GDAL says of them."""
    if dataset.tags(ns="IMAGE_STRUCTURE").get("SOURCE_COLOR_SPACE", "").endswith("LAB"):
        raise ValueError("is a TIF of L*a*b* colours; red, green and blue are expected, convert it.")


def _photometric(content: bytes | mmap) -> int | None:
    """Return the photometric interpretation of the first page; None if it is absent or the file is damaged."""
    order, is_big = "<" if content[:2] == b"II" else ">", b"+" in content[2:4]
    offset, count, size, value = ("Q", "Q", 20, 12) if is_big else ("I", "H", 12, 8)
    try:
        (start,) = struct.unpack_from(order + offset, content, 8 if is_big else 4)
        (entries,) = struct.unpack_from(order + count, content, start)
        first = start + struct.calcsize(count)
        for place in range(first, first + entries * size, size):
            (tag,) = struct.unpack_from(order + "H", content, place)
            if tag == PHOTOMETRIC:
                return int(struct.unpack_from(order + "H", content, place + value)[0])
    except (OverflowError, struct.error):  # an offset beyond the end; GDAL reports such damage
        pass
    return None


def _check(dataset: Any) -> Header:
    refuse_pages(dataset)
    header = raster.read_header(dataset, "tif")
    if ColorInterp.palette in dataset.colorinterp:
        return Header("tif", header.width, header.height, len(RGB), "uint8")
    return header


def refuse_pages(dataset: Any) -> None:
    """Raise ValueError for a TIF of several pages."""
    pages = len(dataset.subdatasets)
    if pages > 1:
        raise ValueError(
            f"has {pages} pages, of which the first has {dataset.count} bands; one page with all bands is expected: "
            "join the pages' bands into one image, or save each picture as a file."
        )


def refuse_unwritten(dataset: Any) -> None:
    """Raise ValueError if a strip or tile has no bytes, since GDAL reads it as 0.

    Only a nodata value makes that right, or a mask or alpha that is 0 in all of the strip or tile.
    """
    if dataset.nodata is not None:
        return
    apart = dataset.interleaving is not None and dataset.interleaving.name == "band"
    height, width = dataset.block_shapes[0]
    rows, columns = -(-dataset.height // height), -(-dataset.width // width)
    blocks = list(product(range(1, dataset.count + 1) if apart else (1,), range(rows), range(columns)))
    unwritten = [
        (band, row, column)
        for band, row, column in blocks
        if dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", band) is None
    ]
    if unwritten and MaskFlags.per_dataset in dataset.mask_flag_enums[0]:
        unwritten = [
            (band, row, column)
            for band, row, column in unwritten
            if dataset.dataset_mask(window=_block(dataset, row, column)).any()
        ]
    if unwritten:
        raise ValueError(
            f"is a damaged TIF: {len(unwritten)} of its {len(blocks)} strips or tiles were never written; save it "
            "again, or declare a nodata value if they are to be empty."
        )


def _block(dataset: Any, row: int, column: int) -> RasterPart:
    """Return the part of a raster that a strip or tile holds."""
    height, width = dataset.block_shapes[0]
    top, left = row * height, column * width
    return RasterPart(left, top, min(width, dataset.width - left), min(height, dataset.height - top))


def _valid(dataset: Any, pixels: NDArray[Any], part: RasterPart | None, size: Size | None = None) -> ValidPixels | None:
    """Return which pixels hold data by the nodata value or the mask inside the file; alpha is judged later."""
    valid = raster.valid_pixels(dataset, pixels)
    if dataset.mask_flag_enums[0] == [MaskFlags.per_dataset]:
        shape = {} if size is None else {"out_shape": (size[1], size[0])}
        inside: ValidPixels = dataset.read_masks(1, window=part, **shape) > 0
        return inside
    return valid


def _colours_of_palette(dataset: Any, pixels: Chip) -> Chip:
    """Return red, green and blue of a palette's indices."""
    table = np.zeros((np.iinfo(pixels.dtype).max + 1, len(RGB)), np.uint8)
    for index, colour in dataset.colormap(1).items():
        table[index] = colour[: len(RGB)]
    colours: Chip = table[pixels[..., 0]]
    return colours


def _scales(dataset: Any) -> tuple[tuple[float, float], ...]:
    """Return (scale, offset) of each band, nothing if they are 1 and 0 throughout."""
    scales = tuple(zip(dataset.scales, dataset.offsets, strict=True))
    return scales if any(pair != (1.0, 0.0) for pair in scales) else ()
