"""A training recipe: one TOML file to frozen values; an unknown key is an error with the nearest name.

seed = 0
folds = 5
side = 256
decision = "cuts"

[[members]]
kind = "tuned"
name = "small"
backbone = "mobilenet_v3_small"
epochs = 12
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from amazon_tags import labels
from ensemble import member

Member = member.Frozen | member.Tuned
KINDS: dict[str, type[Member]] = {"frozen": member.Frozen, "tuned": member.Tuned}
DECISIONS = ("flat", "cuts", "chosen")
SHIPPED = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Recipe:
    """What `train` does: its members are averaged with equal weight.

    `side` is the chips' side in pixels. `decision` is `flat` (one cut of 0.2), `cuts` (a cut a label, fitted on
    out-of-fold scores) or `chosen` (what `amazon_tags tune` would choose by them).
    """

    members: tuple[Member, ...]
    seed: int = 0
    folds: int = 5
    side: int = 256
    decision: str = "cuts"


def choose(name_or_path: str) -> Recipe:
    """A recipe that ships with the package, by name, or a TOML file."""
    shipped = {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}
    path = shipped.get(name_or_path, Path(name_or_path))
    if not path.is_file():
        raise FileNotFoundError(f"{name_or_path} is neither a file nor one of the recipes {', '.join(shipped)}.")
    return read(path)


def read(path: Path) -> Recipe:
    """A recipe from a TOML file.

    Raises:
        ValueError: naming the file and the key that is unknown, missing, of another type or out of range.
    """
    try:
        return from_values(tomllib.loads(path.read_text(encoding="utf-8")))
    except (RecursionError, TypeError, ValueError) as error:  # both TOML and UTF-8 errors are ValueErrors
        raise ValueError(f"{path}: {error}") from error


def from_values(values: Mapping[str, Any]) -> Recipe:
    """A recipe from the values of its TOML file or of a manifest."""
    entries = values.get("members")
    if not isinstance(entries, list) or not entries:
        raise ValueError("the recipe has no [[members]]; name at least one.")
    rest = {key: value for key, value in values.items() if key != "members"}
    _check_types("the recipe", rest, Recipe)
    recipe = Recipe(members=tuple(_member(entry) for entry in entries), **rest)
    names = [entry.name for entry in recipe.members]
    if len(set(names)) < len(names):
        raise ValueError(f"two members have one name ({names}); names must differ.")
    _check_range("folds", recipe.folds, 2, 100)
    _check_range("side", recipe.side, 32, 1024)
    _check_range("seed", recipe.seed, 0, 2**32 - 1)
    _check_choice("decision", recipe.decision, DECISIONS)
    return recipe


def to_values(recipe: Recipe) -> dict[str, Any]:
    """What `from_values` reads back."""
    names = {made: kind for kind, made in KINDS.items()}
    members = [{"kind": names[type(entry)], **asdict(entry)} for entry in recipe.members]
    return {**asdict(recipe), "members": members}


def _member(entry: Mapping[str, Any]) -> Member:
    if not isinstance(entry, dict):
        raise ValueError(f"a member is {entry!r}; write [[members]] and its keys below.")
    kind = str(entry.get("kind", "missing"))
    _check_choice("kind of a member", kind, KINDS)
    values = {key: value for key, value in entry.items() if key != "kind"}
    made = KINDS[kind]
    _check_types(f"a {kind} member", values, made)
    missing = [name for name in ("name", "backbone") if name not in values]
    if missing:
        raise ValueError(f"a {kind} member has no {missing[0]}; add one.")
    if not re.fullmatch(r"[a-z0-9_]{1,40}", values["name"]):  # becomes a folder's name
        raise ValueError(f"{values['name']!r} is no name of a member; use up to 40 of a-z, 0-9 and _.")
    settings = made(**values)
    _check_choice("weights of a member", settings.weights, ("imagenet", "none"))
    if isinstance(settings, member.Tuned):
        _check_range("epochs", settings.epochs, 1, 1000)
        _check_range("batch", settings.batch, 1, 1024)
        _check_range("rate", settings.rate, 1e-8, 1)
        _check_range("warmup", settings.warmup, 0, 0.9)
        _check_range("decay", settings.decay, 0, 1)
        _check_range("dropout", settings.dropout, 0, 0.9)
    return settings


def _check_types(where: str, values: Mapping[str, Any], made: type) -> None:
    known = {entry.name: entry.type for entry in fields(made)}
    for key, value in values.items():
        if key not in known:
            raise ValueError(
                f"{where} has no key {key}{labels.did_you_mean(key, known)}; known are {', '.join(known)}."
            )
        right = (int, float) if known[key] is float else known[key]
        if isinstance(value, bool) or not isinstance(value, right):  # type: ignore[arg-type]
            raise ValueError(f"{key} of {where} is {value!r}, but must be {known[key].__name__}.")  # type: ignore[union-attr]


def _check_range(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{key} is {value}, but must lie in {low} to {high}.")


def _check_choice(key: str, value: str, choices: Any) -> None:
    if value not in choices:
        raise ValueError(f"{key} is {value}{labels.did_you_mean(value, choices)}; choose one of {', '.join(choices)}.")
