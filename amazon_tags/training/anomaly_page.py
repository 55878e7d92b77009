"""The page of `amazon_tags embed --anomaly --html`: pictures of the chips that lie farthest from the known ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup
from PIL import Image

from amazon_tags.evaluation.line_chart import ChartPoint, ChartSeries, ChartTitles, line_chart
from amazon_tags.files import atomic
from amazon_tags.pages.page import render_page
from amazon_tags.training.anomaly import UNUSUAL, AnomalyScores, expected
from ensemble.arrays import Floats
from features.images import chips, listing
from features.images.listing import Listing
from features.images.overlays import data_uri
from features.images.spec import ChipSpec
from features.images.visible import visible

FARTHEST = 60  # chips on the page: some 10 kB each
PICTURE_PIXELS = 160
CURVE_POINTS = 201  # of a curve: every half percent


def write_anomaly_page(page: Path, paths: Listing, spec: ChipSpec, scores: AnomalyScores) -> None:
    """Write a page with the farthest chips and the distances of all.

    Args:
        page: the file.
        paths: the chips, in the order of the scores.
        spec: how they are read.
        scores: of the chips.

    Raises:
        chips.ChipError: a chip cannot be used.
        OSError: a file cannot be read or written.
    """
    farthest = [
        {
            "name": listing.name(paths[place]),
            "distance": scores.distance[place],
            "percentile": scores.percentile[place],
            "picture": _picture(paths, place, spec),
        }
        for place in scores.order()[:FARTHEST]
    ]
    known = scores.known.vectors
    html = render_page(
        "anomaly.html",
        title=f"{len(paths):,} chips by their distance from {len(known.units):,} known chips",
        styles=["report.css"],
        chips=farthest,
        count=len(paths),
        unusual=scores.unusual(),
        expected=expected(len(paths)),
        limit=f"{100 * UNUSUAL:.0f}\N{NO-BREAK SPACE}%",
        neighbours=known.neighbours,
        known=scores.known.path.name,
        curves=Markup(_curves(known.own, np.array(scores.distance))),  # noqa: S704  drawn here
    )
    atomic.write_text(page, html)


def _curves(known: Floats, distances: Floats) -> str:
    """Return a picture of the share of known and of new chips within each distance."""
    titles = ChartTitles(
        "Chips by their distance from the known ones", "distance from the known chips", "share of chips within it"
    )
    return line_chart(titles, [_curve("known chips", known), _curve("these chips", distances)])


def _curve(name: str, distances: Sequence[float] | Floats) -> ChartSeries:
    shares = np.linspace(0, 1, CURVE_POINTS)
    ends = np.quantile(distances, shares)
    return ChartSeries(name, [ChartPoint(float(x), float(y)) for x, y in zip(ends, shares, strict=True)], "line")


def _picture(paths: Listing, place: int, spec: ChipSpec) -> str:
    picture = Image.fromarray(visible(chips.load(paths[place], spec), spec))
    picture.thumbnail((PICTURE_PIXELS, PICTURE_PIXELS))
    return data_uri(picture)
