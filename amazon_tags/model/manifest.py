"""The manifest of a bundle as typed records: what the model is, how it was trained, what was measured.

`Manifest.to_json` gives the values of `manifest.json`, `Manifest.from_json` reads them. Keys that this version does not
know are ignored; keys that an older version did not write get the defaults below.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from amazon_tags import records
from amazon_tags.files.hashes import sha256_bytes
from amazon_tags.model.file_entry import FileEntry
from amazon_tags.model.measured_scores import Interval, MeasuredScores
from amazon_tags.model.recipe import Recipe, recipe_from_json
from amazon_tags.model.vector_origin import VectorInput
from amazon_tags.records import Json, json_keys
from amazon_tags.tables.labels import LabelSpace
from features.images.spec import ChipSpec

FORMAT = 2
VECTOR_FORMAT = 3  # of bundles that take vectors: versions that know only networks shall refuse these by their number
PAIR_FORMAT = 4  # of bundles that take pairs of chips, for the same reason
READABLE_FORMATS = (1, 2, 3, 4)  # 1 has no second level: it averages its members


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """The training data: numbers of chips and of groups of chips, a SHA-256 of all, and a note on origin and terms."""

    chips: int
    unlabelled: int = 0
    fingerprint: str
    groups: int = 0
    note: str = ""


@dataclass(frozen=True)
class SecondLevelTrial:
    """The out-of-fold F2 of a second level, and its gain over the mean of the members' scores."""

    f2: float
    gain: float
    interval: Interval


@dataclass(frozen=True)
class SecondLevelReport:
    """The name of the bundle's second level, and all that were tried, by name."""

    chosen: str = "mean"
    trials: Mapping[str, SecondLevelTrial] = field(default_factory=dict)


@json_keys(milliseconds="ms", mebibytes="mb", chosen="taken")
@dataclass(frozen=True)
class FrontEntry:
    """A choice of members on the front of time, size and F2; `chosen` marks the one that the bundle holds."""

    members: tuple[str, ...]
    milliseconds: float  # of one core, for a chip
    mebibytes: float
    f2: float
    chosen: bool


@json_keys(milliseconds="ms")
@dataclass(frozen=True)
class PrecisionCost:
    """The out-of-fold F2 that a precision loses against f32, and one core's time for a chip."""

    loss: float
    interval: Interval
    milliseconds: float


@json_keys(costs="prices")
@dataclass(frozen=True)
class PrecisionReport:
    """The costs of the measured precisions, f32 first; the largest loss that `auto` accepts, and what it chose."""

    auto: str
    limit: float
    costs: Mapping[str, PrecisionCost]


F32_ONLY = PrecisionReport("f32", 0.0, {"f32": PrecisionCost(0.0, (0.0, 0.0), 0.0)})


@dataclass(frozen=True)
class StartBundle:
    """The bundle whose trained backbones a model started from.

    Attributes:
        sha256: the digest of its manifest; the first 12 digits name it.
        members: its member that each member of the model started from, by the name of the latter.
        note: its note on the origin of its chips and their terms.
    """

    sha256: str
    members: Mapping[str, str]
    note: str = ""


@dataclass(frozen=True)
class PretrainedStart:
    """A backbone that was pretrained on chips without labels, from which a member started.

    Attributes:
        sha256: of its weight file.
        method: of pretraining.
        chips: how many there were.
        note: on their origin and terms.
    """

    sha256: str
    method: str
    chips: int
    note: str = ""


@dataclass(frozen=True)
class Compression:
    """How a bundle was made smaller from another.

    Attributes:
        sha256: the digest of the other bundle's manifest; the first 12 digits name it.
        strategy: what was pruned by.
        ratio: all parameters of its networks by those that are left.
        epochs: of fine-tuning afterwards.
        start: which networks were pruned and measured: `bundle` for those of the other bundle, which have seen none of
            the chips, or `recipe` for those that its recipe trained again for each fold, without the chips of the fold.
    """

    sha256: str
    strategy: str
    ratio: float
    epochs: int
    start: str


@dataclass(frozen=True)
class TeacherBundle:
    """Another bundle that members learnt from.

    Attributes:
        sha256: the digest of its manifest; the first 12 digits name it.
        shared: how many of the labelled chips it was trained on; None if it does not say.
        note: its note on the origin of its chips and their terms.
    """

    sha256: str
    shared: int | None
    note: str = ""


@json_keys(
    space="labels",
    spec="chips",
    optional=("pretrained", "licences", "vectors", "start", "ground", "compression", "teachers"),
)
@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        format: the number of the bundle's format.
        version: the version of amazon_tags that wrote the bundle.
        space: the label space.
        spec: the chips that its networks take; of a bundle that takes vectors, the chips that its backbone takes.
        ground: the side of the training chips on the ground in metres; None if nobody stated it.
        members: the folders' names in order, like 00-small.
        recipe: the JSON value of the training recipe; `read_recipe` parses it.
        started_from: the SHA-256 of the weight file that a backbone started from, by backbone; that of the file of a
            user's own backbone, by its name.
        start: the bundle whose backbones members started from; None if there is none.
        pretrained: the pretrained backbones that members started from, by the member's name.
        compression: how it was made smaller from another bundle; None if it was not.
        teachers: other bundles that members learnt from, by their names in the recipe.
        licences: the licence note of a user's own backbone, by its file's name.
        data: the training data.
        views: how many dihedral views the reported scores were averaged over, beside a single one.
        view_mean: how the scores of views are averaged, `mean` or `geometric`.
        decoder: the decision's decoder.
        second: the second level and those that were tried.
        shipped: the names of the recipe's members that the bundle holds.
        front: the choices of members that a budget was applied to; empty without a budget.
        precision: the costs of the measured precisions.
        scores: what was measured out of fold.
        vectors: the vectors that the bundle takes instead of chips; None for a bundle with networks.
        files: every other file of the bundle, by its path there.
        sha256: the digest of all values above; its first 12 digits name the model.
    """

    format: int = FORMAT
    version: str = ""
    space: LabelSpace
    spec: ChipSpec
    ground: float | None = None
    members: tuple[str, ...] = ()
    recipe: Json = field(default_factory=dict)
    started_from: Mapping[str, str] = field(default_factory=dict)
    start: StartBundle | None = None
    pretrained: Mapping[str, PretrainedStart] = field(default_factory=dict)
    compression: Compression | None = None
    teachers: Mapping[str, TeacherBundle] = field(default_factory=dict)
    licences: Mapping[str, str] = field(default_factory=dict)
    data: DataSummary | None = None
    views: int = 1
    view_mean: str = "mean"
    decoder: str = "flat"
    second: SecondLevelReport = SecondLevelReport()
    shipped: tuple[str, ...] = ()
    front: tuple[FrontEntry, ...] = ()
    precision: PrecisionReport = F32_ONLY
    scores: MeasuredScores | None = None
    vectors: VectorInput | None = None
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
        return records.to_json(self)

    @classmethod
    def from_json(cls, values: Json) -> "Manifest":
        """Return the manifest of the values of `manifest.json`; damaged values raise errors of many types."""
        return records.from_json(cls, values)


def digest(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the values of a `manifest.json`, without the digest that they hold."""
    rest = {key: value for key, value in values.items() if key != "sha256"}
    return sha256_bytes(json.dumps(rest, sort_keys=True).encode())
