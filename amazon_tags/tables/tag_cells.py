"""Cells of tags: the words of a cell, the separators between them, and cells that say that there are none."""

import re
from collections.abc import Callable, Sequence

SEPARATORS = (",", ";", "|", "/", "+", "&", ":", ".", "\\", "•", "·", "，", "；", "、")  # noqa: RUF001  beside blanks
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


def split_word(word: str, find: Find) -> tuple[str, list[str]] | None:
    """Return the separator within a word and the tags between, or None unless each part is a tag.

    Blanks around the parts and empty parts do not count: `"clear,"` has one part.

    Example:
        >>> split_word("clear;road", {"clear": "clear", "road": "road"}.get)
        (';', ['clear', 'road'])
        >>> split_word("clear;rode", {"clear": "clear", "road": "road"}.get)
    """
    used = [separator for separator in SEPARATORS if separator in word]
    readings = {separator: _tags(word.split(separator), find) for separator in used}
    if len(used) > 1 and not any(tags is not None for tags in readings.values()):
        readings[" ".join(used)] = _tags(re.split("|".join(map(re.escape, used)), word), find)

    found = [(separator, tags) for separator, tags in readings.items() if tags is not None]
    if not found or any(tags != found[0][1] for _, tags in found):
        return None
    return found[0]


def _tags(parts: Sequence[str], find: Find) -> list[str] | None:
    """Return the tags that all parts stand for, but for empty ones, or None."""
    tags = [find(part.strip()) for part in parts if part.strip()]
    known = [tag for tag in tags if tag is not None]
    return known if len(known) == len(tags) else None
