"""A job: what `amazon_tags retrain` does on its schedule, from one TOML file; its paths count from that file's folder.

registry = "models"             # where models go
runs = "runs"                   # what each run did, and the ledger
recipe = "default"              # of `amazon_tags train`
corrections = "corrections.csv" # image_name,tag,holds: yes or no, over what the tables say

[[data]]
chips = "chips"
table = "labels.csv"

[gate]
margin = 0.002
"""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amazon_tags.model.config import check_range, check_types
from amazon_tags.model.recipe import Recipe, choose_recipe, shipped_recipes
from amazon_tags.tables import labels
from amazon_tags.tables.labels import LabelSpace

GATE_RANGES = {  # least and most
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
    """What a candidate must keep to.

    `margin`: of F2 under the champion's. `worse`: of the probability of being worse. `recall`: how much a tag may lose.
    `stability`: of the population stability index of a tag's rate. `growth`: of size and time a chip, as a factor.
    `disagreement`: how much less F2 the champion may reach on new chips than on those before. `gone`: the share of the
    chips it learnt from that may be missing, or have other tags.
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
    """Labelled chips: a folder or archive, and a table `image_name,tags`."""

    chips: Path
    table: Path


@dataclass(frozen=True)
class JobSettings:
    """The keys at the top of the file.

    `views` are those that held-out scores are told of; `jobs` are threads, 0 all cores; `keep` models stay in the
    registry; `holdout` is the share of chips, drawn by their content, that no model is ever trained on. `tracking` is
    the name of an MLflow experiment, empty for none.
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
    note: str = ""
    tracking: str = ""


@dataclass(frozen=True)
class Job:
    """One retraining job, everything that it names found; see the head of this file."""

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
    """A job from its file.

    Raises:
        ValueError: naming the file and the key that is unknown, missing, of another type or out of range.
        FileNotFoundError: something that it names is not there.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        return _made(values, path.resolve().parent)
    except FileNotFoundError:
        raise
    except (RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _made(values: dict[str, Any], home: Path) -> Job:
    tables = {name: values.pop(name, None) for name in ("data", "weights", "gate")}
    for name in ("weights", "gate"):
        if not isinstance(tables[name], dict | None):
            raise ValueError(f"{name} is {tables[name]!r}, but must be a table, [{name}].")
    check_types("the job (beside [[data]], [weights], [gate])", values, JobSettings)
    settings = JobSettings(**values)
    for key, low, high in (("views", 1, 8), ("jobs", 0, 256), ("keep", 2, 10_000), ("holdout", 0, 0.5)):
        check_range(key, getattr(settings, key), low, high)
    if not isinstance(tables["data"], list) or not tables["data"]:
        raise ValueError("there is no [[data]]; give one with chips and table.")
    gate = tables["gate"] or {}
    check_types("[gate]", gate, GateLimits)
    for key, (low, high) in GATE_RANGES.items():
        check_range(f"{key} of [gate]", gate.get(key, low), low, high)
    if settings.labels == "table":
        raise ValueError(
            "labels is table, but labels that change with the tables cannot be compared; name a TOML file."
        )
    sources = tuple(_data(entry, home) for entry in tables["data"])
    _refuse_shared(home, settings, sources)
    shipped, packaged = settings.recipe in shipped_recipes(), not settings.labels.lower().endswith(".toml")
    return Job(
        settings,
        data=sources,
        registry=(home / settings.registry).resolve(),
        runs=(home / settings.runs).resolve(),
        recipe=choose_recipe(settings.recipe if shipped else str(_there(home, settings.recipe, "recipe"))),
        space=labels.choose(settings.labels if packaged else str(_there(home, settings.labels, "labels"))),
        corrections=_there(home, settings.corrections, "corrections") if settings.corrections else None,
        weights={name: _there(home, value, f"weights of {name}") for name, value in (tables["weights"] or {}).items()},
        gate=GateLimits(**gate),
    )


def _data(entry: Any, home: Path) -> DataSource:
    if not isinstance(entry, dict) or set(entry) != {"chips", "table"}:
        raise ValueError(f"an entry of [[data]] is {entry!r}; it has the keys chips and table, and no others.")
    return DataSource(*(_there(home, entry[key], f"{key} of [[data]]") for key in ("chips", "table")))


def _refuse_shared(home: Path, settings: JobSettings, sources: tuple[DataSource, ...]) -> None:
    """Refuse what would put models or runs where something else lies, which cleaning could take for theirs."""
    registry, runs = ((home / name).resolve() for name in (settings.registry, settings.runs))
    if registry == runs:
        raise ValueError(f"registry and runs are one folder, {settings.runs!r}; give each its own.")
    for key, folder in (("registry", registry), ("runs", runs)):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not there.is_dir():
            raise ValueError(f"{key} is {folder}, but {there} is a file; name a folder.")
        for source in sources:
            inside = [path for path in (source.chips, source.table) if path.resolve().is_relative_to(folder)]
            if inside:
                raise ValueError(f"{inside[0]} lies in {folder}, which is {key}; give {key} a folder of its own.")


def _there(home: Path, name: Any, what: str) -> Path:
    if not isinstance(name, str):
        raise ValueError(f"{what} is {name!r}, but must be a path.")
    if not (home / name).exists():
        raise FileNotFoundError(f"{home / name} ({what}) does not exist; make it, or name another.")
    if (home / name).is_dir() and not what.startswith("chips"):
        raise ValueError(f"{what} is {name!r}, a folder, but must be a file.")
    return home / name
