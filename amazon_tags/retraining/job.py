"""A retraining job: the TOML file that `amazon_tags retrain` reads; paths are relative to the file's folder.

registry = "models"             # where models go
runs = "runs"                   # a folder for each run, and the ledger
recipe = "default"              # of `amazon_tags train`
corrections = "corrections.csv" # image_name,tag,holds: yes or no, replaces what the tables say

[[data]]
chips = "chips"
table = "labels.csv"            # or a folder with a subfolder of chips for each class

[gate]
margin = 0.002

README.md of this folder lists all keys.
"""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amazon_tags.model.config import check_range, check_types
from amazon_tags.model.recipe import Recipe
from amazon_tags.model.recipe_file import choose_recipe, shipped_recipes
from amazon_tags.records import Json
from amazon_tags.tables import labels
from amazon_tags.tables.labels import LabelSpace

SETTINGS_RANGES = {"views": (1, 8), "jobs": (0, 256), "keep": (2, 10_000), "holdout": (0, 0.5)}
GATE_RANGES = {
    "margin": (0, 1),
    "worse": (0, 1),
    "recall": (0, 1),
    "stability": (0, 100),
    "growth": (1, 100),
    "disagreement": (0, 1),
    "gone": (0, 1),
}


@dataclass(frozen=True)
class GateLimits:
    """Limits of the data checks and model checks.

    Attributes:
        margin: how much lower than the current model's the candidate's F2 may be.
        worse: the probability that the candidate is worse must be below this.
        recall: how much the recall of a tag may fall.
        stability: the population stability index that the rate of a tag may reach.
        growth: by which factor the size and the time a chip may grow.
        disagreement: how much lower than on old chips the current model's F2 on new chips may be.
        gone: the share of the current model's training chips that may be missing, or have other tags.
    """

    margin: float = 0.002
    worse: float = 0.8
    recall: float = 0.10
    stability: float = 0.25
    growth: float = 1.2
    disagreement: float = 0.05
    gone: float = 0.2


@dataclass(frozen=True)
class DataSource:
    """Labelled chips: a folder or archive, and a label table, or a folder with a subfolder of chips for each class."""

    chips: Path
    table: Path


@dataclass(frozen=True)
class JobSettings:
    """The keys at the top of the file.

    Attributes:
        registry: folder of the models.
        runs: folder of the runs and the ledger.
        recipe: name of a recipe that comes with the package, or a TOML file.
        labels: `planet` or a TOML file.
        corrections: CSV file of corrections, if any.
        views: dihedral views of which out-of-fold scores are reported.
        jobs: threads; 0 means all cores.
        keep: how many models the registry keeps, beside those in use.
        holdout: share of the chips, drawn by their content, that no model is trained on.
        join_rows: whether to join the tags of all rows of an image in a table, as in one with a row for each tag.
        note: printed on the models' cards.
        tracking: name of an MLflow experiment; empty for none.
    """

    registry: str = "models"
    runs: str = "runs"
    recipe: str = "default"
    labels: str = "planet"
    corrections: str = ""
    views: int = 1
    jobs: int = 0
    keep: int = 5
    holdout: float = 0.2
    join_rows: bool = False
    note: str = ""
    tracking: str = ""


@dataclass(frozen=True)
class Job:
    """A job whose files all exist; see the module's docstring."""

    settings: JobSettings
    data: tuple[DataSource, ...]
    registry: Path
    runs: Path
    recipe: Recipe
    space: LabelSpace
    corrections: Path | None
    weights: dict[str, Path]
    gate: GateLimits

    @property
    def threads(self) -> int:
        """How many threads to use."""
        return self.settings.jobs or os.cpu_count() or 1


def read_job(path: Path) -> Job:
    """Read a job from its TOML file.

    Raises:
        ValueError: a key is unknown, missing, of another type or out of range; the message names file and key.
        FileNotFoundError: a file that the job names does not exist.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        return _parse(values, path.resolve().parent)
    except FileNotFoundError:
        raise
    except (RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _parse(values: Json, home: Path) -> Job:
    sources = _parse_sources(values.pop("data", None), home)
    weights = _pop_table(values, "weights")
    gate = _parse_gate(_pop_table(values, "gate"))
    settings = _parse_settings(values)
    _refuse_shared_folders(home, settings, sources)

    recipe, labels_file = settings.recipe, settings.labels
    if recipe not in shipped_recipes():
        recipe = str(_existing(home, recipe, "recipe"))
    if labels_file.lower().endswith(".toml"):
        labels_file = str(_existing(home, labels_file, "labels"))

    return Job(
        settings,
        data=sources,
        registry=(home / settings.registry).resolve(),
        runs=(home / settings.runs).resolve(),
        recipe=choose_recipe(recipe),
        space=labels.choose(labels_file),
        corrections=_existing(home, settings.corrections, "corrections") if settings.corrections else None,
        weights={name: _existing(home, value, f"weights of {name}") for name, value in weights.items()},
        gate=gate,
    )


def _pop_table(values: Json, name: str) -> Json:
    table = values.pop(name, None)
    if not isinstance(table, dict | None):
        raise ValueError(f"{name} is {table!r}, but must be a table, [{name}].")
    return table or {}


def _parse_settings(values: Json) -> JobSettings:
    check_types("the job (beside [[data]], [weights], [gate])", values, JobSettings)
    settings = JobSettings(**values)
    for key, (low, high) in SETTINGS_RANGES.items():
        check_range(key, getattr(settings, key), low, high)
    if settings.labels in labels.FROM_TABLE:
        raise ValueError(
            f"labels is {settings.labels}, but labels that change with the tables cannot be compared between runs; "
            "name a TOML file."
        )
    return settings


def _parse_gate(values: Json) -> GateLimits:
    check_types("[gate]", values, GateLimits)
    for key, (low, high) in GATE_RANGES.items():
        check_range(f"{key} of [gate]", values.get(key, low), low, high)
    return GateLimits(**values)


def _parse_sources(entries: Any, home: Path) -> tuple[DataSource, ...]:
    if not isinstance(entries, list) or not entries:
        raise ValueError("there is no [[data]]; add one with the keys chips and table.")
    return tuple(_parse_source(entry, home) for entry in entries)


def _parse_source(entry: Any, home: Path) -> DataSource:
    if not isinstance(entry, dict) or set(entry) != {"chips", "table"}:
        raise ValueError(f"an entry of [[data]] is {entry!r}, but must have the keys chips and table, and no others.")
    return DataSource(*(_existing(home, entry[key], f"{key} of [[data]]") for key in ("chips", "table")))


def _refuse_shared_folders(home: Path, settings: JobSettings, sources: tuple[DataSource, ...]) -> None:
    """Refuse a folder for models or runs that holds chips or tables: cleaning up could remove them."""
    registry, runs = ((home / name).resolve() for name in (settings.registry, settings.runs))
    if registry == runs:
        raise ValueError(f"registry and runs are one folder, {settings.runs!r}; give each its own.")
    for key, folder in (("registry", registry), ("runs", runs)):
        parent = next(path for path in (folder, *folder.parents) if path.exists())
        if not parent.is_dir():
            raise ValueError(f"{key} is {folder}, but {parent} is a file; name a folder.")
        for source in sources:
            inside = [path for path in (source.chips, source.table) if path.resolve().is_relative_to(folder)]
            if inside:
                raise ValueError(f"{inside[0]} lies in {folder}, which is {key}; give {key} a folder of its own.")


def _existing(home: Path, name: Any, what: str) -> Path:
    if not isinstance(name, str):
        raise ValueError(f"{what} is {name!r}, but must be a path.")
    if not (home / name).exists():
        raise FileNotFoundError(f"{home / name} ({what}) does not exist; create it, or name another.")
    if (home / name).is_dir() and not what.startswith(("chips", "table")):
        raise ValueError(f"{what} is {name!r}, a folder, but must be a file.")
    return home / name
