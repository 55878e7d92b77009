"""The page of `amazon_tags embed --anomaly --html`: pictures of the chips that lie farthest from the known ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from PIL import Image

from amazon_tags.evaluation.line_chart import ChartPoint, ChartSeries, ChartTitles, line_chart
from amazon_tags.files import atomic
from amazon_tags.pages.page import render_page
from amazon_tags.training.anomaly import UNUSUAL, AnomalyScores, expected
from amazon_tags.training.reconstruction import ReconstructionErrors
from ensemble.arrays import Floats
from features.images import chips, listing
from features.images.listing import Listing
from features.images.overlays import data_uri
from features.images.spec import ChipSpec
from features.images.visible import visible

SHOWN = 60  # chips of each list on the page: some 10 kB each
PICTURE_PIXELS = 160
CURVE_POINTS = 201  # of a curve: every half percent


@dataclass(frozen=True)
class ShownChip:
    """A chip on the page.

    Attributes:
        name: in tables.
        picture: its pixels, as the address of an image.
        numbers: its scores, by what the page calls them.
    """

    name: str
    picture: str
    numbers: Mapping[str, float]


def write_anomaly_page(
    page: Path, paths: Listing, spec: ChipSpec, scores: AnomalyScores, errors: ReconstructionErrors | None = None
) -> None:
    """Write a page with the farthest chips and the distances of all; the same of the errors, if there are any.

    Args:
        page: the file.
        paths: the chips, in the order of the scores.
        spec: how they are read.
        scores: of the chips.
        errors: of the chips.

    Raises:
        chips.ChipError: a chip cannot be used.
        OSError: a file cannot be read or written.
    """

    def entries(order: Sequence[int]) -> list[ShownChip]:
        return [
            ShownChip(listing.name(paths[place]), _picture(paths, place, spec), _numbers(place, scores, errors))
            for place in order[:SHOWN]
        ]

    known = scores.known.vectors
    html = render_page(
        "anomaly.html",
        title=f"{len(paths):,} chips by their distance from {len(known.units):,} known chips",
        styles=["report.css"],
        chips=entries(scores.order()),
        count=len(paths),
        unusual=scores.unusual(),
        expected=expected(len(paths)),
        limit=f"{100 * UNUSUAL:.0f}\N{NO-BREAK SPACE}%",
        neighbours=known.neighbours,
        known=scores.known.path.name,
        curves=Markup(_curves("distance from the known chips", known.own, scores.distance)),  # noqa: S704  drawn here
        hidden=entries(errors.order()) if errors else [],
        error_curves=Markup(_curves("reconstruction error", errors.known, errors.error)) if errors else "",  # noqa: S704
        has_known_errors=errors is not None and errors.known is not None,
    )
    atomic.write_text(page, html)


def _numbers(place: int, scores: AnomalyScores, errors: ReconstructionErrors | None) -> dict[str, float]:
    """Return what the page says of a chip."""
    numbers = {"distance": scores.distance[place], "percentile": scores.percentile[place]}
    if errors:
        numbers["error"] = errors.error[place]
    if errors and errors.known is not None:
        numbers["percentile of the error"] = errors.percentile[place]
    return numbers


def _curves(quantity: str, known: Floats | None, values: Sequence[float]) -> str:
    """Return a picture of the share of known and of new chips within each value of a quantity."""
    titles = ChartTitles(f"Chips by their {quantity}", quantity, "share of chips within it")
    of_known = [] if known is None else [_curve("known chips", known)]
    return line_chart(titles, [*of_known, _curve("these chips", values)])


def _curve(name: str, distances: Sequence[float] | Floats) -> ChartSeries:
    shares = np.linspace(0, 1, CURVE_POINTS)
    ends = np.quantile(distances, shares)
    return ChartSeries(name, [ChartPoint(float(x), float(y)) for x, y in zip(ends, shares, strict=True)], "line")


def _picture(paths: Listing, place: int, spec: ChipSpec) -> str:
    picture = Image.fromarray(visible(chips.load(paths[place], spec), spec))
    picture.thumbnail((PICTURE_PIXELS, PICTURE_PIXELS))
    return data_uri(picture)
