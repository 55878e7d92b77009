"""Label spaces: which tags there are, in which order, and which of them exclude each other."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amazon_tags.tables import csv_rows
from amazon_tags.tables.suggest import did_you_mean

Row = NDArray[np.bool_]  # (labels,)


@dataclass(frozen=True)
class LabelSpace:
    """The tags that a chip may carry.

    `names` is the column order of every score matrix. Of each group of `groups` exactly one holds on every chip;
    where a label of `alone` holds, nothing else does.
    """

    name: str
    names: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...] = ()
    alone: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses a space that no table could be written in, or no chip could satisfy."""
        where = f"label space {self.name!r}"
        if not self.names:
            raise ValueError(f"{where} has no labels; name one at least.")
        for name in self.names:
            if not name.isprintable() or not name or set(name) & set(' ,;"') or name == "image_name":
                raise ValueError(
                    f"{where}: {name!r} cannot be a label; needed a word without spaces, commas, semicolons and "
                    "double quotes, other than image_name."
                )
        grouped = [name for group in self.groups for name in group]
        for what, names in (("labels", self.names), ("the groups taken together", grouped), ("alone", self.alone)):
            name, times = Counter(names).most_common(1)[0] if names else ("", 0)
            if times > 1:
                raise ValueError(f"{where}: {name!r} stands {times} times in {what}; keep it once.")
        for name in [*grouped, *self.alone]:
            if name not in self.names:
                raise ValueError(
                    f"{where}: {name!r} stands in a group or in alone but is no label{did_you_mean(name, self.names)}."
                )
        for group in self.groups:
            if len(group) < 2:
                raise ValueError(f"{where}: got a group of {len(group)} labels, needed 2 at least: one of them holds.")
            outside = [name for name in self.alone if name not in group]
            if outside:
                raise ValueError(
                    f"{where}: {outside[0]!r} stands alone, yet one of {', '.join(group)} must always hold; "
                    "put it into that group."
                )


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


def encode(space: LabelSpace, tags: Iterable[str]) -> Row:
    """One row of a tag matrix.

    Example:
        >>> encode(LabelSpace("sky", ("cloud", "sun")), ["sun"]).tolist()
        [False, True]
    """
    row = np.zeros(len(space.names), dtype=np.bool_)
    for tag in tags:
        if tag not in space.names:
            raise ValueError(f"{tag!r} is no label of {space.name!r}{did_you_mean(tag, space.names)}.")
        row[space.names.index(tag)] = True
    return row


def decode(space: LabelSpace, row: ArrayLike) -> list[str]:
    """The tags that hold in one row of a tag matrix, in the space's order."""
    held = np.asarray(row)
    if held.shape != (len(space.names),) or held.dtype != np.bool_:
        raise ValueError(
            f"Got a row of {held.dtype} and shape {held.shape}, needed bool and ({len(space.names)},), "
            f"one value for each label of {space.name!r}."
        )
    return [space.names[place] for place in np.flatnonzero(held)]


def choose(name_or_path: str, table: Path | None = None) -> LabelSpace:
    """The label space that `planet`, `table` (what the label table itself implies) or a TOML file names."""
    if name_or_path in SPACES:
        return SPACES[name_or_path]
    if name_or_path == "table":
        if table is None:
            raise ValueError("Labels 'table' need a label table and got none; give one, or planet, or a TOML file.")
        return from_table(table)
    path = Path(name_or_path)
    if path.suffix.lower() != ".toml" and not path.is_file():
        known = [*SPACES, "table"]
        raise ValueError(
            f"Unknown label space {name_or_path!r}{did_you_mean(name_or_path, known)}; "
            f"needed {', '.join(known)} or the path of a TOML file."
        )
    return read(path)


def from_table(path: Path) -> LabelSpace:
    """The label space that a label table implies: its distinct tags, sorted, without any rules; `tag?` is `tag`."""
    cells = csv_rows.column(csv_rows.read(path, ("image_name", "tags")), "tags")
    tags = {tag.removesuffix("?") for cell in cells for tag in cell.split()} - {""}
    if not tags:
        raise ValueError(f"{path} has no tags in any row; needed one at least.")
    try:
        return LabelSpace(path.stem, tuple(sorted(tags)))
    except ValueError as error:
        raise ValueError(f"{path}: {error} Spaces separate tags.") from error


def read(path: Path) -> LabelSpace:
    """Reads a label space from TOML.

    `labels` is a list of names; `groups` (lists, or a table of lists), `alone` and `name` may be left out.
    """
    try:
        return _parse(tomllib.loads(path.read_bytes().decode("utf-8-sig")), path.stem)
    except (RecursionError, ValueError) as error:  # broken UTF-8 and broken TOML too
        raise ValueError(f"{path} is no label space: {error}") from error


def to_json(space: LabelSpace) -> dict[str, Any]:
    """Plain values that `from_json` reads back; a TOML file has the same keys."""
    return {
        "name": space.name,
        "labels": list(space.names),
        "groups": [list(group) for group in space.groups],
        "alone": list(space.alone),
    }


def from_json(value: Any) -> LabelSpace:
    """Reads back what `to_json` gave; anything else raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f"Got a label space as {type(value).__name__}, needed an object with the key labels.")
    return _parse(value, "labels")


def _parse(value: Mapping[str, Any], name: str) -> LabelSpace:
    keys = ("name", "labels", "groups", "alone")
    for key in value:
        if key not in keys:
            raise ValueError(f"unknown key {key!r}{did_you_mean(str(key), keys)}; known are {', '.join(keys)}.")
    if "labels" not in value:
        raise ValueError(f"the key labels is missing; got {', '.join(value) or 'no keys'}.")
    given = value.get("name", name)
    if not isinstance(given, str):
        raise ValueError(f"got name = {given!r}, needed text.")
    groups = value.get("groups", [])
    groups = list(groups.values()) if isinstance(groups, dict) else groups
    if not isinstance(groups, list):
        raise ValueError(f"got groups = {groups!r}, needed lists of labels.")
    return LabelSpace(
        name=given,
        names=_words("labels", value["labels"]),
        groups=tuple(_words("a group of groups", group) for group in groups),
        alone=_words("alone", value.get("alone", [])),
    )


def _words(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueError(f"got {value!r} for {key}, needed a list of texts.")
    return tuple(value)
