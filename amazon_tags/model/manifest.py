"""The manifest of a bundle as typed records: what the model is, how it was trained, what was measured.

`Manifest.to_json` gives the values of `manifest.json`, `Manifest.from_json` reads them. Keys that this version does not
know are ignored; keys that an older version did not write get the defaults below.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from amazon_tags.files.hashes import sha256_bytes
from amazon_tags.model.measured_scores import Interval, MeasuredScores, interval
from amazon_tags.model.recipe import Recipe, recipe_from_json
from amazon_tags.tables import labels
from amazon_tags.tables.labels import LabelSpace
from features.images.chips import ChipSpec

Json = dict[str, Any]

FORMAT = 2
READABLE_FORMATS = (1, 2)  # 1 has no second level: it averages its members


@dataclass(frozen=True)
class FileEntry:
    """The size in bytes and the SHA-256 of a bundle's file."""

    size: int
    sha256: str

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "FileEntry":
        """Return the entry of its JSON value."""
        return cls(int(value["size"]), str(value["sha256"]))


@dataclass(frozen=True)
class DataSummary:
    """The training data: numbers of chips and of groups of chips, a SHA-256 of all, and a note on origin and terms."""

    chips: int
    fingerprint: str
    unlabelled: int = 0
    groups: int = 0
    note: str = ""

    def to_json(self) -> Json:
        """Return the summary's JSON value."""
        return {
            "chips": self.chips,
            "unlabelled": self.unlabelled,
            "fingerprint": self.fingerprint,
            "groups": self.groups,
            "note": self.note,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "DataSummary":
        """Return the summary of its JSON value."""
        return cls(**_known_keys(cls, value))


@dataclass(frozen=True)
class SecondLevelTrial:
    """The out-of-fold F2 of a second level, and its gain over the mean of the members' scores."""

    f2: float
    gain: float
    interval: Interval

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "SecondLevelTrial":
        """Return the trial of its JSON value."""
        return cls(value["f2"], value["gain"], interval(value["interval"]))


@dataclass(frozen=True)
class SecondLevelReport:
    """The name of the bundle's second level, and all that were tried, by name."""

    chosen: str = "mean"
    trials: Mapping[str, SecondLevelTrial] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "SecondLevelReport":
        """Return the report of its JSON value."""
        trials = {name: SecondLevelTrial.from_json(trial) for name, trial in value["trials"].items()}
        return cls(value["chosen"], trials)


@dataclass(frozen=True)
class FrontEntry:
    """A choice of members on the front of time, size and F2; `chosen` marks the one that the bundle holds."""

    members: tuple[str, ...]
    milliseconds: float  # of one core, for a chip
    mebibytes: float
    f2: float
    chosen: bool

    def to_json(self) -> Json:
        """Return the entry's JSON value."""
        return {
            "members": self.members,
            "ms": self.milliseconds,
            "mb": self.mebibytes,
            "f2": self.f2,
            "taken": self.chosen,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "FrontEntry":
        """Return the entry of its JSON value."""
        return cls(tuple(value["members"]), value["ms"], value["mb"], value["f2"], value["taken"])


@dataclass(frozen=True)
class PrecisionCost:
    """The out-of-fold F2 that a precision loses against f32, and one core's time for a chip."""

    loss: float
    interval: Interval
    milliseconds: float

    def to_json(self) -> Json:
        """Return the cost's JSON value."""
        return {"loss": self.loss, "interval": self.interval, "ms": self.milliseconds}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "PrecisionCost":
        """Return the cost of its JSON value."""
        return cls(value["loss"], interval(value["interval"]), value["ms"])


@dataclass(frozen=True)
class PrecisionReport:
    """The costs of the measured precisions, f32 first; the largest loss that `auto` accepts, and what it chose."""

    auto: str
    limit: float
    costs: Mapping[str, PrecisionCost]

    def to_json(self) -> Json:
        """Return the report's JSON value."""
        costs = {name: cost.to_json() for name, cost in self.costs.items()}
        return {"auto": self.auto, "limit": self.limit, "prices": costs}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "PrecisionReport":
        """Return the report of its JSON value."""
        costs = {name: PrecisionCost.from_json(cost) for name, cost in value["prices"].items()}
        return cls(value["auto"], value["limit"], costs)


F32_ONLY = PrecisionReport("f32", 0.0, {"f32": PrecisionCost(0.0, (0.0, 0.0), 0.0)})


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        space: the label space; in JSON `labels`.
        spec: the chips that its networks take; in JSON `chips`.
        recipe: the JSON value of the training recipe; `read_recipe` parses it.
        format: the number of the bundle's format.
        version: the version of amazon_tags that wrote the bundle.
        members: the folders' names in order, like 00-small.
        started_from: the SHA-256 of the weight file that a backbone started from, by backbone.
        data: the training data.
        views: how many dihedral views the reported scores were averaged over, beside a single one.
        view_mean: how the scores of views are averaged, `mean` or `geometric`.
        decoder: the decision's decoder.
        second: the second level and those that were tried.
        shipped: the names of the recipe's members that the bundle holds.
        front: the choices of members that a budget was applied to; empty without a budget.
        precision: the costs of the measured precisions.
        scores: what was measured out of fold.
        files: every other file of the bundle, by its path there.
        sha256: the digest of all values above; its first 12 digits name the model.
    """

    space: LabelSpace
    spec: ChipSpec
    recipe: Json
    format: int = FORMAT
    version: str = ""
    members: tuple[str, ...] = ()
    started_from: Mapping[str, str] = field(default_factory=dict)
    data: DataSummary | None = None
    views: int = 1
    view_mean: str = "mean"
    decoder: str = "flat"
    second: SecondLevelReport = SecondLevelReport()
    shipped: tuple[str, ...] = ()
    front: tuple[FrontEntry, ...] = ()
    precision: PrecisionReport = F32_ONLY
    scores: MeasuredScores | None = None
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    sha256: str = ""

    @property
    def name(self) -> str:
        """The first 12 digits of the digest, by which messages and registries name a model."""
        return self.sha256[:12]

    def read_recipe(self) -> Recipe:
        """Return the training recipe.

        Raises:
            ValueError: another version wrote a recipe that this one does not know.
        """
        return recipe_from_json(self.recipe)

    def to_json(self) -> Json:
        """Return the values of `manifest.json`."""
        values = {
            "format": self.format,
            "version": self.version,
            "labels": labels.to_json(self.space),
            "chips": asdict(self.spec),
            "members": self.members,
            "recipe": self.recipe,
            "started_from": dict(self.started_from),
            "data": self.data and self.data.to_json(),
            "views": self.views,
            "view_mean": self.view_mean,
            "decoder": self.decoder,
            "second": asdict(self.second),
            "shipped": self.shipped,
            "front": [entry.to_json() for entry in self.front],
            "precision": self.precision.to_json(),
            "scores": self.scores and self.scores.to_json(),
            "files": {name: asdict(entry) for name, entry in self.files.items()},
            "sha256": self.sha256,
        }
        return {key: _with_lists(value) for key, value in values.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Manifest":
        """Return the manifest of the values of `manifest.json`; damaged values raise errors of many types."""
        chips = value["chips"]
        return cls(
            space=labels.from_json(value["labels"]),
            spec=ChipSpec(tuple(chips["bands"]), chips["dtype"], chips["side"]),
            recipe=value.get("recipe", {}),
            format=value["format"],
            version=value["version"],
            members=tuple(str(name) for name in value["members"]),
            started_from=dict(value.get("started_from", {})),
            data=DataSummary.from_json(value["data"]) if value.get("data") else None,
            views=value.get("views", 1),
            view_mean=value.get("view_mean", "mean"),
            decoder=value.get("decoder", "flat"),
            second=SecondLevelReport.from_json(value["second"]) if "second" in value else SecondLevelReport(),
            shipped=tuple(value.get("shipped", ())),
            front=tuple(FrontEntry.from_json(entry) for entry in value.get("front", ())),
            precision=PrecisionReport.from_json(value["precision"]) if "precision" in value else F32_ONLY,
            scores=MeasuredScores.from_json(value["scores"]) if value.get("scores") else None,
            files={name: FileEntry.from_json(entry) for name, entry in value["files"].items()},
            sha256=value["sha256"],
        )


def digest(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the values of a `manifest.json`, without the digest that they hold."""
    rest = {key: value for key, value in values.items() if key != "sha256"}
    return sha256_bytes(json.dumps(rest, sort_keys=True).encode())


def _known_keys(record: type, value: Mapping[str, Any]) -> Json:
    return {key: value[key] for key in record.__dataclass_fields__ if key in value}  # type: ignore[attr-defined]


def _with_lists(value: Any) -> Any:
    """The value with lists for tuples, as JSON reads them back."""
    if isinstance(value, dict):
        return {key: _with_lists(entry) for key, entry in value.items()}
    return [_with_lists(entry) for entry in value] if isinstance(value, list | tuple) else value
