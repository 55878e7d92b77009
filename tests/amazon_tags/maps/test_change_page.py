"""Pages of changes: both dates with a seam that moves, and the alerts of the table, to which the view moves."""

import base64
import io
import json
import re
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet as pq

from amazon_tags import ChangeSettings, MapSettings
from amazon_tags.maps.change_scenes import ChangeOptions, change_scenes
from amazon_tags.prediction.tag_chips import TagOptions
from amazon_tags.tables import labels
from tests.browser import needs_chromium, open_page
from tests.scene_files import noise, write_scene

HOSTILE = "<script>document.title='run'<script>\"'&\n.tif"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A page with its table and alerts, of 4 x 4 windows, dark and bluish before, bright and reddish after."""
    folder = tmp_path_factory.mktemp("page")
    before, after = noise(256, 256) // 2, noise(256, 256)[:, ::-1] + np.uint8(40)
    before[..., 2] += 60
    after[..., 0] += 60
    paths = [
        write_scene(folder / name, pixels)
        for name, pixels in ((HOSTILE, before), ("after.tif", np.ascontiguousarray(after)))
    ]
    settings = ChangeSettings(MapSettings(pixels=64), max_cloud=1, min_probability=0.2)
    options = ChangeOptions(settings, TagOptions(precision="f32", device="cpu"), folder / "change.html")
    summary = change_scenes(([paths[0]], [paths[1]]), folder / "change.parquet", options=options)
    assert len({alert.tag for alert in summary.alerts}) > 1
    return SimpleNamespace(
        page=folder / "change.html",
        alerts=summary.alerts,
        table=pq.read_table(folder / "change.parquet").to_pydict(),
        means=[pixels.mean(axis=(0, 1)) for pixels in (before, after)],
    )


def unpacked(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_a_page_holds_the_probabilities_and_the_alerts_of_the_change(written):
    html = written.page.read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="page-data">(.*?)</script>', html, re.DOTALL)[1])
    for what in ("appeared", "vanished"):
        matrix = unpacked(data[what], "<u2").reshape(16, 17) / 1000
        for label, name in enumerate(labels.PLANET.names):
            np.testing.assert_allclose(matrix[:, label], written.table[f"{what}_{name}"], atol=5.01e-4)
    clouds = unpacked(data["clouds"], "<u2").reshape(16, 2) / 1000
    for date, values in zip(("before", "after"), clouds.T, strict=True):
        np.testing.assert_allclose(values, written.table[f"cloud_{date}"], atol=5.01e-4)

    rows, kinds = unpacked(data["alertRows"], "<u4"), unpacked(data["alertKinds"], "u1")
    places = zip(rows, unpacked(data["alertLabels"], "<u2"), kinds, strict=True)
    found = [
        (written.table["window"][row], data["labels"][label], ("appeared", "vanished")[kind])
        for row, label, kind in places
    ]
    assert found == [(alert.window, alert.tag, alert.change) for alert in written.alerts]
    assert unpacked(data["alertProbabilities"], "<f8").tolist() == [alert.probability for alert in written.alerts]
    assert len(data["pictures"]) == 2


def test_another_suffix_is_refused_before_the_work(tmp_path):
    paths = [write_scene(tmp_path / name, noise(64, 64)) for name in ("a.tif", "b.tif")]
    options = ChangeOptions(page=tmp_path / "page.png")
    with pytest.raises(ValueError, match=r"has no suffix of a page"):
        change_scenes(([paths[0]], [paths[1]]), tmp_path / "change.parquet", options=options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "b.tif"]


def halves(shown):
    """The mean colours on the left and on the right of the middle of the canvas, where the scene is."""
    shown.wait_for_timeout(150)  # two frames
    pixels = np.array(Image.open(io.BytesIO(shown.locator("#map").screenshot())).convert("RGB"), int)
    width, height = pixels.shape[1] // 2, pixels.shape[0] // 2
    rows = slice(height - 100, height + 100)
    return [
        pixels[rows, part].mean(axis=(0, 1))
        for part in (slice(width - 100, width - 20), slice(width + 20, width + 100))
    ]


@pytest.mark.slow
@needs_chromium
def test_the_slider_moves_the_seam_between_both_dates(written):
    with open_page(written.page) as shown:
        assert shown.locator("h1").text_content() == f"Changes from {HOSTILE} to after.tif"
        assert shown.locator(".dates").inner_text().replace("\n", " ").count("after.tif") == 1
        shown.locator("#opacity").fill("0")

        def nearest():
            return [
                ("before", "after")[int(np.abs(np.array(written.means) - mean).sum(axis=1).argmin())]
                for mean in halves(shown)
            ]

        assert nearest() == ["before", "after"]
        shown.locator("#seam").focus()
        shown.keyboard.press("Home")
        assert nearest() == ["after", "after"]
        shown.keyboard.press("End")
        assert nearest() == ["before", "before"]
        for _ in range(3):
            shown.keyboard.press("PageDown")
        assert shown.evaluate("view.seam") == pytest.approx(0.7)


@pytest.mark.slow
@needs_chromium
def test_alerts_are_listed_by_odds_and_the_view_moves_to_the_chosen_one(written):
    with open_page(written.page) as shown:
        rows = [
            [cell.inner_text() for cell in row.locator("td").all()] for row in shown.locator("#list tbody tr").all()
        ]
        expected = written.alerts[: len(rows)]
        assert [row[:2] for row in rows] == [[f"{alert.tag} {alert.change}", alert.window] for alert in expected]
        for (_, _, odds, probability), alert in zip(rows, expected, strict=True):
            assert float(odds.replace(",", "")) == pytest.approx(alert.odds, rel=1e-3)
            assert float(probability) == pytest.approx(alert.probability, abs=5.1e-5)

        for place in (0, len(rows) - 1):
            alert = written.alerts[place]
            shown.locator("#list button").nth(place).click()
            top, left = (int(number) for number in re.findall(r"\d+", alert.window))
            assert shown.evaluate("[view.x, view.y]") == [left + 32, top + 32]
            assert f"{alert.tag} {alert.change}" in shown.locator("#summary").inner_text()
            cells = shown.locator(
                "#details tbody tr", has=shown.get_by_role("cell", name=alert.tag, exact=True)
            ).locator("td")
            at = written.table["window"].index(alert.window)
            values = [written.table[f"{what}_{alert.tag}"][at] for what in ("appeared", "vanished")]
            assert [float(text) for text in cells.all_inner_texts()[1:]] == pytest.approx(values, abs=5.01e-4)


@pytest.mark.slow
@needs_chromium
def test_windows_of_alerts_are_marked_and_others_are_not(written):
    counts = Counter(alert.tag for alert in written.alerts)
    tag = min(counts, key=counts.__getitem__)
    marked = {alert.window for alert in written.alerts if alert.tag == tag}
    assert 0 < len(marked) < 16
    with open_page(written.page) as shown:
        shown.locator("#show").select_option(label=tag)
        shown.locator("#opacity").fill("100")
        shown.wait_for_timeout(150)
        pixels = np.array(Image.open(io.BytesIO(shown.locator("#map").screenshot())).convert("RGB"), int)
        for place, name in enumerate(written.table["window"]):
            x, y = shown.evaluate(f"view.screenAt(...windows.box({place}).slice(0, 2).map((at) => at + 24))")
            colour = pixels[round(y), round(x)].tolist()
            first = next((alert for alert in written.alerts if alert.tag == tag and alert.window == name), None)
            marks = {"appeared": [0xD9, 0x5F, 0x02], "vanished": [0x2F, 0x5F, 0xD0]}
            assert (colour in marks.values()) == (name in marked)
            assert first is None or colour == marks[first.change]
        shown.locator("#show").select_option(label=f"{tag} appeared")
        listed = [float(row.locator("td").nth(1).inner_text()) for row in shown.locator("#list tbody tr").all()]
        assert listed == pytest.approx(sorted(written.table[f"appeared_{tag}"], reverse=True), abs=5.01e-4)
