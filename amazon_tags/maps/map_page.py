"""Write a map as a page: windows over a picture of the scene, in the colours of tags or of a tag's scores."""

from amazon_tags.maps import map_style
from amazon_tags.maps.cells import MapCells
from amazon_tags.maps.page_data import packed_shares, packed_tags, picture, scene_name, window_data
from amazon_tags.model.bundle import Bundle
from amazon_tags.pages.page import render_page
from features.scenes.windows import Grid

STYLES = ("scene_map.css",)
SCRIPTS = ("scene_windows.js", "scene_view.js", "scene_table.js")


def encode(cells: MapCells, grid: Grid, model: Bundle) -> bytes:
    """Return the bytes of a page that needs no other file.

    Args:
        cells: The windows, or the cells of overlapping ones; their scene is open.
        grid: The grid that they are cells of.
        model: It tagged them.

    Raises:
        ChipError: The scene is damaged.
    """
    space, name = model.space, scene_name(cells.scene)
    data = window_data(cells, grid, space) | {
        "pictures": [picture(cells.scene, model)],
        "scores": packed_shares(cells.scores),
        "tags": packed_tags(cells.tags),
        "expected": packed_shares(cells.expected_f),
        "legend": map_style.legend(cells, space),
    }
    title = f"Map of {name}"
    page = render_page(
        "map.html",
        title=title,
        styles=STYLES,
        scripts=(*SCRIPTS, "map.js"),
        data=data,
        windows=len(cells.boxes),
        is_placed=data["centres"] is not None,
        has_crs=cells.scene.crs is not None,
    )
    return page.encode()
