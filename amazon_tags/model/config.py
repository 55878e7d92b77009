"""Keys and values that somebody wrote into a TOML file, held against what a dataclass takes."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from amazon_tags.tables.suggest import did_you_mean


def check_types(where: str, values: Mapping[str, Any], made: type) -> dict[str, Any]:
    """The keys that there are, with their types.

    Raises:
        ValueError: a key is unknown, with the nearest known one, or its value is of another type.
    """
    known = {entry.name: entry.type for entry in fields(made)}
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"{where} has no key {key}{did_you_mean(key, known)}; known are {', '.join(known)}.")
        if known[key] == tuple[str, ...]:
            if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
                raise ValueError(f"{key} of {where} is {value!r}, but must be a list of names.")
            continue
        right = (int, float) if known[key] is float else known[key]
        if isinstance(value, bool) or not isinstance(value, right):  # type: ignore[arg-type]
            raise ValueError(f"{key} of {where} is {value!r}, but must be {known[key].__name__}.")  # type: ignore[union-attr]
    return known


def check_range(key: str, value: float, low: float, high: float) -> None:
    """Raises ValueError unless the value lies in the range."""
    if not low <= value <= high:
        raise ValueError(f"{key} is {value}, but must lie in {low} to {high}.")


def check_choice(key: str, value: str, choices: Iterable[str]) -> None:
    """Raises ValueError, with the nearest choice, unless the value is one."""
    if value not in choices:
        raise ValueError(f"{key} is {value}{did_you_mean(value, choices)}; choose one of {', '.join(choices)}.")
