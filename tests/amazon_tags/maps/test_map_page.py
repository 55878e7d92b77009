"""Pages of maps: they hold the map's own numbers and colours, and show them by mouse, touch and keyboard."""

import base64
import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet as pq
from rasterio.warp import transform

from amazon_tags import MapSettings
from amazon_tags.maps import map_page, map_style
from amazon_tags.maps.cells import MapCells
from amazon_tags.maps.map_scenes import MapOptions, map_scenes
from amazon_tags.prediction.tag_chips import TagOptions
from amazon_tags.tables import labels
from amazon_tags.tables.labels import LabelSpace
from features.images.spec import ChipSpec
from features.scenes.scene import open_scene
from features.scenes.windows import lay_grid
from tests.browser import needs_chromium, open_page, wait_for
from tests.scene_files import UTM, noise, write_scene

HOSTILE = "<script>document.title='run'<\u202escript>\"'&\n.tif"
RAMP = np.array([[38, 24, 95], [29, 93, 138], [31, 154, 138], [140, 207, 77], [255, 240, 90]])
JPEG_ERROR = 12  # of a grey level, in noise


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A page with the table of its map, of 3 x 4 windows of which two hold too little data."""
    folder = tmp_path_factory.mktemp("page")
    pixels = noise(150, 200)
    pixels[:60, 64:128] = 0
    scene = write_scene(folder / HOSTILE, pixels, nodata=0)
    tagging = TagOptions(precision="f32", device="cpu")
    options = MapOptions(MapSettings(pixels=64, min_valid=0.1), tagging, page=folder / "m.html")
    map_scenes([scene], folder / "tags.parquet", options=options)
    return SimpleNamespace(page=folder / "m.html", table=pq.read_table(folder / "tags.parquet").to_pydict())


def page_data(page):
    html = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="page-data">(.*?)</script>', html, re.DOTALL)[1])


def unpacked(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def fabricated(folder, space, count=4, **options):
    """A page of a scene of `count` windows a side with random scores, which no model gave."""
    path = write_scene(folder / "scene.tif", noise(16 * count, 16 * count), **options)
    scores = np.random.default_rng(0).random((count * count, len(space.names)), np.float32)
    with open_scene(path) as scene:
        grid = lay_grid((scene.width, scene.height), (16, 16))
        boxes = [grid.cell_box(column, row) for row in range(count) for column in range(count)]
        cells = MapCells(scene, boxes, scores, scores > 0.7, scores[:, 0], scores[:, 1])
        (folder / "m.html").write_bytes(map_page.encode(cells, grid, SimpleNamespace(space=space, spec=ChipSpec())))
    return folder / "m.html", cells


def test_a_page_holds_the_numbers_of_the_map(written):
    data, table = page_data(written.page), written.table
    lefts, tops = (
        unpacked(data[name], "<u4") * stride for name, stride in zip(("columns", "rows"), data["stride"], strict=True)
    )
    names = [f"r{top}_c{left}" for left, top in zip(lefts, tops, strict=True)]
    assert names == table["window"]
    assert len(names) == 10
    scores = unpacked(data["scores"], "<u2").reshape(-1, 17) / 1000
    for label, name in enumerate(labels.PLANET.names):
        np.testing.assert_allclose(scores[:, label], table[f"score_{name}"], atol=5.01e-4)
    np.testing.assert_allclose(unpacked(data["valid"], "<u2") / 1000, table["valid"], atol=5.01e-4)
    np.testing.assert_allclose(unpacked(data["expected"], "<u2") / 1000, table["expected_f"], atol=5.01e-4)
    tags = np.unpackbits(unpacked(data["tags"], "u1").reshape(-1, 3), axis=1)[:, :17]
    assert [" ".join(labels.decode(labels.PLANET, row.astype(bool))) for row in tags] == table["tags"]
    assert data["colours"] == [map_style.COLOURS[name] for name in data["labels"]]


def test_the_picture_is_a_quicklook_without_what_holds_no_data(written):
    (source,) = page_data(written.page)["pictures"]
    picture = np.array(Image.open(io.BytesIO(base64.b64decode(source.partition("base64,")[2]))), int)
    assert picture.shape == (150, 200, 3)
    assert np.abs(picture[80:, 8:] - noise(150, 200)[80:, 8:]).mean() < JPEG_ERROR
    assert np.abs(picture[8:48, 72:120] - 232).max() < JPEG_ERROR


def test_centres_are_longitudes_and_latitudes(tmp_path):
    page, cells = fabricated(tmp_path, labels.PLANET)
    centres = unpacked(page_data(page)["centres"], "<i4").reshape(-1, 2) / 1e6
    xs = [600_000 + 3 * (left + right) / 2 for left, _, right, _ in cells.boxes]
    ys = [9_700_000 - 3 * (top + bottom) / 2 for _, top, _, bottom in cells.boxes]
    np.testing.assert_allclose(centres.T, transform(UTM, "OGC:CRS84", xs, ys), atol=6e-7)


def test_a_page_of_a_scene_without_a_position_says_so(tmp_path):
    page, _ = fabricated(tmp_path, labels.PLANET, crs=None, transform=None)
    assert page_data(page)["centres"] is None
    assert re.search(r"scene\s+states no position on the ground", page.read_text())


def test_levels_that_give_no_picture_are_said_and_the_page_is_written(tmp_path, caplog):
    path = write_scene(tmp_path / "dark.tif", noise(32, 32, 4, "uint16") // 900)
    with open_scene(path) as scene:
        grid = lay_grid((32, 32), (32, 32))
        scores = np.full((1, 17), 0.5, np.float32)
        cells = MapCells(scene, [(0, 0, 32, 32)], scores, scores > 0.4, np.ones(1), np.ones(1))
        page = map_page.encode(cells, grid, SimpleNamespace(space=labels.PLANET, spec=ChipSpec()))
    assert b'"pictures": [null]' in page
    assert "the page shows no picture of" in caplog.text


@pytest.mark.parametrize("name", ["map.txt", "map"])
def test_another_suffix_is_refused_before_the_work(name, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(80, 80))
    with pytest.raises(ValueError, match=r"has no suffix of a page; name a file that ends in \.html or \.htm"):
        map_scenes([scene], tmp_path / "tags.parquet", options=MapOptions(page=tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def screen(shown):
    """What the canvas shows, (H, W, 3)."""
    shown.wait_for_timeout(150)  # two frames
    return np.array(Image.open(io.BytesIO(shown.locator("#map").screenshot())).convert("RGB"), int)


def middle(shown):
    pixels = screen(shown)
    return pixels[pixels.shape[0] // 2 + 9, pixels.shape[1] // 2 + 9]


def set_range(shown, name, value):
    shown.locator(name).fill(str(value))


def details(shown):
    rows = shown.locator("#details tbody tr").all()
    return {cells[0]: cells[1:] for cells in ([cell.inner_text() for cell in row.locator("td").all()] for row in rows)}


@pytest.mark.slow
@needs_chromium
def test_windows_have_the_colours_of_their_tags_and_of_their_scores(written):
    names, table = labels.PLANET.names, written.table
    order = [names[label] for label in page_data(written.page)["legend"]]
    with open_page(written.page) as shown:
        assert shown.locator("h1").text_content() == f"Map of {HOSTILE}"
        assert shown.title().startswith("Map of <script>")
        set_range(shown, "#opacity", 100)
        for row in (0, 7):
            shown.get_by_role("button", name=table["window"][row], exact=True).click()
            first = next(name for name in order if name in table["tags"][row].split())
            assert middle(shown).tolist() == list(bytes.fromhex(map_style.COLOURS[first][1:]))

            shown.get_by_label(re.compile(rf"^{first} \(")).uncheck()
            second = next(name for name in order if name in table["tags"][row].split() and name != first)
            assert middle(shown).tolist() == list(bytes.fromhex(map_style.COLOURS[second][1:]))
            shown.get_by_label(re.compile(rf"^{first} \(")).check()

        for name in ("primary", "road"):
            shown.locator("#colour-by").select_option(label=name)
            places = sorted(range(10), key=lambda row: -round(table[f"score_{name}"][row], 3))
            listed = [button.inner_text() for button in shown.locator("#list button").all()]
            assert listed == [table["window"][row] for row in places]
            score = 4 * round(table[f"score_{name}"][7], 3)
            expected = [np.interp(score, range(5), RAMP[:, part]) for part in range(3)]
            assert np.abs(middle(shown) - expected).max() <= 1

        set_range(shown, "#opacity", 0)
        shown.locator("#fit").click()
        pixels = screen(shown)
        height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
        whole = pixels[height - 90 : height + 90, width - 120 : width + 120].mean(axis=(0, 1))
        scale = shown.evaluate("view.scale")
        top, left = round(75 - 90 / scale), round(100 - 120 / scale)
        colours = noise(150, 200)[top : 150 - top, left : 200 - left].mean(axis=(0, 1))
        assert np.abs(whole - colours).max() < 25  # the picture, with white lines between windows


@pytest.mark.slow
@needs_chromium
def test_a_click_shows_the_scores_of_the_map(written):
    with open_page(written.page) as shown:
        for row in (3, 9):
            box = shown.locator("#map").bounding_box()
            x, y = shown.evaluate(f"view.screenAt(...windows.box({row}).slice(0, 2).map((at) => at + 9))")
            shown.mouse.click(box["x"] + x, box["y"] + y)
            values = details(shown)
            assert set(values) == set(labels.PLANET.names)
            for name, (score, mark) in values.items():
                assert float(score) == pytest.approx(written.table[f"score_{name}"][row], abs=5.01e-4)
                assert (mark == "tag") == (name in written.table["tags"][row].split())
            tags = ", ".join(written.table["tags"][row].split())
            assert shown.locator("#summary").inner_text() == f"{written.table['window'][row]}: {tags}"
            text = shown.locator("#details dl").inner_text()
            assert f"{written.table['expected_f'][row]:.3f}" in text
            assert "longitude -56." in text
        shown.mouse.click(box["x"] + 3, box["y"] + 3)  # beside the scene
        assert shown.locator("#summary").inner_text().startswith("None is chosen")


@pytest.mark.slow
@needs_chromium
def test_everything_is_reached_and_done_by_keyboard(written):
    with open_page(written.page) as shown:
        reached = []
        for _ in range(40):
            shown.keyboard.press("Tab")
            reached.append(shown.evaluate("document.activeElement.id || document.activeElement.textContent"))
        assert reached[:6] == ["colour-by", "opacity", "zoom-in", "zoom-out", "fit", "map"]
        assert set(written.table["window"]) <= set(reached)

        shown.locator("#map").focus()
        scale, x = shown.evaluate("[view.scale, view.x]")
        for key in ("+", "+", "ArrowLeft", "ArrowLeft", "ArrowUp"):
            shown.keyboard.press(key)
        assert shown.evaluate("view.scale") == pytest.approx(scale * 1.5**2)
        assert shown.evaluate("view.x") < x
        shown.keyboard.press("Enter")
        column, row = shown.evaluate("[view.x, view.y].map((at) => 64 * Math.floor(at / 64))")
        assert shown.locator("#summary").inner_text().startswith(f"r{row}_c{column}: ")
        shown.keyboard.press("Escape")
        assert shown.locator("#summary").inner_text().startswith("None is chosen")
        shown.keyboard.press("0")
        assert shown.evaluate("[view.scale, view.x]") == pytest.approx([scale, 100])

        shown.get_by_role("button", name=written.table["window"][9], exact=True).focus()
        shown.keyboard.press("Enter")
        assert shown.evaluate("[view.x, view.y]") == [(128 + 192) / 2, (128 + 150) / 2]


@pytest.mark.slow
@needs_chromium
def test_the_map_is_moved_by_drag_wheel_and_pinch(written):
    with open_page(written.page, width=390, height=800) as shown:
        box = shown.locator("#map").bounding_box()
        x, y = box["x"] + 120, box["y"] + 130
        old = shown.evaluate("[view.x, view.y, view.scale]")
        shown.mouse.move(x, y)
        shown.mouse.down()
        shown.mouse.move(x + 30, y + 20, steps=4)
        shown.mouse.up()
        moved = shown.evaluate("[view.x, view.y, view.scale]")
        assert moved == pytest.approx([old[0] - 30 / old[2], old[1] - 20 / old[2], old[2]])
        assert shown.locator("#summary").inner_text().startswith("None is chosen")  # a drag is no click

        at = "view.x + (120 - document.getElementById('map').clientWidth / 2) / view.scale"
        fixed = shown.evaluate(at)
        shown.mouse.move(x, y)
        shown.mouse.wheel(0, -300)
        wait_for(shown, f"view.scale > {1.9 * old[2]}")
        assert shown.evaluate(at) == pytest.approx(fixed, abs=2)

        touch = shown.context.new_cdp_session(shown)
        scale = shown.evaluate("view.scale")
        for kind, gap in (("touchStart", 20), ("touchMove", 30), ("touchMove", 40), ("touchEnd", None)):
            points = [] if gap is None else [{"x": x - gap, "y": y, "id": 0}, {"x": x + gap, "y": y, "id": 1}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        assert shown.evaluate("view.scale") == pytest.approx(2 * scale, rel=0.1)
        assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
@needs_chromium
def test_many_windows_of_hostile_labels_are_paged_and_stay_text(tmp_path):
    space = LabelSpace("table", tuple(f"<img/src=x/onerror=alert({n})>&'" for n in range(19)))
    page, cells = fabricated(tmp_path, space, count=12)
    with open_page(page) as shown:
        assert shown.locator("img").count() == 0
        shown.locator("#colour-by").select_option(label=space.names[18])
        first = shown.locator("#list button").first.inner_text()
        assert first == cells.names[int(cells.scores[:, 18].round(3).argmax())]
        shown.locator("#list button").first.click()
        assert set(details(shown)) == set(space.names)
        assert shown.locator("#place").inner_text() == "1 to 25 of 144"
        for _ in range(5):
            shown.locator("#next").click()
        assert shown.locator("#place").inner_text() == "126 to 144 of 144"
        assert shown.locator("#next").is_disabled()
