"""What `amazon_tags compress` is asked for, and the bundle and chips that it needs; it loads no network library."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from amazon_tags import progress
from amazon_tags.datasets.usable_chips import usable_rows
from amazon_tags.files.hashes import sha256
from amazon_tags.inspection.layered_model import SIGN, split_bundle
from amazon_tags.model import bundle, training_record
from amazon_tags.model.manifest import Manifest
from amazon_tags.model.recipe import MemberSettings, Recipe
from amazon_tags.tables.suggest import did_you_mean
from amazon_tags.training.preparation import TrainOptions, check_recipe, chip_spec, refuse_few_chips
from amazon_tags.training.start_bundle import WEIGHTS
from amazon_tags.training.training_data import TrainingData, TrainingSource, read_training_data
from ensemble.compression.strategies import STRATEGIES, with_controls
from ensemble.metrics import score
from ensemble.networks.settings import TunedMember
from features.images.layout import AS_STATED, Layout

Begin = Literal["recipe", "bundle"]  # where the measured networks come from; see `CompressedBundle.begin`
EPOCHS = 4
INT8 = "int8"  # the row of the unpruned networks in 8-bit integers
MAX_LOSS = 0.002  # of F2, that a point to ship may lose


@dataclass(frozen=True)
class CompressRequest:
    """What to measure.

    Attributes:
        ratios: compression ratios above 1, ascending.
        strategies: names of `STRATEGIES`, with the random controls that they need.
        seeds: how many times each point is pruned and fine-tuned.
        epochs: of each fine-tuning; 0 for none.
        options: weight files of backbones, and threads.
        layout: how bands and levels of the files are read.
        ship: a bundle to write; None for none.
        point: the strategy and the ratio to ship; None for the fastest that loses little.
        int8: whether to measure the unpruned networks in 8-bit integers too.
    """

    ratios: tuple[float, ...] = (2, 4, 8, 16)
    strategies: tuple[str, ...] = with_controls(("global-magnitude", "layer-magnitude", "global-gradient"))
    seeds: int = 3
    epochs: int = EPOCHS
    options: TrainOptions = field(default_factory=TrainOptions)
    layout: Layout = AS_STATED
    ship: Path | None = None
    point: tuple[str, float] | None = None
    int8: bool = False


@dataclass(frozen=True)
class CompressedBundle:
    """A bundle whose networks are made smaller.

    Attributes:
        folder: of the bundle.
        manifest: of the bundle.
        recipe: with the members to compress as `ship`, and their teachers.
        files: the weight file of each member to compress, by its name.
        begin: `bundle`, if no chip was trained on: the measured networks are the bundle's. Else `recipe`: for each
            fold a network is trained by the recipe without its chips, since the bundle's would know them.
        shared: how many of the chips the bundle was trained on; None if it does not say.
    """

    folder: Path
    manifest: Manifest
    recipe: Recipe
    files: Mapping[str, Path]
    begin: Begin = "recipe"
    shared: int | None = None

    def members(self) -> list[TunedMember]:
        """Return the members to compress."""
        chosen = (settings for settings in self.recipe.members if settings.name in self.recipe.ship)
        return [settings for settings in chosen if isinstance(settings, TunedMember)]


def read_compressed(text: str, request: CompressRequest) -> CompressedBundle:
    """Check a bundle, or one member of it, and find the weights of its networks.

    Args:
        text: the folder of a bundle, perhaps with `@` and one of its members.
        request: what to measure.

    Raises:
        BundleError: the bundle is damaged.
        ValueError: there is no such bundle or member, or a member has no weights that can be trained.
    """
    found = split_bundle(text)
    if not found:
        raise ValueError(f"{text} is not the folder of a bundle; name one, perhaps as BUNDLE{SIGN}MEMBER.")
    folder, chosen = found
    manifest = bundle.read_manifest(folder)
    if manifest.vectors:
        raise ValueError(f"{folder} has heads on vectors and no weights to prune; name a bundle with tuned members.")
    bundle.refuse_other_dates(folder, manifest)
    recipe = manifest.read_recipe().reading(request.layout.bands, request.layout.levels)
    stored = {name.partition("-")[2]: name for name in manifest.members}
    if chosen and chosen not in stored:
        raise ValueError(f"{folder} has no member {chosen}{did_you_mean(chosen, stored)}; it has {', '.join(stored)}.")

    settings = {member.name: member for member in recipe.members if member.name in ([chosen] if chosen else stored)}
    files = {}
    for name, member in settings.items():
        _refuse_member(folder, member, [other for other in settings.values() if isinstance(other, TunedMember)])
        file = f"members/{stored[name]}/{WEIGHTS}"
        bundle.read_checked(folder, manifest, file)
        files[name] = folder / file
    taught = _with_teachers(recipe, list(settings))
    members = tuple(member for member in recipe.members if member.name in taught)
    narrowed = replace(recipe, members=members, ship=tuple(settings), budget_ms=0.0, budget_mb=0.0)
    return CompressedBundle(folder, manifest, narrowed, files)


def _refuse_member(folder: Path, settings: MemberSettings, tuned: list[TunedMember]) -> None:
    if not isinstance(settings, TunedMember):
        names = ", ".join(member.name for member in tuned)
        advice = f"name one as BUNDLE{SIGN}MEMBER: {names}" if tuned else "it has no other; name another bundle"
        raise ValueError(
            f"{settings.name} of {folder} is a frozen member, whose weights were not trained and are not pruned; only "
            f"fine-tuned members are: {advice}."
        )
    if settings.output == "softmax":
        raise ValueError(
            f"{settings.name} of {folder} has a softmax over all labels, whose scale is only in its compiled network; "
            "name a member with another output."
        )


def _with_teachers(recipe: Recipe, names: list[str]) -> set[str]:
    """Return the names of members and of all that they learn from."""
    found = set(names)
    for settings in reversed(recipe.members):  # teachers stand before their students
        if settings.name in found and isinstance(settings, TunedMember):
            found |= set(settings.teachers)
    return found


def read_compress_data(
    source: TrainingSource, model: CompressedBundle, request: CompressRequest
) -> tuple[TrainingData, CompressedBundle]:
    """Read the labelled chips, and decide where the networks of the folds come from.

    Raises:
        OSError: a chip cannot be read.
        ValueError: the chips or their table cannot be used, there are too few chips, or networks of folds would have
            to be trained and cannot be.
    """
    jobs = request.options.jobs
    find_usable = partial(usable_rows, spec=chip_spec(model.recipe), listed=None, jobs=jobs)
    data = read_training_data(source, jobs, find_usable=find_usable, space=model.manifest.space)
    refuse_few_chips(data, model.recipe)
    if remark := score.remark_on_few(len(data.paths)):
        progress.say(remark)

    record = training_record.read(model.folder)
    shared = None if record is None else len(set(record.hashes) & set(data.hashes))
    if shared == 0:
        progress.say(
            f"{model.folder} was trained on none of these {len(data.paths)} chips: its networks are pruned as they are"
        )
        return data, replace(model, begin="bundle", shared=0)
    known = "perhaps all" if shared is None else f"{shared}"
    progress.say(
        f"{model.folder} was trained on {known} of these {len(data.paths)} chips, so that it would be measured on "
        f"chips that it knows: for each of {model.recipe.folds} folds, its recipe is trained again without the fold"
    )
    _refuse_other_starts(model, request.options.weights)
    check_recipe(model.recipe, request.options.weights, unlabelled=bool(source.unlabelled))
    return data, replace(model, shared=shared)


def _refuse_other_starts(model: CompressedBundle, weights: Mapping[str, Path]) -> None:
    """Refuse to train the recipe from other weights than those of the bundle's training."""
    advice = "or name chips that the bundle was not trained on"
    if model.manifest.start:
        raise ValueError(
            f"{model.folder} started from the bundle {model.manifest.start.sha256[:12]}, which is not at hand to train "
            f"networks of folds from; compress a bundle that started from files or ImageNet weights, {advice}."
        )
    if model.manifest.teachers:
        raise ValueError(
            f"members of {model.folder} learnt from another bundle ({', '.join(model.manifest.teachers)}), which is "
            f"not at hand to train networks of folds; compress a bundle without such teachers, {advice}."
        )
    used = [settings.backbone for settings in model.recipe.members]
    for name, digest in model.manifest.started_from.items():
        if name in used and (name not in weights or sha256(weights[name]) != digest):
            found = f"{weights[name]} is another" if name in weights else "none is given"
            raise ValueError(
                f"{name} of {model.folder} started from a weight file of SHA-256 {digest[:12]}..., but {found}; pass "
                f"--weights {name}=FILE with that file, {advice}."
            )


def parse_point(text: str, strategies: tuple[str, ...] = STRATEGIES) -> tuple[str, float]:
    """Return the strategy and the ratio of STRATEGY:RATIO.

    Raises:
        ValueError: it is something else.
    """
    strategy, _, number = text.partition(":")
    if strategy == INT8:
        raise ValueError(
            f"{text!r} is nothing to ship: a bundle holds its networks in int8 already; pass predict --precision int8."
        )
    try:
        ratio = float(number)
    except ValueError:
        ratio = 0.0
    if strategy not in strategies or not ratio > 1:
        raise ValueError(
            f"{text!r} must be STRATEGY:RATIO with a ratio above 1, such as channels:2; strategies are "
            f"{', '.join(strategies)}."
        )
    return strategy, ratio
