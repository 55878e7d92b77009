"""`check --repair` on random tables in random spellings: it loses no tag, is idempotent, and ends clean or says so."""

import unicodedata
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from amazon_tags.tables import labels, tag_rows
from amazon_tags.tables.check import check_table
from amazon_tags.tables.labels import LabelSpace
from features.images import naming

FREE = LabelSpace("free", ("forêt", "oil/gas", "road", "water", "waterway", "no_forest", "forest"))
SPACES = (labels.PLANET, FREE)
REPEATABLE = {"deadline": None, "derandomize": True, "database": None}  # the same tables in every run
CHIPS = ("a", "b_1", "São", "0007", "7")
ODD_WORDS = (  # words that stand for no label, or for one in more than one way
    "no_road",
    "non_primary",
    "unclear",
    "cloudless",
    "volcano",
    "-road",
    "!water",
    "road2",
    "primray",
    "not",
    "partly",
    "cloudy?;partly",
    "slash",
    "burn",
    "forst",
    "waterwa",
    "nan",
    "none",
    "[]",
    "?",
)

spellings = st.sampled_from(
    [
        str,
        str.upper,
        str.title,
        "'{}'".format,
        "{}.".format,
        "{},".format,
        "{}?".format,
        lambda tag: tag.replace("_", "-"),
        lambda tag: tag.replace("_", " "),
        lambda tag: unicodedata.normalize("NFD", tag),
    ]
)
separators = st.sampled_from([" ", "  ", "\t", ",", ", ", ";", "|", "/", " + ", "&", ":", "#", " > ", "-", "~"])
names = st.sampled_from(
    [
        str,
        "{}.jpg".format,
        "{} ".format,
        "{}\u00a0".format,
        "chips/{}.tif".format,
        "C:\\chips\\{}".format,
        lambda name: unicodedata.normalize("NFD", name),
    ]
)


@st.composite
def tables(draw) -> tuple[LabelSpace, list[tuple[str, str]]]:
    """A label space, and rows of a name and a cell of tags as a person may have written them."""
    space = draw(st.sampled_from(SPACES))
    rows = []
    for _ in range(draw(st.integers(1, 6))):
        tags = draw(st.lists(st.sampled_from(space.names), max_size=4))
        words = [draw(spellings)(tag) for tag in tags] + draw(st.lists(st.sampled_from(ODD_WORDS), max_size=1))
        cell = draw(separators).join(draw(st.permutations(words)))
        rows.append((draw(names)(draw(st.sampled_from(CHIPS))), cell))
    return space, rows


def write(path: Path, rows: list[tuple[str, str]]) -> None:
    quoted = ['"{}","{}"'.format(*(cell.replace('"', '""') for cell in row)) for row in rows]
    path.write_text("\n".join(["image_name,tags", *quoted]) + "\n", encoding="utf-8")


def labels_of_chips(path: Path, space: LabelSpace) -> dict[str, set[str]]:
    """The words of each chip's rows that are labels as they stand."""
    rows = tag_rows.read(path)
    known: dict[str, set[str]] = defaultdict(set)
    for name, cell in zip(rows.names, rows.cells, strict=True):
        known[naming.name(name)] |= set(cell.split()) & {*space.names, *(f"{label}?" for label in space.names)}
    return known


@settings(max_examples=300, **REPEATABLE)
@given(tables(), st.booleans())
def test_a_repair_loses_no_tag_is_idempotent_and_passes_or_says_what_is_left(table, join_rows):
    space, rows = table
    with TemporaryDirectory() as folder:
        source, copy, again = (Path(folder) / name for name in ("source.csv", "copy.csv", "again.csv"))
        write(source, rows)
        report = check_table(source, space, repaired=copy, join_rows=join_rows)
        repeated = check_table(copy, space, repaired=again, join_rows=join_rows)

        before, after = (labels_of_chips(path, space) for path in (source, copy))
        assert set(before) == set(after)
        assert all(before[chip] <= after[chip] for chip in before)
        assert again.read_bytes() == copy.read_bytes()
        assert repeated.mended == 0
        assert bool(report.left) == bool(repeated.left)
        assert report.left or not check_table(copy, space).findings
        assert repeated.tags_after == report.tags_after


@settings(max_examples=200, **REPEATABLE)
@given(st.sampled_from(SPACES), st.data())
def test_tags_that_are_misspelt_in_one_known_way_are_all_found_again(space, data):
    tags = data.draw(st.lists(st.sampled_from([name for name in space.names if "/" not in name]), min_size=1))
    spell = data.draw(st.sampled_from([str, str.upper, str.title, "'{}'".format]))
    separator = data.draw(st.sampled_from([" ", ",", ", ", ";", "|", "+", "&", "#", ">"]))
    with TemporaryDirectory() as folder:
        source, copy = Path(folder) / "source.csv", Path(folder) / "copy.csv"
        write(source, [("a", separator.join(map(spell, tags)))])
        check_table(source, space, repaired=copy)
        assert labels_of_chips(copy, space) == {"a": set(tags)}
