"""The formats of a map, by the suffix of its file, and the files that go with it."""

from collections.abc import Callable
from pathlib import Path

from amazon_tags import progress
from amazon_tags.files import atomic
from amazon_tags.maps import map_cog, map_geojson, map_geopackage, map_parquet, map_style
from amazon_tags.maps.cells import MapCells
from amazon_tags.maps.columns import Columns, columns
from amazon_tags.tables.labels import LabelSpace
from features.scenes.windows import Grid

Encode = Callable[[MapCells, Columns], bytes]

FORMATS: dict[str, Encode] = {
    ".parquet": map_parquet.encode,
    ".geojson": map_geojson.encode,
    ".gpkg": map_geopackage.encode,
}
COG_SUFFIXES = (".tif", ".tiff")
STYLE_SUFFIXES = (".qml",)
STAC_SUFFIXES = (".json",)
PAGE_SUFFIXES = (".html", ".htm")


def choose_format(path: Path) -> Encode:
    """Return the function that encodes a map for a file of this name.

    Raises:
        ValueError: The suffix stands for no format, or the format needs a package that is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{path} has no suffix of a map; name a file that ends in {', '.join(FORMATS)}.")
    if path.suffix.lower() == ".gpkg":
        map_geopackage.refuse_without_pyogrio()
    return FORMATS[path.suffix.lower()]


def write_map(path: Path, cells: MapCells, space: LabelSpace) -> None:
    """Write a map in the format of the file's suffix, completely or not at all.

    Raises:
        OSError: The file cannot be written.
        ValueError: The suffix stands for no format, or the scene's reference system cannot be converted to it.
    """
    write_cells(path, cells, columns(cells, space))


def write_cells(path: Path, cells: MapCells, values: Columns) -> None:
    """Write the polygons of cells with their values; raises as `write_map` does."""
    atomic.write_bytes(path, choose_format(path)(cells, values))


def refuse_suffix(path: Path, expected: tuple[str, ...], what: str) -> None:
    """Raise ValueError for a file without one of the suffixes by which other programs recognise it."""
    if path.suffix.lower() not in expected:
        raise ValueError(f"{path} has no suffix of {what}; name a file that ends in {' or '.join(expected)}.")


def write_cog(path: Path, cells: MapCells, grid: Grid, space: LabelSpace) -> None:
    """Write the scores of a map as a Cloud Optimized GeoTIFF, completely or not at all; reports a missing position.

    Raises:
        OSError: The file cannot be written.
    """
    atomic.write_bytes(path, map_cog.encode(cells, grid, space))
    if cells.scene.crs is None:
        progress.say(
            f"{path} has no reference system, as {cells.scene} has none: its coordinates are columns and negative "
            "rows, like those of the polygons"
        )


def write_style(path: Path, cells: MapCells, space: LabelSpace) -> None:
    """Write a style of QGIS for the polygons of a map, completely or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    atomic.write_bytes(path, map_style.encode(cells, space))
