"""Label spaces: the tags that a chip may have, their order, and the rules between them."""

import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amazon_tags.records import Json, json_functions
from amazon_tags.tables import table_labels, tag_rows
from amazon_tags.tables.suggest import did_you_mean

Row = NDArray[np.bool_]  # (labels,)


@dataclass(frozen=True)
class LabelSpace:
    """The labels of a task and their rules.

    Attributes:
        name: of the label space, for messages.
        names: the labels, in the column order of every score matrix.
        groups: groups of labels of which exactly one holds on every chip.
        alone: labels that never hold together with another one.
    """

    name: str
    names: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...] = ()
    alone: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Write the labels in Unicode's NFC; refuse those that a table cannot hold, and rules that no chip can satisfy.

        Raises:
            ValueError: with the label and the reason.
        """
        for field in ("names", "alone"):
            object.__setattr__(self, field, tuple(map(_composed, getattr(self, field))))
        object.__setattr__(self, "groups", tuple(tuple(map(_composed, group)) for group in self.groups))
        where = f"label space {self.name!r}"
        if not self.names:
            raise ValueError(f"{where} has no labels; name at least one.")
        for name in self.names:
            if not name.isprintable() or not name or set(name) & set(' ,;"') or name == "image_name":
                raise ValueError(
                    f"{where}: {name!r} cannot be a label; a label is a word without spaces, commas, semicolons and "
                    "double quotes, other than image_name."
                )
        grouped = [name for group in self.groups for name in group]
        for what, names in (("labels", self.names), ("the groups", grouped), ("alone", self.alone)):
            name, times = Counter(names).most_common(1)[0] if names else ("", 0)
            if times > 1:
                raise ValueError(f"{where}: {name!r} is {times} times in {what}; keep it once.")
        for name in [*grouped, *self.alone]:
            if name not in self.names:
                raise ValueError(
                    f"{where}: {name!r} is in a group or in alone but is not a label{did_you_mean(name, self.names)}."
                )
        for group in self.groups:
            if len(group) < 2:
                raise ValueError(f"{where}: got a group of {len(group)} labels; a group needs at least 2.")
            outside = [name for name in self.alone if name not in group]
            if outside:
                raise ValueError(
                    f"{where}: {outside[0]!r} is in alone, but one of {', '.join(group)} must always hold; "
                    "put it into that group."
                )


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


PLANET = LabelSpace(
    name="planet",
    names=(
        "agriculture",
        "artisinal_mine",  # the competition's spelling
        "bare_ground",
        "blooming",
        "blow_down",
        "clear",
        "cloudy",
        "conventional_mine",
        "cultivation",
        "habitation",
        "haze",
        "partly_cloudy",
        "primary",
        "road",
        "selective_logging",
        "slash_burn",
        "water",
    ),
    groups=(("clear", "partly_cloudy", "cloudy", "haze"),),
    alone=("cloudy",),
)
SPACES = {"planet": PLANET}
FROM_TABLE = ("table", "folders")  # label spaces whose labels are those of a table


def encode(space: LabelSpace, tags: Iterable[str]) -> Row:
    """Return the row of a tag matrix for the tags of one chip.

    Raises:
        ValueError: a tag is not in the label space.

    Example:
        >>> encode(LabelSpace("sky", ("cloud", "sun")), ["sun"]).tolist()
        [False, True]
    """
    row = np.zeros(len(space.names), dtype=np.bool_)
    for tag in map(_composed, tags):
        if tag not in space.names:
            raise ValueError(f"{tag!r} is not a label of {space.name!r}{did_you_mean(tag, space.names)}.")
        row[space.names.index(tag)] = True
    return row


def decode(space: LabelSpace, row: ArrayLike) -> list[str]:
    """Return the tags that hold in one row of a tag matrix, in the order of the label space."""
    tags = np.asarray(row)
    if tags.shape != (len(space.names),) or tags.dtype != np.bool_:
        raise ValueError(
            f"Got a row of {tags.dtype} and shape {tags.shape}, needed bool and ({len(space.names)},), "
            f"one value for each label of {space.name!r}."
        )
    return [space.names[column] for column in np.flatnonzero(tags)]


def choose(name_or_path: str, table: Path | None = None) -> LabelSpace:
    """Return the label space of an option `--labels`.

    Args:
        name_or_path: `planet`, `table` for the tags that occur in `table`, `folders` for the names of its subfolders
            of chips, or the path of a TOML file.
        table: a label table, or a folder with a subfolder of chips for each class.

    Raises:
        ValueError: the name is unknown, or the table or file cannot be read as a label space.
    """
    if name_or_path in SPACES:
        return SPACES[name_or_path]
    if name_or_path in FROM_TABLE:
        if table is None:
            raise ValueError(
                f"The label space {name_or_path!r} needs a label table and got none; pass one, or name planet or a "
                "TOML file."
            )
        if name_or_path == "folders":
            tag_rows.chip_folders(table)  # raises for a table that is a file
        return from_table(table)
    path = Path(name_or_path)
    if path.suffix.lower() != ".toml" and not path.is_file():
        names = [*SPACES, *FROM_TABLE]
        raise ValueError(
            f"Unknown label space {name_or_path!r}{did_you_mean(name_or_path, names)}; "
            f"needed {', '.join(names)} or the path of a TOML file."
        )
    return read(path)


def from_table(path: Path) -> LabelSpace:
    """Return the label space of a label table's tags, columns or subfolders, sorted and without rules.

    Raises:
        ValueError: the table names no labels, or `table_labels.read_names` refuses it.
    """
    names = table_labels.read_names(path)
    if not names:
        raise ValueError(f"{path} has no tags in any row; at least one is needed.")
    try:
        return LabelSpace(path.stem, names)
    except ValueError as error:
        raise ValueError(f"{path}: {error} Spaces separate tags.") from error


def read(path: Path) -> LabelSpace:
    """Read a label space from a TOML file.

    `labels` is a list of names. `groups` (lists, or a table of lists), `alone` and `name` are optional.

    Raises:
        ValueError: the file is not TOML, or not a label space.
    """
    try:
        return _parse(tomllib.loads(path.read_bytes().decode("utf-8-sig")), path.stem)
    except (RecursionError, ValueError) as error:  # UnicodeDecodeError and TOMLDecodeError are ValueErrors
        raise ValueError(f"{path} is not a label space: {error}") from error


def to_json(space: LabelSpace) -> Json:
    """Return JSON values that `from_json` reads; a TOML file has the same keys."""
    return {
        "name": space.name,
        "labels": list(space.names),
        "groups": [list(group) for group in space.groups],
        "alone": list(space.alone),
    }


def from_json(value: Any) -> LabelSpace:
    """Return the label space that `to_json` wrote; raise ValueError for anything else."""
    if not isinstance(value, dict):
        raise ValueError(f"Got a label space as {type(value).__name__}, needed an object with the key labels.")
    return _parse(value, "labels")


def _parse(value: Mapping[str, Any], name: str) -> LabelSpace:
    keys = ("name", "labels", "groups", "alone")
    for key in value:
        if key not in keys:
            raise ValueError(f"unknown key {key!r}{did_you_mean(str(key), keys)}; the keys are {', '.join(keys)}.")
    if "labels" not in value:
        raise ValueError(f"the key labels is missing; got {', '.join(value) or 'no keys'}.")
    title = value.get("name", name)
    if not isinstance(title, str):
        raise ValueError(f"got name = {title!r}, needed text.")
    groups = value.get("groups", [])
    groups = list(groups.values()) if isinstance(groups, dict) else groups
    if not isinstance(groups, list):
        raise ValueError(f"got groups = {groups!r}, needed lists of labels.")
    return LabelSpace(
        name=title,
        names=_words("labels", value["labels"]),
        groups=tuple(_words("a group of groups", group) for group in groups),
        alone=_words("alone", value.get("alone", [])),
    )


def _words(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueError(f"got {value!r} for {key}, needed a list of names.")
    return tuple(value)


json_functions(LabelSpace, from_json, to_json)
