import numpy as np
import pytest

from amazon_tags.review.chip_tags import MAX_SHOWN, ChipTags, TaggedList
from features.images import listing
from features.images.stored import StoredImage

HOSTILE = "<script>alert(1)</script>\"'&"


@pytest.fixture
def results(scored):
    paths = listing.chips([scored.chips])
    return TaggedList([ChipTags(name, ["road"], {"road": 0.755, "water": 0.1}) for name in paths.names()], paths)


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
    many = TaggedList([ChipTags(f"chip_{n}", [], {}) for n in range(30)], [StoredImage("array", p) for p in pixels])
    assert many._repr_html_().count("<img") == MAX_SHOWN
    assert f"30 chips, of which the first {MAX_SHOWN} are shown" in many._repr_html_()


def test_a_chip_that_is_gone_has_no_picture(results, scored):
    (scored.chips / "sample_0.jpg").unlink()
    (scored.chips / "sample_1.jpg").write_bytes(b"no picture")
    table = results._repr_html_()
    assert (table.count("<img"), table.count("no picture")) == (10, 2)


def test_names_and_tags_stay_text():
    image = StoredImage("array", np.random.default_rng(0).integers(256, size=(16, 16, 3), dtype=np.uint8))
    table = TaggedList([ChipTags(HOSTILE, [HOSTILE], {HOSTILE: 1.0})], [image])._repr_html_()
    assert "<script" not in table
    assert table.count("&lt;script&gt;") == 3  # the name, the picture's description and the tag
