import pytest

from amazon_tags.tables.labels import PLANET
from amazon_tags.tables.mend import edits, mend

NAMES = PLANET.names


@pytest.mark.parametrize(
    ("word", "tag"),
    [
        ("road", "road"),
        ("Road", "road"),
        ("'road',", "road"),
        ("[road]", "road"),
        ("Road?", "road?"),
        ("primray", "primary"),
        ("primarry", "primary"),
        ("agricultre?", "agriculture?"),
        ("selective_loging", "selective_logging"),
        ("bare-ground", "bare_ground"),
        ("BareGround", "bare_ground"),
        ("slash burn", "slash_burn"),
        ("partly‑cloudy", "partly_cloudy"),  # noqa: RUF001  a no-break hyphen
    ],
)
def test_case_punctuation_hyphens_and_errors_in_long_words_are_mended(word, tag):
    assert mend(word, NAMES).tag == tag


@pytest.mark.parametrize(
    "word",
    [
        "non_primary",
        "nonprimary",
        "no_road",
        "not_water",
        "unclear",
        "cloudless",
        "inhabitation",
        "uncultivation",
        "-road",
        "!road",
        "~road",
        "^road",
        "¬road",
        "(road)",
        "road??",
        "?road",
        "road2",
        "primary2",
        "2primary",
        "clera",
        "wtaer",
        "hazy",
        "mine",
        "farm",
        "river",
        "cloud",
        "aprimary",
        "blow_town",
        "slash_turn",
    ],
)
def test_negations_numbers_and_errors_in_short_words_are_not(word):
    assert mend(word, NAMES) is None


def test_a_word_that_is_near_two_labels_is_not_mended():
    assert mend("planned", ("planted", "road")).tag == "planted"
    assert mend("planned", ("planted", "planner")) is None
    assert mend("ROAD", ("Road", "road")) is None
    assert mend("bareground", ("bare_ground", "bare-ground")) is None


CLASSES = ("class_1", "class_11", "class_2", "lc_12", "level_1", "primary_1", "level_-3")


@pytest.mark.parametrize(
    "word",
    [
        "class_-1",
        "class--1",
        "class_1_1",
        "class_1-1",
        "lc_1-2",
        "level_-1",
        "level_\u20131",
        "primray_-1",
        "level_3",
        "-1",
        "level_2-",
        "class 1 1",
        "Level -1",
    ],
)
def test_numbers_and_their_signs_are_never_changed(word):
    assert mend(word, CLASSES) is None


@pytest.mark.parametrize(
    ("word", "tag"),
    [
        ("class-1", "class_1"),
        ("class1", "class_1"),
        ("Class 11", "class_11"),
        ("level--3", "level_-3"),
        ("primray-1", "primary_1"),
        ("LC12", "lc_12"),
    ],
)
def test_hyphens_and_blanks_before_a_number_are_mended(word, tag):
    assert mend(word, CLASSES).tag == tag


def test_a_short_or_numbered_part_of_a_label_is_not_mended():
    assert mend("no_foret", ("no_forest",)).tag == "no_forest"
    assert mend("on_forest", ("no_forest",)) is None
    assert mend("district_7a", ("district_7",)) is None
    assert mend("district7x", ("district7",)) is None


@pytest.mark.parametrize(
    ("one", "other", "count"), [("abc", "abc", 0), ("abc", "acb", 1), ("", "ab", 2), ("ab", "ba", 1)]
)
def test_edits_are_counted(one, other, count):
    assert edits(one, other) == edits(other, one) == count
