"""Checks of the keys and values of a TOML file against the fields of a dataclass."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from amazon_tags.tables.suggest import did_you_mean


def check_types(where: str, values: Mapping[str, Any], record: type) -> dict[str, Any]:
    """Check that every key is a field of the dataclass `record` and that its value has the field's type.

    Args:
        where: what holds the values, for messages.
        values: the keys and values of the file.
        record: the dataclass.

    Returns:
        The types of all fields, by name.

    Raises:
        ValueError: a key is unknown, or its value has another type.
    """
    types = {entry.name: entry.type for entry in fields(record)}
    for key, value in values.items():
        if key not in types:
            raise ValueError(f"{where} has no key {key}{did_you_mean(key, types)}; it has {', '.join(types)}.")
        expected = types[key]
        if expected == tuple[str, ...]:
            if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
                raise ValueError(f"{key} of {where} is {value!r}, but must be a list of names.")
            continue
        accepted = (int, float) if expected is float else expected
        if isinstance(value, bool) != (expected is bool) or not isinstance(value, accepted):  # type: ignore[arg-type]
            raise ValueError(f"{key} of {where} is {value!r}, but must be {expected.__name__}.")  # type: ignore[union-attr]
    return types


def check_range(key: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless `low <= value <= high`."""
    if not low <= value <= high:
        raise ValueError(f"{key} is {value}, but must lie in {low} to {high}.")


def check_choice(key: str, value: str, choices: Iterable[str]) -> None:
    """Raise ValueError, with the nearest choice, unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(f"{key} is {value}{did_you_mean(value, choices)}; choose one of {', '.join(choices)}.")
