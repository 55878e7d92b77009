"""Cells of tags: the words of a cell, the separators between them, and cells that say that there are none."""

import re
import unicodedata
from collections.abc import Callable, Sequence

from amazon_tags.tables.mend import mend

SEPARATORS = (",", ";", "|", "/", "+", "&", ":", ".", "\\", "•", "·", "，", "；", "、")  # noqa: RUF001  beside blanks
NO_SEPARATORS = frozenset("_?!¬^='’()[]{}")  # noqa: RUF001  parts of names, or marks of doubt and negation
ANY_SEPARATOR = re.compile(rf"[\s{re.escape(''.join(SEPARATORS))}]+")
EMPTY_WORDS = frozenset({"nan", "none", "null", "na", "n/a", "<na>", "#n/a"})  # by which programs write an empty cell

Find = Callable[[str], str | None]  # takes a word, and returns the tag that it stands for, or None


def is_empty(cell: str, find: Callable[[str], object]) -> bool:
    """Return whether a cell holds nothing, or only a word for nothing, such as nan, for which `find` finds no tag."""
    word = cell.strip()
    return not word or (word.casefold() in EMPTY_WORDS and find(word) is None)


def words_of(cell: str) -> list[str]:
    """Return the words between blanks and separators of all kinds."""
    return [word for word in ANY_SEPARATOR.split(cell) if word]


def separators_in(text: str) -> list[str]:
    """Return the separators that a text holds; the point of a decimal is none."""
    return [mark for mark in SEPARATORS if mark in text and not (mark == "." and _is_between_digits(mark, text))]


def other_marks(word: str) -> list[str]:
    """Return the marks in a word that may separate tags, though they are seldom used so, such as `#`.

    A mark must have a part of the word on each side, or it may be a negation, as in `~road`, and must not be within a
    number.
    """
    return [
        mark
        for mark in dict.fromkeys(word)
        if unicodedata.category(mark)[0] in "PS"  # punctuation and symbols
        and mark not in NO_SEPARATORS.union(SEPARATORS)
        and all(word.split(mark))
        and not _is_between_digits(mark, word)
    ]


def _is_between_digits(mark: str, text: str) -> bool:
    return re.search(rf"\d{re.escape(mark)}\d", text) is not None


def split_word(word: str, find: Find, names: tuple[str, ...]) -> tuple[str, list[str]] | None:
    """Return the separator within a word and the tags between, or None unless each part is a tag.

    Blanks around the parts and empty parts do not count: `"clear,"` has one part. A mark that is seldom a separator
    counts if no label of `names` holds it, and if the whole word is no misspelt label, such as `slash-burn`.

    Example:
        >>> names = ("clear", "road")
        >>> split_word("clear;road", {"clear": "clear", "road": "road"}.get, names)
        (';', ['clear', 'road'])
        >>> split_word("clear;rode", {"clear": "clear", "road": "road"}.get, names)
    """
    used = separators_in(word)
    readings = {separator: _tags(word.split(separator), find) for separator in used}
    if len(used) > 1 and not any(tags is not None for tags in readings.values()):
        readings[" ".join(used)] = _tags(re.split("|".join(map(re.escape, used)), word), find)
    if (others := other_marks(word)) and mend(word, names) is None:
        others = [mark for mark in others if not any(mark in name for name in names)]
        readings |= {mark: _tags(word.split(mark), find) for mark in others}

    found = [(separator, tags) for separator, tags in readings.items() if tags is not None]
    if not found or any(tags != found[0][1] for _, tags in found):
        return None
    return found[0]


def _tags(parts: Sequence[str], find: Find) -> list[str] | None:
    """Return the tags that all parts stand for, but for empty ones, or None."""
    tags = [find(part.strip()) for part in parts if part.strip()]
    known = [tag for tag in tags if tag is not None]
    return known if len(known) == len(tags) else None
