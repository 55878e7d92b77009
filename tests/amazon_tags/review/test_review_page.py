"""The page of a review in Chromium: used by keys, kept over a reload, exported as retrain reads it."""

import json
from pathlib import Path

import pytest

from amazon_tags.review.chips_to_review import ReviewTables
from amazon_tags.review.queue import QueueOptions
from amazon_tags.review.review import write_review
from amazon_tags.tables import corrections, labels, score_tables
from amazon_tags.tables.labels import LabelSpace
from tests.amazon_tags.review import reviews
from tests.browser import accessibility_faults, needs_chromium, open_page

SPACE = reviews.SPACE
HOSTILE = "<img src=x onerror=document.title='run'>'&\u202e" + "\u05d0" * 50
FULL = "() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }; }"

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture
def home(tmp_path):
    reviews.write_world(tmp_path, 30)
    return tmp_path


@pytest.fixture
def reviewed(home):
    """A page, and its queue."""
    queue = write_review(
        ReviewTables(home / "scores.csv", home / "labels.csv"),
        [home / "chips"],
        home / "review.html",
        options=QueueOptions(limit=20),
    )
    assert len(queue.chips) == 20
    return home / "review.html", queue


def press(shown, *keys):
    for key in keys:
        shown.keyboard.press(key)


def marked(shown):
    return shown.locator("#tags [aria-selected=true] .tag").text_content()


def exported(shown, folder: Path):
    with shown.expect_download() as download:
        press(shown, "e")
    assert download.value.suggested_filename == "corrections.csv"
    download.value.save_as(folder / "corrections.csv")
    return corrections.read(folder / "corrections.csv", SPACE)


def test_twenty_chips_are_reviewed_by_keys_and_exported(reviewed, tmp_path):
    file, queue = reviewed
    with open_page(file) as shown:
        press(shown, "r")
        shown.keyboard.type("Ana, B")
        press(shown, "Enter")
        for place, chip in enumerate(queue.chips):
            assert shown.locator("#name").text_content() == chip.name
            assert marked(shown) == SPACE.names[chip.asked[0]]
            press(shown, "n" if place % 2 else "y", "Enter")
        rows = exported(shown, tmp_path)

    expected = {}
    for place, chip in enumerate(queue.chips):
        for column in chip.asked:
            expected[chip.name, SPACE.names[column]] = column in chip.tags
        expected[chip.name, SPACE.names[chip.asked[0]]] = not place % 2
    assert {(row.chip, row.tag): row.holds for row in rows} == expected
    assert {row.reviewer for row in rows} == {"Ana, B"}
    assert all(row.time.endswith("Z") for row in rows)


def test_a_reload_keeps_answers_place_and_name(reviewed, tmp_path):
    with open_page(reviewed[0]) as shown:
        press(shown, "r", "A", "Enter", "y", "n", "ArrowRight", "n")
        assert "saved at" in shown.locator("#saved").text_content()
        before = exported(shown, tmp_path)
        place = shown.locator("#place").text_content()
        shown.reload()
        assert exported(shown, tmp_path) == before
        assert len(before) >= 3
        assert shown.locator("#place").text_content() == place
        assert shown.locator("#reviewer").input_value() == "A"


def test_undo_takes_back_answers_and_skips_one_by_one(reviewed, tmp_path):
    with open_page(reviewed[0]) as shown:
        first = marked(shown)
        press(shown, "y", "s", "n")
        press(shown, "u", "u")
        (row,) = exported(shown, tmp_path)
        assert (row.tag, row.holds) == (first, True)
        press(shown, "u", "u")
        assert exported(shown, tmp_path) == []
        assert marked(shown) == first


def test_a_confirmed_chip_is_undone_at_once(reviewed, tmp_path):
    with open_page(reviewed[0]) as shown:
        press(shown, "Enter")
        assert len(exported(shown, tmp_path)) == len(reviewed[1].chips[0].asked)
        press(shown, "u")
        assert exported(shown, tmp_path) == []
        assert shown.locator("#name").text_content() == reviewed[1].chips[0].name


def test_a_skipped_tag_is_not_confirmed_with_the_others(reviewed, tmp_path):
    with open_page(reviewed[0]) as shown:
        skipped = marked(shown)
        press(shown, "s", "Enter")
        rows = exported(shown, tmp_path)
        assert len(rows) == len(reviewed[1].chips[0].asked) - 1
        assert skipped not in {row.tag for row in rows}
        assert shown.locator("#name").text_content() == reviewed[1].chips[1].name


def test_a_tag_is_searched_for_and_added(reviewed, tmp_path):
    with open_page(reviewed[0]) as shown:
        press(shown, "/")
        shown.keyboard.type("mine")
        press(shown, "Enter")
        assert "2 tags match" in shown.locator("#search-message").text_content()
        shown.locator("#search").fill("slash_b")
        press(shown, "Enter")
        (row,) = exported(shown, tmp_path)
        assert (row.tag, row.holds) == ("slash_burn", True)


def test_a_yes_to_one_weather_is_a_no_to_the_other(home, tmp_path):
    reviews.change_score(home, "chip_0", "haze", 0.99)
    tables = ReviewTables(home / "scores.csv", home / "labels.csv")
    write_review(tables, [home / "chips"], home / "review.html", options=QueueOptions("errors"))
    with open_page(home / "review.html") as shown:
        assert marked(shown) == "haze"
        press(shown, "y")
        assert {row.tag: row.holds for row in exported(shown, tmp_path)} == {"haze": True, "clear": False}
        press(shown, "u")
        assert exported(shown, tmp_path) == []


def test_another_queue_has_answers_of_its_own(home, reviewed):
    file, _ = reviewed
    with open_page(file) as shown:
        press(shown, "y")
        keys = shown.evaluate("Object.keys(localStorage)")
        reviews.change_score(home, "chip_0", "haze", 0.99)
        write_review(ReviewTables(home / "scores.csv", home / "labels.csv"), [home / "chips"], file)
        shown.goto(file.as_uri())
        press(shown, "y")
        assert len(shown.evaluate("Object.keys(localStorage)")) == len(keys) + 1


def test_answers_that_cannot_be_read_are_reported_and_replaced(reviewed):
    with open_page(reviewed[0]) as shown:
        press(shown, "y")
        shown.evaluate("localStorage.setItem(page.key, '{')")
        shown.reload()
        assert "cannot be read" in shown.locator("#trouble").text_content()
        press(shown, "n")
        assert "saved at" in shown.locator("#saved").text_content()


def test_a_browser_that_keeps_nothing_is_reported_and_exports_all_the_same(reviewed, tmp_path):
    with open_page(reviewed[0]) as shown:
        shown.evaluate(FULL)
        press(shown, "y")
        assert "keeps nothing" in shown.locator("#trouble").text_content()
        assert shown.locator("#saved").text_content() == ""
        assert len(exported(shown, tmp_path)) == 1


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_accessible_and_not_wider_than_the_screen(reviewed, width):
    with open_page(reviewed[0], width=width) as shown:
        press(shown, "y", "n")
        assert accessibility_faults(shown) == []
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        press(shown, "?")
        assert accessibility_faults(shown) == []
        press(shown, "Escape", "n")
        assert shown.locator("#help").is_hidden()


def test_hostile_names_and_tags_stay_text(home, tmp_path):
    space = LabelSpace("hostile", (HOSTILE.replace(" ", "_").replace("\u202e", ""), "</script><b>", "road"))
    (home / "chips" / "chip_0.jpg").rename(home / "chips" / f"{HOSTILE}.jpg")
    ids, scores, _ = score_tables.read_scores(home / "scores.csv", SPACE)
    score_tables.write_scores(home / "odd.csv", [HOSTILE, *ids[1:]], scores[:, :3], space)
    (home / "odd.toml").write_text(f"labels = {json.dumps(list(space.names))}\n")
    tables = ReviewTables(home / "odd.csv", space=str(home / "odd.toml"))
    queue = write_review(tables, [home / "chips"], home / "review.html", options=QueueOptions(limit=30))
    place = [chip.name for chip in queue.chips].index(HOSTILE)
    with open_page(home / "review.html") as shown:
        press(shown, *["ArrowRight"] * place)
        assert shown.locator("#name").text_content() == HOSTILE
        press(shown, "y")
        assert shown.title() != "run"
        with shown.expect_download() as download:
            press(shown, "e")
        download.value.save_as(tmp_path / "corrections.csv")
    (row,) = corrections.read(tmp_path / "corrections.csv", labels.choose(str(home / "odd.toml")))
    assert row.chip == HOSTILE
    assert row.tag in space.names
