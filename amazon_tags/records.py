"""Records to JSON values and back, by cattrs: frozen dataclasses, whose keys may differ from their fields' names.

A JSON file keeps its keys when a field gets a better name. Unknown keys are ignored; absent ones get the default.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, get_origin

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

Json = dict[str, Any]
Record = TypeVar("Record")

CONVERTER = Converter(detailed_validation=False)  # it raises the first error, instead of a tree of all


def _scalar(value: Any, kind: type) -> Any:
    """Return a value that has its field's type; a float may stand in JSON as an integer."""
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    raise TypeError(f"{value!r} is not of the type {kind.__name__}")


for scalar in (bool, int, float, str):
    CONVERTER.register_structure_hook(scalar, _scalar)
CONVERTER.register_unstructure_hook_func(
    lambda kind: tuple in (kind, get_origin(kind)),
    lambda values: [CONVERTER.unstructure(value) for value in values],  # as JSON reads them back
)


def json_keys(
    *, omit_defaults: bool = False, optional: Collection[str] = (), **keys: str
) -> Callable[[type[Record]], type[Record]]:
    """Return a class decorator that gives fields other keys in JSON.

    Args:
        omit_defaults: leave out fields that have their default.
        optional: the fields that are left out if they have their default, where others are not.
        keys: the key of each field that is not named like its key.
    """

    def register(record: type[Record]) -> type[Record]:
        names: dict[str, Any] = {field: override(rename=key) for field, key in keys.items()}
        names |= {field: override(omit_if_default=True) for field in optional}
        read = make_dict_structure_fn(record, CONVERTER, **names)
        write = make_dict_unstructure_fn(record, CONVERTER, _cattrs_omit_if_default=omit_defaults, **names)
        CONVERTER.register_structure_hook(record, read)
        CONVERTER.register_unstructure_hook(record, write)
        return record

    return register


def json_functions(record: type[Record], read: Callable[[Any], Record], write: Callable[[Record], Any]) -> None:
    """Read and write a class by functions of its own wherever it is part of a record."""
    CONVERTER.register_structure_hook(record, lambda value, _: read(value))
    CONVERTER.register_unstructure_hook(record, write)


def to_json(record: Any) -> Json:
    """Return a record's JSON values, lists for tuples."""
    values: Json = CONVERTER.unstructure(record)
    return values


def from_json(record: type[Record], values: Any) -> Record:
    """Return the record of JSON values.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: the values are of another kind.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"a JSON object is needed, but this is {type(values).__name__}")
    return CONVERTER.structure(values, record)
