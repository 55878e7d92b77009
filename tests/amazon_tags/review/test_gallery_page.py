"""The gallery in a browser: what it shows, filters and sorts, by mouse and by keyboard."""

import numpy as np
import pytest
from PIL import Image

from amazon_tags.inspection.explain import ExplainOptions, inspect_explain
from amazon_tags.model import bundle, decision_file
from amazon_tags.review import gallery, pictures
from amazon_tags.review.gallery import GalleryOptions, write_gallery
from amazon_tags.review.page_folder import folder_of
from amazon_tags.review.pictures import SheetPlan
from amazon_tags.tables import labels, score_tables
from ensemble.decisions.decision import decide_tags, expected_f
from features.images import listing
from tests.amazon_tags.review.page_data import page_data
from tests.browser import accessibility_faults, needs_chromium, open_page, wait_for

pytestmark = [pytest.mark.slow, needs_chromium]

LABELS = labels.PLANET.names
HOSTILE = ["<img src=x onerror=alert(1)>", "a\"'&amp;b", "\u202e\u05d0\u05d1gpj.evil", "n" * 250]
NAMES = "[...document.querySelectorAll('.tile .name')].map((name) => name.textContent)"


@pytest.fixture
def small_sheets(monkeypatch):
    """Sheets of few chips beside the page, so that twelve chips need several."""
    monkeypatch.setattr(gallery, "MAX_INLINE", 5)
    for module in (gallery, pictures):
        monkeypatch.setattr(module, "THUMBNAILS", SheetPlan(96, 96, 2, 4))
    monkeypatch.setattr(pictures, "plan_full_view", lambda _: SheetPlan(256, 256, 2, 4))
    monkeypatch.setattr(gallery, "plan_full_view", lambda _: SheetPlan(256, 256, 2, 4))


def decided(scored):
    _, decision = decision_file.read(bundle.DEFAULT / "decision.json")
    tags = decide_tags(decision, scored.scores)
    return tags, expected_f(decision, scored.scores, tags)


def chosen(scored, rows):
    return [scored.names[row] for row in rows]


def test_filters_leave_exactly_the_right_chips(scored, tmp_path):
    page = tmp_path / "g.html"
    write_gallery(scored.table, [scored.chips], page)
    tags, expected = decided(scored)
    road, water = LABELS.index("road"), LABELS.index("water")
    shown_tag = next(column for column in range(17) if 0 < tags[:, column].sum() < 12)
    other_tag = next(c for c in range(17) if c != shown_tag and (tags[:, shown_tag] & ~tags[:, c]).any())

    with open_page(page) as shown:
        shown.wait_for_selector(".tile")
        assert shown.evaluate(NAMES) == scored.names
        assert shown.locator("#count").text_content() == "All 12 chips"

        buttons = shown.locator("#tag-buttons button")
        buttons.nth(shown_tag).click()
        assert shown.evaluate(NAMES) == chosen(scored, np.flatnonzero(tags[:, shown_tag]))
        buttons.nth(other_tag).click()
        buttons.nth(other_tag).click()
        assert shown.evaluate(NAMES) == chosen(scored, np.flatnonzero(tags[:, shown_tag] & ~tags[:, other_tag]))
        assert buttons.nth(other_tag).text_content().startswith(f"without {LABELS[other_tag]}")

        shown.locator("#show-all").click()
        wait_for(shown, "document.querySelector('#count').textContent === 'All 12 chips'")
        least, most = np.sort(scored.scores[:, road])[[3, 8]]
        shown.locator("#range-label").select_option(str(road))
        shown.locator("#score-least").fill(f"{least}")  # the shortest decimals of a 32-bit score: it is in the range
        shown.locator("#score-most").fill(f"{most}")
        inside = (scored.scores[:, road] >= least) & (scored.scores[:, road] <= most)
        assert inside.sum() == 6
        assert shown.evaluate(NAMES) == chosen(scored, np.flatnonzero(inside))

        bound = float(np.median(expected))
        shown.locator("#expected-least").fill(f"{bound}")
        assert shown.evaluate(NAMES) == chosen(scored, np.flatnonzero(inside & (expected >= bound)))
        shown.locator("#show-all").click()
        shown.locator("#name-part").fill("SAMPLE_1")
        assert shown.evaluate(NAMES) == ["sample_1", "sample_10", "sample_11"]
        shown.locator("#name-part").fill("no such chip")
        assert shown.evaluate(NAMES) == []
        assert accessibility_faults(shown) == []
        shown.locator("#show-all").click()

        wait_for(shown, "document.querySelector('#count').textContent === 'All 12 chips'")
        for key, values in ((str(water), scored.scores[:, water]), ("expected", expected.astype(np.float32))):
            shown.locator("#sort-key").select_option(key)
            for sign in (1, -1):
                shown.locator("#sort-order").select_option(str(sign))
                assert shown.evaluate(NAMES) == chosen(scored, np.argsort(sign * values, kind="stable"))
        shown.locator("#sort-key").select_option("name")
        assert shown.evaluate(NAMES) == scored.names[::-1]


def test_chips_that_cannot_be_used_come_last_and_pass_no_filter_of_scores(scored, tmp_path):
    (scored.chips / "sample_0.jpg").write_bytes(b"no picture")
    write_gallery(scored.table, [scored.chips], tmp_path / "g.html")
    with open_page(tmp_path / "g.html") as shown:
        shown.wait_for_selector(".tile")
        assert "is not an image" in shown.locator(".tile").first.text_content()
        for sign in ("1", "-1"):
            shown.locator("#sort-key").select_option("3")
            shown.locator("#sort-order").select_option(sign)
            assert shown.evaluate(NAMES)[-1] == "sample_0"
        shown.locator("#score-least").fill("0")
        assert len(shown.evaluate(NAMES)) == 11

        shown.locator("#show-all").click()
        wait_for(shown, "document.querySelector('#count').textContent === 'All 12 chips'")
        shown.locator(".tile").first.click()
        assert "is not an image" in shown.locator("#view-error").text_content()
        assert shown.locator("#view-table").is_hidden()
        assert accessibility_faults(shown) == []


@pytest.mark.usefixtures("small_sheets")
def test_a_chip_is_opened_left_and_followed_by_keyboard(scored, tmp_path):
    page = tmp_path / "gällery #1.html"  # a name that a link must quote
    write_gallery(scored.table, [scored.chips], page)
    assert len(list(folder_of(page).rglob("*.jpg"))) == 6
    tags, _ = decided(scored)
    with open_page(page) as shown:
        wait_for(shown, "document.querySelectorAll('canvas[data-row]').length === 12")  # all are drawn
        assert accessibility_faults(shown) == []
        shown.locator(".tile").first.focus()
        for key in ("ArrowRight", "ArrowRight", "Enter"):
            shown.keyboard.press(key)
        assert shown.locator("#view").is_visible()
        assert shown.locator("#view-name").text_content() == "sample_2"
        shown.wait_for_selector("#view-canvas[data-row='2']")
        assert accessibility_faults(shown) == []

        lines = shown.locator("#view-table tbody tr").all_text_contents()
        order = np.argsort(-scored.scores[2], kind="stable")
        written = [f"{LABELS[c]}{', a tag' if tags[2, c] else ''}{scored.scores[2, c]:.3f}" for c in order]
        assert lines == written

        shown.keyboard.press("ArrowRight")
        shown.keyboard.press("ArrowRight")
        assert shown.locator("#view-name").text_content() == "sample_4"
        shown.wait_for_selector("#view-canvas[data-row='4']")
        shown.keyboard.press("ArrowLeft")
        assert shown.locator("#view-place").text_content() == "4 of 12"
        shown.keyboard.press("Escape")
        assert shown.locator("#view").is_hidden()
        assert shown.evaluate("document.activeElement.querySelector('.name').textContent") == "sample_3"
        shown.keyboard.press("End")
        shown.keyboard.press("Enter")
        shown.keyboard.press("ArrowRight")  # nothing comes after the last
        assert shown.locator("#view-name").text_content() == "sample_11"
        shown.wait_for_selector("#view-canvas[data-row='11']")
        shown.screenshot(path=tmp_path / "view.png", clip=shown.locator("#view-canvas").bounding_box())

    with Image.open(tmp_path / "view.png") as drawn, Image.open(scored.chips / "sample_11.jpg") as chip:
        colours = [np.asarray(image.convert("RGB").resize((32, 32))).astype(int) for image in (drawn, chip)]
    assert np.abs(colours[0] - colours[1]).mean() < 6  # the chip itself, in its colours


def test_hostile_names_stay_text(scored, tmp_path):
    for number, name in enumerate(HOSTILE):
        (scored.chips / f"sample_{number}.jpg").rename(scored.chips / f"{name}.jpg")
    all_names = [*HOSTILE, *scored.names[len(HOSTILE) :]]
    score_tables.write_scores(scored.table, all_names, scored.scores, labels.PLANET)
    write_gallery(scored.table, [scored.chips], tmp_path / "g.html")
    with open_page(tmp_path / "g.html", width=390) as shown:
        shown.wait_for_selector(".tile")
        order = page_data(tmp_path / "g.html")["names"]
        assert set(order) == set(all_names)
        assert shown.evaluate(NAMES) == order[: len(shown.evaluate(NAMES))]
        shown.locator(".tile").first.click()
        for name in order:
            assert shown.locator("#view-name").text_content() == name
            assert shown.evaluate("document.documentElement.scrollWidth") == 390
            shown.keyboard.press("ArrowRight")


@pytest.mark.usefixtures("small_sheets")
def test_overlays_of_inspect_explain_are_shown(scored, tmp_path):
    chips = listing.chips([scored.chips]).take([1])
    inspect_explain(chips, None, ExplainOptions(tags=("road", "water"), overlays=tmp_path / "heat"))
    write_gallery(scored.table, [scored.chips], tmp_path / "g.html", GalleryOptions(overlays=tmp_path / "heat"))
    with open_page(tmp_path / "g.html") as shown:
        shown.wait_for_selector(".tile")
        shown.locator(".tile").nth(1).click()
        assert shown.locator("#view-overlays button").all_text_contents() == ["Chip", "road", "water"]
        shown.locator("#view-overlays button").nth(2).click()
        wait_for(shown, "document.querySelector('#view-overlay').naturalWidth === 256")
        assert shown.locator("#view-overlay").get_attribute("alt") == "Where water comes from in chip sample_1"
        assert shown.locator("#view-canvas").is_hidden()
        assert accessibility_faults(shown) == []
        shown.keyboard.press("ArrowRight")
        assert shown.locator("#view-overlays button").count() == 0
        assert shown.locator("#view-canvas").is_visible()


def test_of_many_chips_only_those_near_the_window_are_in_the_page(scored, own_decision, tmp_path):
    space, file = own_decision("tree")
    count = 3000
    for path in scored.chips.glob("*.jpg"):  # small files, so that the test is not about decoding
        with Image.open(path) as chip:
            chip.resize((32, 32)).save(path)
    for number in range(len(scored.names), count):
        (scored.chips / f"sample_{number}.jpg").hardlink_to(scored.chips / f"sample_{number % 12}.jpg")
    values = np.random.default_rng(0).random((count, 1), np.float32)
    score_tables.write_scores(scored.table, [f"sample_{number}" for number in range(count)], values, space)
    write_gallery(scored.table, [scored.chips], tmp_path / "g.html", GalleryOptions(decision=file, jobs=2))
    with open_page(tmp_path / "g.html") as shown:
        shown.wait_for_selector(".tile")
        shown.locator(".tile").first.focus()
        shown.keyboard.press("End")
        last = shown.evaluate("document.activeElement.querySelector('.name').textContent")
        assert last == "sample_2999"
        shown.wait_for_selector("canvas[data-row='2999']")
        assert shown.locator(".tile").count() < 100
        assert shown.locator("li:focus-within").get_attribute("aria-posinset") == "3000"
        shown.locator("#sort-key").select_option("0")
        order = np.argsort(values[:, 0], kind="stable")
        first = shown.evaluate(NAMES)
        assert first == [f"sample_{row}" for row in order[: len(first)]]
