import numpy as np
import pytest

from amazon_tags.review import gallery
from amazon_tags.review.chip_tags import MAX_SHOWN, ChipTags, TaggedList
from amazon_tags.review.decided_chips import read_decision
from amazon_tags.tagger import Tagger
from ensemble.decisions.decision import expected_f
from features.images import listing
from features.images.stored import StoredImage
from tests.amazon_tags.review.page_data import page_data
from tests.browser import needs_chromium, open_page

READING = read_decision(None, None)
HOSTILE = "<script>alert(1)</script>\"'&"


@pytest.fixture
def results(scored):
    paths = listing.chips([scored.chips])
    return TaggedList(
        [ChipTags(name, ["road"], {"road": 0.755, "water": 0.1}) for name in paths.names()], paths, READING
    )


def test_a_table_has_a_picture_the_name_and_the_scores_of_the_tags_of_each_chip(results):
    table = results._repr_html_()
    assert table.count('<img src="data:image/jpeg;base64,') == len(results) == 12
    assert "<bdi>sample_7</bdi>" in table
    assert table.count("<bdi>road</bdi> 0.76") + table.count("<bdi>road</bdi> 0.75") == 12
    assert "water" not in table
    assert "12 chips</p>" in table


def test_a_slice_shows_its_own_chips_and_a_list_its_first_ones(results):
    part = results[3:5]
    assert part == list(results)[3:5]
    assert part._repr_html_().count("<img") == 2
    assert "sample_3" in part._repr_html_()
    assert results[0] == next(iter(results))

    pixels = np.random.default_rng(0).integers(256, size=(30, 16, 16, 3), dtype=np.uint8)
    names = [f"chip_{number}" for number in range(30)]
    many = TaggedList([ChipTags(name, [], {}) for name in names], [StoredImage("array", p) for p in pixels], READING)
    assert many._repr_html_().count("<img") == MAX_SHOWN
    assert f"30 chips, of which the first {MAX_SHOWN} are shown" in many._repr_html_()


def test_a_chip_that_is_gone_has_no_picture(results, scored):
    (scored.chips / "sample_0.jpg").unlink()
    (scored.chips / "sample_1.jpg").write_bytes(b"no picture")
    table = results._repr_html_()
    assert (table.count("<img"), table.count("no picture")) == (10, 2)


def test_names_and_tags_stay_text():
    image = StoredImage("array", np.random.default_rng(0).integers(256, size=(16, 16, 3), dtype=np.uint8))
    table = TaggedList([ChipTags(HOSTILE, [HOSTILE], {HOSTILE: 1.0})], [image], READING)._repr_html_()
    assert "<script" not in table
    assert table.count("&lt;script&gt;") == 3  # the name, the picture's description and the tag


def test_a_gallery_has_the_tags_and_scores_of_the_list(rendered, tmp_path):
    chips = Tagger.load(precision="f32").predict(rendered)[2:7]
    (tmp_path / "g.html").write_text(chips.gallery().page)
    data = page_data(tmp_path / "g.html")
    assert data["names"] == [chip.name for chip in chips]
    assert [dict(zip(data["labels"], row.tolist(), strict=True)) for row in data["scores"]] == [c.scores for c in chips]
    tags = [[name for name, on in zip(data["labels"], row, strict=True) if on] for row in data["tags"]]
    assert tags == [chip.tags for chip in chips]
    assert np.array_equal(data["expected"], expected_f(READING.decision, data["scores"], data["tags"]).astype("f4"))
    assert (data["full"], len(data["thumbnails"]["files"])) == (None, 1)


def test_a_gallery_of_an_array_has_its_pictures_and_one_of_too_many_chips_is_refused(monkeypatch):
    pixels = np.random.default_rng(0).integers(256, size=(6, 40, 40, 3), dtype=np.uint8)
    chips = Tagger.load(precision="f32").predict(pixels)
    assert "data:image/jpeg" in chips.gallery().page
    assert '"errors": {}' in chips.gallery().page
    assert "0 chips" in chips[:0].gallery().page
    monkeypatch.setattr(gallery, "MAX_INLINE", 5)
    with pytest.raises(ValueError, match=r"6 chips are too many.*\[:5\]"):
        chips.gallery()


@pytest.mark.slow
@needs_chromium
def test_a_gallery_works_in_the_frame_of_a_notebook(rendered, tmp_path):
    chips = Tagger.load(precision="f32").predict(rendered)
    (tmp_path / "notebook.html").write_text(
        f"<!doctype html><h1>Notebook</h1>{chips.gallery(height=500)._repr_html_()}"
    )
    with open_page(tmp_path / "notebook.html") as shown:
        frame = shown.frame_locator("iframe")
        frame.locator(".tile canvas[data-row='11']").wait_for()
        assert frame.locator(".tile").count() == 12
        frame.locator(".tile").first.press("Enter")
        assert frame.locator("#view-name").text_content() == "sample_0"
        frame.locator("#view-canvas[data-row='0']").wait_for()
        assert shown.locator("iframe").bounding_box()["height"] >= 500
