"""Read parts of a scene: a GeoTIFF of any size, of which a few blocks are in memory at a time, or a JPG.

A GeoTIFF may be on a server, as a `RemoteFile`.
"""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import file_digest, sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import numpy as np
import rasterio
from PIL import Image
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine
from rasterio.windows import Window as RasterPart

from features.images import footprint, jpg, raster, tif
from features.images.chips import ChipError
from features.images.decode import FORMATS
from features.images.stored import MAX_BANDS, StoredImage
from features.images.window import Window
from features.scenes import remote
from features.scenes.remote import RemoteFile

MAX_JPG_SIDE = 16_384  # a JPG is decoded as a whole: 768 MiB
CACHE_BYTES = 1 << 28  # of blocks in memory, over all scenes; a row of windows over 40,000 columns fits
SETTINGS = {  # of each thread, unlike that of the cache
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # read nothing but the file itself
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",  # or a damaged tile of JPG is read as grey
}
WITHOUT_POSITION = Affine(1, 0, 0, 0, -1, 0)
SIDECARS = ("{stem}.tfw", "{stem}.jgw", "{stem}.wld", "{name}.aux.xml", "{name}.msk")


Size = tuple[int, int]  # width and height


class ReadPart(Protocol):
    """How a part of a scene is read."""

    def __call__(self, part: RasterPart, size: Size | None = None) -> StoredImage:
        """Return the image of a part that lies inside the scene; with a size, a picture of the part that small."""


@dataclass(frozen=True, eq=False)
class Scene:
    """An open scene. Several threads may read it at the same time.

    Attributes:
        files: Its file; several if scenes are joined.
        width: In pixels.
        height: In pixels.
        bands: How many bands the file holds.
        dtype: uint8, uint16 or float32.
        crs: The reference system; None if the file does not state both a system and a transform.
        transform: From columns and rows to the reference system; without one, to columns and negative rows, as
            geographic information systems show pictures without a position.
        read_inside: Returns the image of a part that lies inside the scene; with a size, a picture of the part that
            small, for which only some blocks are in memory.
    """

    files: tuple[Path | RemoteFile, ...]
    width: int
    height: int
    bands: int
    dtype: str
    crs: CRS | None
    transform: Affine
    read_inside: ReadPart

    def __str__(self) -> str:
        """Return the path, or the first one and how many more there are."""
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"{self.files[0]}{more}"

    @cached_property
    def sha256(self) -> str:
        """The hash of the files' hashes; for a file on a server, of what the server states about its version."""
        digest = sha256()
        for path in self.files:
            if isinstance(path, RemoteFile):
                digest.update(sha256(path.key).digest())
                continue
            with path.open("rb") as stream:
                digest.update(file_digest(stream, "sha256").digest())
        return digest.hexdigest()

    def read(self, window: Window) -> StoredImage:
        """Return the image of a window: over the scene's edge it is mirrored there, and without data.

        Raises:
            ValueError: The file is damaged there.
        """
        top, bottom = max(0, window.row), min(self.height, window.row + window.height)
        left, right = max(0, window.column), min(self.width, window.column + window.width)
        image = self.read_inside(RasterPart(left, top, right - left, bottom - top))
        if image.pixels.shape[:2] == (window.height, window.width):
            return image

        inside = np.ones(image.pixels.shape[:2], np.bool_) if image.valid is None else image.valid
        rows = (top - window.row, window.row + window.height - bottom)
        columns = (left - window.column, window.column + window.width - right)
        pixels: Any = np.pad(image.pixels, (rows, columns, (0, 0)), mode="symmetric")
        return replace(image, pixels=pixels, valid=np.pad(inside, (rows, columns)))


@contextmanager
def open_scene(path: Path | RemoteFile, *, readers: int = 1) -> Iterator[Scene]:
    """Open a GeoTIFF or a JPG, recognised by its content; files beside it, such as world files, are not read.

    Args:
        path: The file.
        readers: How many threads read at the same time.

    Raises:
        ChipError: The file is damaged, of another format or type, or placed by ground control points alone.
        OSError: The file cannot be read.
        RemoteError: The file cannot be read from its server, also whenever a part is read.
    """
    path = remote.check(path) if isinstance(path, RemoteFile) else path
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), ExitStack() as opened:
        try:
            scene = _open(path, readers, opened)
        except ValueError as error:
            raise ChipError(f"{path} {error}") from error
        yield scene


def sidecars(path: Path) -> list[Path]:
    """Return the files beside a scene that could state its position or mask; they are not read."""
    names = [pattern.format(stem=path.stem, name=path.name) for pattern in SIDECARS]
    return [path.parent / name for name in names if (path.parent / name).exists()]


def _open(path: Path | RemoteFile, readers: int, opened: ExitStack) -> Scene:
    if isinstance(path, RemoteFile):
        return _open_tif(path, readers, opened)
    with path.open("rb") as stream:
        start = stream.read(8)
    for magic, decoder in FORMATS.items():
        if start.startswith(magic) and decoder is tif:
            with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as content:
                tif.refuse_other_colours(content)
            return _open_tif(path, readers, opened)
        if start.startswith(magic) and decoder is jpg:
            return _decode_jpg(path)
    raise ValueError(f"is no GeoTIFF or JPG (it starts with {start!r}), and no other scene is read; convert it.")


def _decode_jpg(path: Path) -> Scene:
    image = jpg.decode(path.read_bytes(), MAX_JPG_SIDE)
    height, width, bands = image.pixels.shape

    def read(part: RasterPart, size: Size | None = None) -> StoredImage:
        rows, columns = part.toslices()
        pixels = image.pixels[rows, columns]
        if size:
            return replace(image, pixels=np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BOX)))
        return replace(image, pixels=pixels.copy())

    return Scene((path,), width, height, bands, "uint8", None, WITHOUT_POSITION, read)


def _open_tif(path: Path | RemoteFile, readers: int, opened: ExitStack) -> Scene:
    settings = SETTINGS | path.settings if isinstance(path, RemoteFile) else SETTINGS
    idle: SimpleQueue[Any] = SimpleQueue()
    try:
        datasets = [opened.enter_context(_dataset(path, settings)) for _ in range(readers)]
        dataset = datasets[0]
        _check(dataset)
    except (MemoryError, ValueError):
        raise
    except Exception as error:  # of rasterio, of many types; the file was readable, so it is damaged
        raise _damaged(path, error) from error
    for reader in datasets:
        idle.put(reader)

    def read(part: RasterPart, size: Size | None = None) -> StoredImage:
        reader = idle.get()
        try:
            with rasterio.Env(**settings):
                return tif.read(reader, part, size)
        except (MemoryError, ValueError):
            raise
        except Exception as error:  # as above
            raise _damaged(path, error) from error
        finally:
            idle.put(reader)

    is_placed = footprint.is_placed(dataset.crs, dataset.transform)
    crs, transform = (dataset.crs, dataset.transform) if is_placed else (None, WITHOUT_POSITION)
    return Scene(
        (path,),
        dataset.width,
        dataset.height,
        dataset.count,
        dataset.dtypes[0],
        crs,
        transform,
        read,
    )


@contextmanager
def _dataset(path: Path | RemoteFile, settings: dict[str, str]) -> Iterator[Any]:
    name = path.gdal_name if isinstance(path, RemoteFile) else path.absolute()
    with warnings.catch_warnings(), rasterio.Env(**settings):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # it is reported once, by `Scene.crs`
        dataset = rasterio.open(name, driver=tif.DRIVER, sharing=False)
    with dataset:
        yield dataset


def _check(dataset: Any) -> None:
    """Raise ValueError for a TIF that is not read, by its header alone."""
    tif.refuse_pages(dataset)
    tif.refuse_other_colour_space(dataset)
    raster.check_type(dataset)
    raster.check_blocks(dataset)
    if dataset.count > MAX_BANDS:
        raise ValueError(f"has {dataset.count} bands; at most {MAX_BANDS} are read, leave out those that are not used.")
    if not footprint.is_placed(dataset.crs, dataset.transform) and (dataset.gcps[0] or dataset.rpcs):
        what = f"{len(dataset.gcps[0])} ground control points" if dataset.gcps[0] else "polynomials (RPC)"
        raise ValueError(f"is placed by {what} alone, so its pixels lie on no grid; warp it first, as by gdalwarp.")
    tif.refuse_unwritten(dataset)


def _damaged(path: Path | RemoteFile, error: Exception) -> Exception:
    if isinstance(path, RemoteFile):
        return remote.lost(path, error)
    return ValueError(f"is a damaged TIF ({error.__cause__ or error}); save or download it again.")
