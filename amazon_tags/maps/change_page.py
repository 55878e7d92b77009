"""Write a change as a page: the pictures of two dates with a seam that moves, and the windows with alerts."""

from collections.abc import Sequence

import numpy as np

from amazon_tags.maps.alerts import Alert
from amazon_tags.maps.compare_scenes import ComparedScenes
from amazon_tags.maps.map_page import SCRIPTS, STYLES
from amazon_tags.maps.page_data import packed, packed_shares, picture, scene_name, window_data
from amazon_tags.maps.plan import resolve_bands
from amazon_tags.model.bundle import Bundle
from amazon_tags.pages.page import render_page


def encode(compared: ComparedScenes, alerts: Sequence[Alert], model: Bundle, *, min_probability: float) -> bytes:
    """Return the bytes of a page that needs no other file.

    Args:
        compared: The windows; their scenes are open.
        alerts: Their alerts, the most probable first.
        model: It tagged the windows.
        min_probability: The least probability of an alert.

    Raises:
        ChipError: A scene is damaged.
    """
    cells, space = compared.cells, model.space
    rows = {name: row for row, name in enumerate(cells.before.names)}
    scenes = (cells.before.scene, cells.after.scene)
    data = window_data(cells.before, compared.grid, space) | {
        "pictures": [picture(scene, resolve_bands(model, scene)) for scene in scenes],
        "appeared": packed_shares(cells.changes.appeared),
        "vanished": packed_shares(cells.changes.vanished),
        "clouds": packed_shares(cells.clouds),
        "alertRows": packed(np.array([rows[alert.window] for alert in alerts]), "<u4"),
        "alertLabels": packed(np.array([space.names.index(alert.tag) for alert in alerts]), "<u2"),
        "alertKinds": packed(np.array([alert.change == "vanished" for alert in alerts]), "u1"),
        "alertProbabilities": packed(np.array([alert.probability for alert in alerts]), "<f8"),
    }
    before, after = map(scene_name, scenes)
    page = render_page(
        "change.html",
        title=f"Changes from {before} to {after}",
        styles=STYLES,
        scripts=(*SCRIPTS, "change.js"),
        data=data,
        windows=len(cells.before.boxes),
        alerts=len(alerts),
        dates=(before, after),
        min_probability=f"{min_probability:g}",
        is_placed=data["centres"] is not None,
        has_crs=cells.before.scene.crs is not None,
    )
    return page.encode()
