"""Repair one cell of tags: read it in the one way in which all that it holds are labels, or leave it as it stands."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.mend import mend
from amazon_tags.tables.tag_cells import is_empty, separators_in, split_word, words_of


@dataclass(frozen=True)
class Note:
    """One problem in one place of a table, and what a repaired copy has there.

    Attributes:
        problem: the kind of problem.
        example: what is wrong, for the message if it is the first of its kind.
        repair: what the copy has instead.
        left: whether the copy still has the problem.
    """

    problem: str
    example: str
    repair: str
    left: bool = False


@dataclass(frozen=True)
class Reading:
    """The tags of a cell in their order, with repeats, and a note for each of them that is written otherwise."""

    tags: tuple[str, ...]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class RepairedCell:
    """A cell of a repaired copy.

    Attributes:
        text: the cell of the copy.
        words: its tags; for a cell that is left, its words.
        notes: what was wrong.
        tags_before: how many tags the cell names as it stands.
    """

    text: str
    words: tuple[str, ...]
    notes: tuple[Note, ...]
    tags_before: int

    @property
    def is_left(self) -> bool:
        """Return whether the cell could not be read, and stands as it was."""
        return any(note.left for note in self.notes)


def ordered(tags: Iterable[str], space: LabelSpace) -> list[str]:
    """Return tags, once each, in the label space's order."""
    order = {name: place for place, name in enumerate(space.names)}
    return sorted(set(tags), key=lambda tag: (order[tag.removesuffix("?")], tag))


def repair_cell(cell: str, chip: str, space: LabelSpace) -> RepairedCell:
    """Return the cell with each tag a label or `tag?`, once and in the label space's order, or as it stands."""
    if is_empty(cell, lambda word: mend(word, space.names)):
        word = cell.strip()
        note = Note("a word for no tags", f"{word} of {chip}", "an empty cell")
        return RepairedCell("", (), (note,) if word else (), 0)

    words = tuple(cell.split())
    reading = read_cell(cell, chip, space)
    if reading is None:
        return RepairedCell(cell.strip(), words, _notes_on_unknown(words, chip, space), len(words))

    notes: tuple[Note, ...] = reading.notes
    if len(set(reading.tags)) < len(reading.tags):
        notes = (*notes, Note("a repeated tag", chip, "written once"))
    tags = ordered(reading.tags, space)
    return RepairedCell(" ".join(tags), tuple(tags), notes, len(reading.tags))


def read_cell(cell: str, chip: str, space: LabelSpace) -> Reading | None:
    """Return the tags that a cell names, or None if a part of it is no label, or if it can be read in two ways.

    A word that is a label as it stands must stay one: `partly cloudy` may mean partly_cloudy, or cloudy in part.
    """
    exact = {name: name for label in space.names for name in (label, f"{label}?")}
    words = cell.split()
    if exact.keys() >= set(words):
        return Reading(tuple(words))

    def find(part: str) -> str | None:
        found = mend(part, space.names)
        return None if found is None else found.tag

    readings = [_by_words(words, chip, space, find)]
    separators = [None, *separators_in(cell)]
    readings += [_by_separator(cell, separator, chip, find) for separator in separators]  # such as: clear, bare ground
    splits = [(None, [word]) if word in exact else split_word(word, exact.get, space.names) for word in words]
    certain = exact.keys() & words_of(cell)
    if None not in splits:  # as `truth_tables` reads the cell
        certain = {tag for split in splits if split for tag in split[1]}
    found = [reading for reading in readings if reading is not None]
    if any(not certain.issubset(reading.tags) for reading in found):
        return None
    return found[0] if found and all(set(other.tags) == set(found[0].tags) for other in found) else None


def _by_words(words: list[str], chip: str, space: LabelSpace, find: Callable[[str], str | None]) -> Reading | None:
    """Read each word between blanks as a label, or as labels that a separator joins."""
    exact = {name: name for label in space.names for name in (label, f"{label}?")}
    tags: list[str] = []
    notes: list[Note] = []
    for word in words:
        if word in exact:
            tags.append(word)
        elif split := split_word(word, exact.get, space.names):
            tags += split[1]
            notes.append(_separated(split[0], word, chip))
        elif found := mend(word, space.names):
            tags.append(found.tag)
            notes.append(_misspelt(found.difference, word, chip, found.tag))
        elif split := split_word(word, find, space.names):
            tags += split[1]
            notes.append(_separated(split[0], word, chip))
        else:
            return None
    return Reading(tuple(filter(None, tags)), tuple(notes))


def _by_separator(cell: str, separator: str | None, chip: str, find: Callable[[str], str | None]) -> Reading | None:
    """Read each part between separators as one label, which may be written with a blank."""
    parts = [part.strip() for part in cell.split(separator)] if separator else [cell.strip()]
    tags = [find(part) for part in parts if part]
    known = [tag for tag in tags if tag is not None]
    if len(known) < len(tags):
        return None
    note = (
        _separated(separator, cell.strip(), chip) if separator else _misspelt("a blank", cell.strip(), chip, known[0])
    )
    return Reading(tuple(filter(None, known)), (note,))


def _separated(separator: str, text: str, chip: str) -> Note:
    return Note(f"tags separated by {separator!r}", f"{text!r} of {chip}", "separated by spaces")


def _misspelt(difference: str, word: str, chip: str, tag: str) -> Note:
    repair = f"written as {tag}" if tag else "left out"
    return Note(f"a tag that differs from its label by {difference}", f"{word!r} of {chip}", repair)


def _notes_on_unknown(words: tuple[str, ...], chip: str, space: LabelSpace) -> tuple[Note, ...]:
    """Return a note for each word that is no label, or one note if only the whole can be read in two ways."""
    unknown = [word for word in words if mend(word, space.names) is None]
    return tuple(Note("an unknown tag", f"{word!r} of {chip}", "left as it is", left=True) for word in unknown) or (
        Note("tags that can be read in two ways", f"{' '.join(words)!r} of {chip}", "left as they are", left=True),
    )
