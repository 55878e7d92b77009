"""Declare the chips that a network expects."""

from dataclasses import dataclass, replace

from features.images.layout import AS_STATED, Layout, parse_bands
from features.images.stored import MAX_BANDS, RGB

DATES = ("before", "after")  # the chips of a pair, in order
SENSOR_BANDS = 4  # more are many: their levels are surface reflectance
Statistics = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class ChipSpec:
    """The chips that a network expects.

    Attributes:
        bands: In order.
        dtype: Their integer type.
        side: In pixels.
        layout: What the user states about the files; it counts before what the files state.
        training_layout: What was stated about the files of the training chips; it counts after what the files state.
        statistics: Mean and standard deviation of each band over the training chips, of more than four bands, which
            the network normalises by; empty for a network that was not trained on chips of these bands, and for others.
        dates: 1, or 2 for a network that takes pairs of chips (`date_pair`): the bands of the earlier one, then those
            of the later one.
    """

    bands: tuple[str, ...] = RGB
    dtype: str = "uint8"
    side: int = 256
    layout: Layout = AS_STATED
    training_layout: Layout = AS_STATED
    statistics: Statistics = ()
    dates: int = 1

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of what a network takes of a place: the bands, of pairs those of each date."""
        if self.dates == 1:
            return self.bands
        return tuple(f"{date}_{band}" for date in DATES for band in self.bands)

    def of_one_date(self) -> "ChipSpec":
        """Return the spec of a single chip of a pair."""
        return replace(self, dates=1)

    def has_many_bands(self) -> bool:
        """Return whether there are more bands than a sensor of visible light and near infrared has."""
        return len(self.bands) > SENSOR_BANDS


def bands_to_take(layout: Layout) -> tuple[tuple[str, ...], Layout]:
    """Return the bands that a network takes where only a layout states them, and how files are then read.

    More than four bands, beside alpha, are all taken, and found by what each file states. Fewer are the bands of the
    files in their order, of which red, green and blue are taken.

    Raises:
        ValueError: more than four bands cannot be those of a network.

    Example:
        >>> bands_to_take(Layout(("blue", "green", "red", "nir")))[0]
        ('red', 'green', 'blue')
        >>> bands_to_take(Layout(("blue", "green", "red", "red_edge", "nir")))
        (('blue', 'green', 'red', 'red_edge', 'nir'), Layout(bands=None, levels='auto'))
    """
    names = tuple(name for name in layout.bands or () if name != "alpha")
    if len(names) <= SENSOR_BANDS:
        return RGB, layout
    return parse_many_bands(names), replace(layout, bands=None)


def parse_many_bands(bands: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of 5 to 16 bands as files state them; raise ValueError if they cannot be those of a network.

    Example:
        >>> parse_many_bands(("B1", "B02", "Green", "red", "B8", "B8A"))
        ('b1', 'blue', 'green', 'red', 'nir', 'b8a')
    """
    names = parse_bands(" ".join("_".join(band.split()) for band in bands))
    if not SENSOR_BANDS < len(names) <= MAX_BANDS:
        raise ValueError(f"bands are {len(names)}, but must be 3, 4, or {SENSOR_BANDS + 1} to {MAX_BANDS}.")
    repeated = [name for place, name in enumerate(names) if name in names[:place]]
    missing = [name for name in RGB if name not in names]
    if repeated or missing:
        problem = f"name {repeated[0]} twice" if repeated else f"have no {missing[0]}"
        raise ValueError(f"bands {', '.join(names)} {problem}; name each band once, red, green and blue among them.")
    return names
