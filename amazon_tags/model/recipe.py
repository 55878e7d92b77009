"""A training recipe, of the values of a TOML file or a manifest; an unknown key is refused with the nearest known one.

For example:

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
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from amazon_tags.model.config import check_choice, check_range, check_types
from amazon_tags.records import Json
from ensemble.networks.settings import LOGITS, LOSSES, OUTPUTS, PAIRS, POOLS, SCHEDULES, SEES, FrozenMember, TunedMember
from ensemble.second_level.names import SECOND_LEVEL_NAMES
from features.images.layout import Layout, refuse_percentiles
from features.images.spec import SENSOR_BANDS, parse_many_bands
from features.initialisation.start import STARTS, TRANSFER, Start, refuse_unknown_start
from features.networks.foreign_settings import is_foreign

MemberSettings = FrozenMember | TunedMember
MEMBER_KINDS: dict[str, type[MemberSettings]] = {"frozen": FrozenMember, "tuned": TunedMember}
DECISIONS = ("flat", "cuts", "chosen")
SECOND_LEVEL_CHOICES = (*SECOND_LEVEL_NAMES, "chosen")
BANDS = (("red", "green", "blue"), ("blue", "green", "red", "nir"))
CHOICES = {  # the values that a member's key may have
    "weights": ("imagenet", "none"),
    "sees": SEES,
    "pool": POOLS,
    "pairs": PAIRS,
    "output": OUTPUTS,
    "logits": LOGITS,
    "loss": LOSSES,
    "schedule": SCHEDULES,
}
RANGES = {  # the lowest and the highest value of a member's key
    "shrink": (1, 8),
    "components": (0, 16),
    "epochs": (1, 1000),
    "batch": (1, 1024),
    "accumulate": (1, 1024),
    "rate": (1e-8, 1),
    "warmup": (0, 0.9),
    "decay": (0, 1),
    "dropout": (0, 0.9),
    "smoothing": (0, 0.5),
    "positive": (0.1, 100),
    "mixup": (0, 10),
    "freeze": (0, 1),
    "falloff": (1e-3, 1),
    "ema": (0, 0.99999),
    "progressive": (0, 1),
    "trust": (0, 1),
}
HYPERRULE_KEYS = ("epochs", "rate", "warmup", "decay", "mixup")  # that the schedule hyperrule sets by itself
STORED_NAMES = {"layer": "cut"}  # the key's old name, which bundles of format 2 keep; recipes may use either
# Left out where they have no effect, as bundles did before they could be.
LATER_KEYS = ("init", "logits", "components", "pairs")
MEMBER_NAME = "[a-z0-9_]{1,40}"
MAX_GROUND_METRES = 1e6  # of a chip's side; MODIS' pixels of 1 km make 256 km of 256 pixels


@dataclass(frozen=True)
class Recipe:
    """The settings of a training.

    Attributes:
        members: what is trained.
        seed: of all random numbers.
        folds: the number of folds of the cross-validation.
        side: the chips' side in pixels.
        bands: the bands that the networks take: three of 8 bits, four of a 16-bit sensor, or 5 to 16 of surface
            reflectance, red, green and blue among them.
        levels: what the levels of 16-bit chips are, like the option `--levels`.
        file_bands: the bands of the TIFs in their order, like the option `--bands`; none: as the files state.
        dates: 1, or 2 for a model of pairs of chips, like the option `--pairs`.
        ground: the side of a chip on the ground in metres, by which `map` cuts scenes; 0: not stated.
        second: how the members' scores are combined: a name of `SECOND_LEVELS`, or `chosen` by nested
            cross-validation.
        view_mean: how the scores of dihedral views are averaged, `mean` or `geometric`.
        decision: `flat` (one threshold of 0.2), `cuts` (one threshold for each label, fitted on out-of-fold scores) or
            `chosen` (what `amazon_tags tune` would choose on them).
        ship: the members that the bundle holds; all, if empty.
        budget_ms: milliseconds for a chip on one core that the bundle's members may take together; 0 for no limit.
        budget_mb: mebibytes that their files may have together; 0 for no limit.
    """

    members: tuple[MemberSettings, ...]
    seed: int = 0
    folds: int = 5
    side: int = 256
    bands: tuple[str, ...] = ("red", "green", "blue")
    levels: str = "auto"
    file_bands: tuple[str, ...] = ()
    dates: int = 1
    ground: float = 0.0
    second: str = "mean"
    view_mean: str = "mean"
    decision: str = "cuts"
    ship: tuple[str, ...] = ()
    budget_ms: float = 0.0
    budget_mb: float = 0.0

    def layout(self) -> Layout:
        """Return how the files of chips are read."""
        return Layout(self.file_bands or None, self.levels)

    def reading(
        self, bands: tuple[str, ...] | None, levels: str, *, ground: float | None = None, paired: bool = False
    ) -> "Recipe":
        """Return the same recipe for chips of these bands, levels and ground, or for pairs of chips.

        None, `auto` and False change nothing.
        """
        return replace(
            self,
            file_bands=bands or self.file_bands,
            levels=self.levels if levels == "auto" else levels,
            ground=ground or self.ground,
            dates=2 if paired else self.dates,
        )


def recipe_from_json(values: Mapping[str, Any]) -> Recipe:
    """Return the recipe of the values of its TOML file or of a manifest.

    Raises:
        ValueError: a key is unknown, missing, of another type or out of range.
    """
    entries = values.get("members")
    if not isinstance(entries, list) or not entries:
        raise ValueError("the recipe has no [[members]]; name at least one.")
    rest = {key: value for key, value in values.items() if key != "members"}
    check_types("the recipe", rest, Recipe)
    rest = {key: tuple(value) if isinstance(value, list) else value for key, value in rest.items()}
    recipe = Recipe(members=tuple(_member(entry) for entry in entries), **rest)
    _check_teachers(recipe.members)
    names = [entry.name for entry in recipe.members]
    if len(set(names)) < len(names):
        raise ValueError(f"two members have one name ({', '.join(names)}); give each member its own name.")
    check_range("folds", recipe.folds, 2, 100)
    check_range("side", recipe.side, 32, 1024)
    check_range("seed", recipe.seed, 0, 2**32 - 1)
    check_choice("decision", recipe.decision, DECISIONS)
    check_choice("second", recipe.second, SECOND_LEVEL_CHOICES)
    check_choice("view_mean", recipe.view_mean, ("mean", "geometric"))
    for name in recipe.ship:
        check_choice("a name of ship", name, names)
    if len(recipe.bands) > SENSOR_BANDS:
        recipe = replace(recipe, bands=parse_many_bands(recipe.bands))
    elif recipe.bands not in BANDS:
        raise ValueError(
            f"bands are {list(recipe.bands)}, but must be {' or '.join(str(list(bands)) for bands in BANDS)}, or the "
            "names of 5 to 16 bands."
        )
    recipe.layout()  # raises for levels or bands that cannot be
    refuse_percentiles(recipe.levels)
    check_range("dates", recipe.dates, 1, 2)
    check_range("ground", recipe.ground, 0, MAX_GROUND_METRES)
    check_range("budget_ms", recipe.budget_ms, 0, 1e6)
    check_range("budget_mb", recipe.budget_mb, 0, 1e6)
    return recipe


def recipe_to_json(recipe: Recipe) -> Json:
    """Return values that `recipe_from_json` reads back."""
    kinds = {record: kind for kind, record in MEMBER_KINDS.items()}
    members = [
        {"kind": kinds[type(entry)], **{STORED_NAMES.get(key, key): value for key, value in asdict(entry).items()}}
        for entry in recipe.members
    ]
    members = [without_later_defaults(member) for member in members]
    unstated = [
        key for key in ("levels", "file_bands", "dates", "ground") if getattr(recipe, key) == getattr(Recipe, key)
    ]
    values = {**asdict(recipe), "members": members}
    return {key: value for key, value in values.items() if key not in unstated}  # older bundles have none of these


def without_later_defaults(values: Json) -> Json:
    """Return a member's values without `LATER_KEYS` that have their default."""
    return {key: value for key, value in values.items() if key not in LATER_KEYS or value != getattr(TunedMember, key)}


def _member(entry: Mapping[str, Any]) -> MemberSettings:
    if not isinstance(entry, dict):
        raise ValueError(f"a member is {entry!r}; write [[members]] and the member's keys below it.")
    kind = str(entry.get("kind", "missing"))
    check_choice("kind of a member", kind, MEMBER_KINDS)
    values = {key: value for key, value in entry.items() if key != "kind"}
    for name, stored in STORED_NAMES.items():
        if name in values and stored in values:
            raise ValueError(f"a member has both {name} and {stored}, which mean the same; keep {name}.")
        if stored in values:
            values[name] = values.pop(stored)
    record = MEMBER_KINDS[kind]
    types = check_types(f"a {kind} member", values, record)
    missing = [name for name in ("name", "backbone") if name not in values]
    if missing:
        raise ValueError(f"a {kind} member has no {missing[0]}; add one.")
    if not re.fullmatch(MEMBER_NAME, values["name"]):  # it becomes a folder's name
        raise ValueError(f"{values['name']!r} is no name of a member; use 1 to 40 characters of a-z, 0-9 and _.")
    frozen: Json = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    settings = record(**frozen)
    for key, choices in CHOICES.items():
        if key in types:
            check_choice(f"{key} of a member", getattr(settings, key), choices)
    for key, (low, high) in RANGES.items():
        if key in types:
            check_range(f"{key} of a member", getattr(settings, key), low, high)
    if isinstance(settings, TunedMember):
        _check_together(settings, values)
    if is_foreign(settings.backbone):
        _check_foreign(settings)
    return settings


def _check_foreign(settings: MemberSettings) -> None:
    """Refuse what a backbone that is a file cannot do."""
    if isinstance(settings, TunedMember):
        raise ValueError(
            f"{settings.name} is a tuned member with the backbone {settings.backbone}, but such a network cannot be "
            'trained further; write kind = "frozen".'
        )
    plain = FrozenMember(settings.name, settings.backbone)
    for key in ("layer", "weights", "sees", "pool"):
        if getattr(settings, key) != getattr(plain, key):
            raise ValueError(
                f"{settings.name} has the backbone {settings.backbone}, so that {key} has no effect; remove {key}. "
                "The output and its pooling stand in the TOML file beside the backbone."
            )


def _check_together(settings: TunedMember, values: Mapping[str, Any]) -> None:
    """Refuse keys that have no effect because of another key."""
    _check_start(settings)
    if settings.schedule == "hyperrule" and settings.logits != "plain":
        raise ValueError(
            f"{settings.name} has schedule hyperrule, whose head starts with zeros, so that logits {settings.logits} "
            'have no direction; write logits = "plain" or schedule = "cosine".'
        )
    if settings.output == "softmax" and settings.loss != "cross_entropy":
        raise ValueError(
            f"{settings.name} has the loss {settings.loss} with a softmax over all labels; use loss cross_entropy."
        )
    ignored = {
        "schedule hyperrule": HYPERRULE_KEYS if settings.schedule == "hyperrule" else (),
        f"loss {settings.loss}": ("positive",) if settings.loss != "cross_entropy" else (),
        "output softmax": ("positive",) if settings.output == "softmax" else (),
        "no teachers": ("trust",) if not settings.teachers else (),
    }
    plain = TunedMember(settings.name, settings.backbone)
    for reason, keys in ignored.items():
        for key in keys:
            if key in values and getattr(settings, key) != getattr(plain, key):
                raise ValueError(f"{settings.name} has {reason}, so that {key} has no effect; remove {key}.")


def _check_start(settings: TunedMember) -> None:
    """Refuse a start that cannot be, and one that does not fit the member's other keys."""
    start = Start(settings.init)
    check_choice("init of a member", start.kind(), STARTS)
    refuse_unknown_start(settings.init)
    if settings.weights == "none" and start.kind() in ("stats", TRANSFER):
        raise ValueError(
            f"{settings.name} has init {settings.init} with weights none, but {start.kind()} starts from pretrained "
            'weights; remove weights, or write init = "random".'
        )


def is_bundle(teacher: str) -> bool:
    """Return whether a teacher is a bundle, by its folder or its stored name, rather than a member of the recipe."""
    return not re.fullmatch(MEMBER_NAME, teacher)


def _check_teachers(members: tuple[MemberSettings, ...]) -> None:
    earlier: list[str] = []
    for entry in members:
        for teacher in entry.teachers if isinstance(entry, TunedMember) else ():
            if teacher not in earlier and not is_bundle(teacher):
                raise ValueError(
                    f"{entry.name} has the teacher {teacher}, which is not an earlier member "
                    f"({', '.join(earlier) or 'none'}); name one, move {teacher} before it, or write "
                    f"./{teacher} for the folder of a bundle."
                )
        earlier.append(entry.name)
