"""Mend the spelling of a tag, where exactly one label can be meant.

Only case, stray punctuation, hyphens and underscores, and clear typing errors of long words are mended. A negation
(`no_road`, `unclear`, `cloudless`), a number, or a word that is near two labels is never changed.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

STRAY = "\"'`´‘’“”«»[]{}"  # noqa: RUF001  around a word; not parentheses, which may mark doubt
STRAY_BEHIND = STRAY + ".,;:"
BETWEEN_PARTS = re.compile(r"[-_\s‐‑–]+")  # noqa: RUF001  hyphens and dashes
NUMBER = re.compile(r"(?:(?<![^-_\s‐‑–])[-‐‑–])?\d+")  # noqa: RUF001  with the minus that stands after another mark
MIN_LETTERS_OF_LABEL = 7  # of a label whose typing errors are mended: shorter words are too near to others
MIN_LETTERS_OF_PART = 4  # of the part of a label that has the error: no_, un_, non_ and in_ change the meaning
MAX_EDITS_TO_OTHERS = 2  # by which no other label may be near


@dataclass(frozen=True)
class Mend:
    """The label that a word stands for, `tag?` included, and by what the word differs from it."""

    tag: str
    difference: str


def spelling(word: str) -> str:
    """Return a form in which spellings agree that differ only by case, hyphens, underscores, blanks and Unicode form.

    Numbers and their signs count: `class_1_1` is not `class_11`, nor is `class_-1` another spelling of `class_1`.

    Example:
        >>> spelling("Slash-Burn") == spelling("slash_burn")
        True
        >>> spelling("class_-1") == spelling("class_1")
        False
    """
    return " ".join([BETWEEN_PARTS.sub("", _folded(word)), *NUMBER.findall(word)])


@lru_cache(maxsize=1 << 16)
def mend(word: str, names: tuple[str, ...]) -> Mend | None:
    """Return which label a word stands for, or None if it is none, or if more than one can be meant.

    A question mark at the end stays. A word of nothing but punctuation stands for the empty text.

    Example:
        >>> mend("'Road?',", ("road", "water"))
        Mend(tag='road?', difference='stray punctuation and case')
        >>> mend("no_road", ("road", "water"))
    """
    if word.removesuffix("?") in names:
        return Mend(word, "")
    bare = word.lstrip(STRAY).rstrip(STRAY_BEHIND)
    tag, mark = (bare[:-1], "?") if bare.endswith("?") else (bare, "")
    stray = "stray punctuation" if bare != word else ""
    if not bare:
        return Mend("", stray)

    name, difference = _label(tag, names)
    if name is None:
        return None
    return Mend(name + mark, " and ".join(filter(None, [stray, difference])))


def _label(tag: str, names: Sequence[str]) -> tuple[str | None, str]:
    """Return the label of a tag without punctuation, and by what they differ."""
    if tag in names:
        return tag, ""
    same_but_case = [name for name in names if _folded(name) == _folded(tag)]
    if same_but_case:
        return (same_but_case[0], "case") if len(same_but_case) == 1 else (None, "")

    same_parts = [name for name in names if spelling(name) == spelling(tag)]
    if same_parts and tag[0].isalnum() and tag[-1].isalnum():  # -road may mean: not road
        return (same_parts[0], "hyphens or underscores") if len(same_parts) == 1 else (None, "")
    return _mistyped(tag, names), "a typing error"


def _mistyped(tag: str, names: Sequence[str]) -> str | None:
    """Return the only long label that one harmless edit turns into the tag, if no other label is near."""
    word = _joined(tag)
    forms = {name: _joined(name) for name in names}
    mistyped = [
        name
        for name, form in forms.items()
        if _is_clear_error(form, word) and NUMBER.findall(name) == NUMBER.findall(tag)
    ]
    if len(mistyped) != 1:
        return None
    others = [form for name, form in forms.items() if name != mistyped[0]]
    return None if any(edits(word, form) <= MAX_EDITS_TO_OTHERS for form in others) else mistyped[0]


def _is_clear_error(label: str, word: str) -> bool:
    """Return whether one edit turns a long label into the word, and no way to do so can change the meaning.

    Doubled letters leave several places for an edit, such as both in `pprimary`.
    """
    letters = sum(map(str.isalpha, label))
    if letters < MIN_LETTERS_OF_LABEL or abs(len(word) - len(label)) > 1:
        return False
    places = list(_single_edits(label, word))
    return bool(places) and all(_is_harmless(label, place, changed) for place, changed in places)


def _single_edits(label: str, word: str) -> Iterator[tuple[int, str]]:
    """Yield the place in the label, and the letters that change, of each edit that turns the label into the word."""
    for place in range(len(label) + 1):
        head, tail, letter = label[:place], label[place:], word[place : place + 1]
        if head + letter + tail == word and letter:
            yield place, letter  # inserted
        if tail and head + tail[1:] == word:
            yield place, tail[0]  # left out
        if tail and head + letter + tail[1:] == word and len(word) == len(label):
            yield place, tail[0] + letter
        if len(tail) > 1 and head + tail[1] + tail[0] + tail[2:] == word:
            yield place, tail[:2]


def _is_harmless(label: str, place: int, changed: str) -> bool:
    """Return whether an edit is of letters, off numbers, within a long part, and not at the part's first letter."""
    part_before, part_after = label[:place].rpartition("_")[2], label[place:].partition("_")[0]
    return (
        changed.isalpha()
        and not any(map(str.isdigit, label[max(place - 1, 0) : place + 2]))
        and bool(part_before)
        and len(part_before + part_after) >= MIN_LETTERS_OF_PART
    )


def edits(one: str, other: str) -> int:
    """Return the least number of inserted, omitted, replaced and exchanged neighbouring letters between two words.

    Source: the optimal string alignment distance.

    Example:
        >>> edits("primary", "primray"), edits("road", "rode"), edits("clear", "unclear")
        (1, 2, 2)
    """
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one):
        current = [row + 1]
        for column, letter_of_other in enumerate(other):
            least = min(last[column] + (letter != letter_of_other), last[column + 1] + 1, current[column] + 1)
            if row and column and letter == other[column - 1] and one[row - 1] == letter_of_other:
                least = min(least, before[column - 1] + 1)
            current.append(least)
        before, last = last, current
    return last[-1]


def _folded(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold()


def _joined(word: str) -> str:
    """Return a word in lower case, with underscores between its parts."""
    return BETWEEN_PARTS.sub("_", _folded(word))
