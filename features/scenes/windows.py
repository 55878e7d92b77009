"""Lay a grid of windows over a scene, and the cells in which the scores of overlapping windows are averaged.

Windows have one size and lie a stride apart, from the first pixel on; cells are as large as the stride and tile the
scene. A window belongs to every cell that lies wholly inside of it: without overlap, one.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from features.arrays import Floats
from features.images import chips
from features.images.bands import name_bands
from features.images.chips import ChipError
from features.images.footprint import Box
from features.images.spec import ChipSpec
from features.images.stored import MAX_SIDE_PIXELS
from features.images.window import Picture, Window

MAX_OVERLAP = 0.9  # 100 windows a cell
ROUNDING = 1e-9  # so that 1 - 0.9 is a tenth
WINDOWS_A_TASK = 64  # of a thread that measures shares; a task for each of a million windows would take a gigabyte

Edges = Literal["pad", "drop"]
Size = tuple[int, int]  # width and height, or columns and rows


@dataclass(frozen=True)
class Grid:
    """A grid of windows over a picture. All sizes are in pixels, first from column to column, then from row to row.

    Attributes:
        window: The size of a window.
        stride: From a window to the next one, which is also the size of a cell.
        count: Windows in a row, and rows of windows.
        picture: The size of the picture.
    """

    window: Size
    stride: Size
    count: Size
    picture: Size

    @property
    def covered(self) -> Size:
        """How many cells a window covers: in a row, and in a column."""
        return self.window[0] // self.stride[0], self.window[1] // self.stride[1]

    @property
    def cells(self) -> Size:
        """How many cells there are that begin inside the picture and that a window covers: in a row, and rows."""
        axes = zip(self.count, self.covered, self.picture, self.stride, strict=True)
        columns, rows = (min(count - 1 + covered, -(-length // stride)) for count, covered, length, stride in axes)
        return columns, rows

    def cell_box(self, column: int, row: int) -> Box:
        """Return the pixels of a cell; those beyond the picture's edge are left out."""
        left, top = column * self.stride[0], row * self.stride[1]
        right, bottom = min(left + self.stride[0], self.picture[0]), min(top + self.stride[1], self.picture[1])
        return left, top, right, bottom


@dataclass(frozen=True)
class Windows(Sequence[Window]):
    """Some windows of a grid, by their positions in it: row * windows in a row + column."""

    picture: Picture
    grid: Grid
    positions: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.positions)

    @overload
    def __getitem__(self, place: int) -> Window: ...
    @overload
    def __getitem__(self, place: slice) -> "Windows": ...
    def __getitem__(self, place: int | slice) -> "Window | Windows":
        """Return one window, or some of them."""
        if isinstance(place, slice):
            return Windows(self.picture, self.grid, self.positions[place])
        row, column = divmod(int(self.positions[place]), self.grid.count[0])
        across, down = self.grid.stride
        return Window(self.picture, column * across, row * down, *self.grid.window)

    def take(self, places: Iterable[int]) -> "Windows":
        """Return the windows at these places, in this order."""
        return Windows(self.picture, self.grid, self.positions[np.fromiter(places, np.int64)])

    def names(self) -> list[str]:
        """Return the windows' names in tables."""
        return [window.name for window in self]


def lay_grid(picture: Size, window: Size, *, overlap: float = 0.0, edges: Edges = "pad") -> Grid:
    """Return the grid of windows over a picture.

    Args:
        picture: Width and height of the picture.
        window: Width and height of a window.
        overlap: The share of a window's side that the next one covers again, from 0 to 0.9; strides are whole pixels,
            rounded down.
        edges: `pad`: the last windows lie over the right and lower edge; `drop`: all lie inside.

    Raises:
        ValueError: A number is out of range, or no window fits.

    Example:
        >>> grid = lay_grid((600, 256), (256, 256), overlap=0.5)
        >>> grid.stride, grid.count, grid.cells
        ((128, 128), (5, 2), (5, 2))
    """
    if not 0 <= overlap <= MAX_OVERLAP:
        raise ValueError(f"overlap is {overlap:g}, but must be from 0 to {MAX_OVERLAP:g}.")
    if min(window) < 1 or max(window) > MAX_SIDE_PIXELS:
        raise ValueError(
            f"a window would have {window[0]} x {window[1]} pixels, but must have 1 to {MAX_SIDE_PIXELS} a side; "
            "pass another --ground or --pixels."
        )
    across, down = (max(1, int(side * (1 - overlap) + ROUNDING)) for side in window)
    if edges == "pad":
        count = -(-picture[0] // across), -(-picture[1] // down)
    else:
        count = (picture[0] - window[0]) // across + 1, (picture[1] - window[1]) // down + 1
    if min(count) < 1:
        raise ValueError(
            f"{picture[0]} x {picture[1]} pixels are fewer than a window of {window[0]} x {window[1]} has; pass a "
            "smaller --ground or --pixels, or --edges pad."
        )
    return Grid(window, (across, down), count, picture)


def data_shares(windows: Windows, spec: ChipSpec, *, jobs: int = 1) -> Iterator[Floats]:
    """Yield the share of each window's pixels that hold data (windows,), some windows at a time, in order.

    Nodata, masks, alpha and pixels beyond the scene's edge hold none. Neither does a window whose other pixels all have
    one value, as where no data is but no nodata value is declared.

    Raises:
        ChipError: The scene is damaged, or its bands are not those that the spec needs.
    """

    def measure(part: Windows) -> Floats:
        return np.array([_data_share(window, spec) for window in part])

    parts = [windows[first : first + WINDOWS_A_TASK] for first in range(0, len(windows), WINDOWS_A_TASK)]
    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(measure, parts)
        finally:
            pool.shutdown(cancel_futures=True)


def _data_share(window: Window, spec: ChipSpec) -> float:
    image = chips.read_image(window, spec)
    try:
        named, _ = name_bands(image, spec)
    except ValueError as error:
        raise ChipError(f"{window.picture} {error}") from error
    filled = named.pixels.reshape(-1, named.pixels.shape[2]) if named.valid is None else named.pixels[named.valid]
    if not len(filled) or (filled == filled[0]).all():
        return 0.0
    return len(filled) / named.pixels[..., 0].size
