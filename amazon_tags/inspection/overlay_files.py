"""The pictures that `amazon_tags inspect explain --overlays` wrote, found by the names of chips and labels."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from amazon_tags import progress
from features.images import pillow
from features.images.chips import MAX_FILE_BYTES

Overlays = dict[int, dict[int, Path]]  # by the row of the chip, then by the column of the label


def file_name(chip: str, label: str) -> str:
    """Return the name of an overlay's file; a label may hold a slash.

    Example:
        >>> file_name("chip_7", "oil/gas")
        'chip_7.oil%2Fgas.png'
    """
    return f"{chip}.{label.replace('/', '%2F')}.png"


def find_overlays(folder: Path, names: Sequence[str], labels: Sequence[str]) -> Overlays:
    """Return the overlays of these chips in a folder; report how many files are of other chips.

    Raises:
        ValueError: there are none.
    """
    rows = {name: row for row, name in enumerate(names)}
    endings = [(column, file_name("", label)) for column, label in enumerate(labels)]
    found: Overlays = {}
    files = sorted(path for path in folder.iterdir() if path.suffix == ".png")
    for path in files:
        for column, ending in endings:
            row = rows.get(path.name.removesuffix(ending)) if path.name.endswith(ending) else None
            if row is not None:
                found.setdefault(row, {})[column] = path

    count = sum(map(len, found.values()))
    if not count:
        expected = file_name(names[0], labels[0])
        raise ValueError(
            f"{folder} holds no overlay of these chips ({len(files)} PNG files); expected names such as {expected!r}, "
            "as amazon_tags inspect explain --overlays writes them."
        )
    if count < len(files):
        progress.say(f"{len(files) - count} of {len(files)} PNG files in {folder} are of other chips or tags.")
    return {row: dict(sorted(of_chip.items())) for row, of_chip in sorted(found.items())}


def read_overlay(path: Path) -> Image.Image:
    """Return the picture of an overlay.

    Raises:
        ValueError: the file is too large or no PNG.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"{path} is too large for an overlay; write it again by amazon_tags inspect explain.")
    try:
        return Image.fromarray(pillow.decode(path.read_bytes(), "PNG").pixels)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from error
