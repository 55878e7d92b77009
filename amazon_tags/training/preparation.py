"""All that is refused before a training starts: outputs, recipe, weight files, tables, chips, and too few of them.

Importing this loads no network library, so that the first word comes at once; `train` then fits.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from amazon_tags import progress
from amazon_tags.datasets.usable_chips import usable_rows
from amazon_tags.files import preflight
from amazon_tags.model.recipe import MemberSettings, Recipe, is_bundle
from amazon_tags.tables.suggest import did_you_mean
from amazon_tags.training.layer_names import refuse_layer
from amazon_tags.training.start_bundle import BundleStart, read_start
from amazon_tags.training.training_data import LabelledData, TrainingData, TrainingSource, read_training_data
from ensemble.choice import INNER_FOLDS
from ensemble.decisions import tuning
from ensemble.metrics import folds, score
from ensemble.networks.settings import HEADS, FrozenMember, TunedMember
from features.images.spec import ChipSpec
from features.initialisation.start import Start
from features.networks import weight_files
from features.networks.backbone_shapes import BACKBONE_SHAPES, NEEDED_BANDS, refuse_components, refuse_pool, refuse_side
from features.networks.foreign_settings import is_foreign

CHOSEN_SECOND = (INNER_FOLDS, 2)  # folds of each fold's rest: of the choice, and of the ridge regressions within


@dataclass(frozen=True)
class TrainOptions:
    """Options of a training, beside its recipe.

    Attributes:
        weights: files to start a backbone from, by its name, instead of the recipe's weights.
        views: the number of dihedral views to report held-out scores of, beside a single one.
        jobs: threads.
        bank: a folder that keeps vectors of frozen members for other runs.
        start_from: a bundle whose trained backbones members of `train` start from.
        unusable: leave out chips that cannot be used, and list them in this file; None makes such a chip an error.
    """

    weights: dict[str, Path] = field(default_factory=dict)
    views: int = 1
    jobs: int = 2
    bank: Path | None = None
    start_from: Path | None = None
    unusable: Path | None = None


def prepare(source: TrainingSource, output: Path, *, recipe: Recipe, options: TrainOptions) -> TrainingData:
    """Refuse what cannot be trained, and read the training data.

    Raises:
        FileExistsError: `output` exists.
        OSError: an output cannot be written, or a chip cannot be read.
        ValueError: the recipe, the chips or their table cannot be used, or there are too few chips.
    """
    check_outputs(output)
    start = bundle_start(recipe, options)
    data = prepare_data(source, recipe=start.recipe(recipe) if start else recipe, options=options)
    if start:
        start.refuse_trained_chips(data.hashes)
    return data


def bundle_start(recipe: Recipe, options: TrainOptions) -> BundleStart | None:
    """Return the bundle that members start from, or None; see `read_start` for what is refused."""
    folder = options.start_from
    return None if folder is None else read_start(folder, recipe, chip_spec(recipe), options.weights)


def prepare_data(source: TrainingSource, *, recipe: Recipe, options: TrainOptions) -> TrainingData:
    """As `prepare`, for a run that writes no bundle."""
    _refuse_dates(recipe, source)
    check_recipe(recipe, options.weights, unlabelled=bool(source.unlabelled))
    source.note.encode()  # raises for text that the card cannot hold, before the work
    if options.unusable:
        preflight.refuse_outputs([options.unusable], [source.table])
    find_usable = partial(usable_rows, spec=chip_spec(recipe), listed=options.unusable, jobs=options.jobs)
    data = read_training_data(source, options.jobs, find_usable=find_usable)
    refuse_few_chips(data, recipe)
    if any(is_bundle(name) for settings in recipe.members for name in getattr(settings, "teachers", ())):
        from amazon_tags.training.teacher_bundles import read_teachers  # noqa: PLC0415  it imports OpenVINO

        read_teachers(recipe, data)
    if remark := score.remark_on_few(len(data.paths)):
        progress.say(remark)
    return data


def chip_spec(recipe: Recipe) -> ChipSpec:
    """Return the chips that the networks of a recipe take."""
    dtype = "uint8" if len(recipe.bands) == 3 else "uint16"
    return ChipSpec(recipe.bands, dtype, recipe.side, recipe.layout(), dates=recipe.dates)


def _refuse_dates(recipe: Recipe, source: TrainingSource) -> None:
    """Raise ValueError for a recipe or a source that is of pairs without the other, and for what pairs cannot have."""
    if recipe.dates > 1 and not source.pairs:
        raise ValueError("the recipe has dates = 2 for pairs of chips; name the table of these by --pairs.")
    if source.pairs and source.unlabelled:
        raise ValueError("--unlabelled holds single chips, which a model of pairs cannot use; leave it out.")


def check_outputs(output: Path) -> list[Path]:
    """Refuse outputs that cannot be written; return the paths of the score tables."""
    preflight.refuse_existing(output)
    tables = [output.with_name(f"{output.name}.scores{suffix}") for suffix in (".csv", ".parquet")]
    for path in tables:
        preflight.refuse_unwritable(path)
    return tables


def refuse_few_chips(data: LabelledData, recipe: Recipe) -> None:
    """Raise ValueError if there are too few chips, or groups of them, for all folds that the recipe needs."""
    count, unit = len(data.truth), "chips"
    if data.groups is not None:
        count, unit = len(set(data.groups.tolist())), "groups"
    found = f"{len(data.truth)} chips" + (f" in {count} groups" if unit == "groups" else "")

    if not folds.can_divide(data.truth, (recipe.folds,), groups=data.groups):
        raise ValueError(
            f"{found} cannot make {recipe.folds} folds; give at least {recipe.folds} {unit}, or write fewer folds into "
            "the recipe."
        )
    fold = folds.stratify(data.truth, folds=recipe.folds, seed=recipe.seed, groups=data.groups)
    rests = [data.truth[fold != number] for number in range(recipe.folds)]
    needed = {"chosen": CHOSEN_SECOND, "ridge": CHOSEN_SECOND[1:]}.get(recipe.second, ())
    is_joining = len(recipe.ship or recipe.members) > 1
    if is_joining and needed and not all(folds.can_divide(rest, needed, seed=recipe.seed) for rest in rests):
        least = max(folds.least_units((recipe.folds, *needed)), count + 1)
        raise ValueError(
            f'{found} are too few for second = "{recipe.second}", which divides what is outside of each of '
            f'{recipe.folds} folds again; give at least {least} {unit}, or write second = "mean" into the recipe.'
        )
    if recipe.decision == "chosen" and not folds.can_divide(
        data.truth, tuning.DIVISIONS, seed=recipe.seed, groups=data.groups
    ):
        least = max(folds.least_units(tuning.DIVISIONS), count + 1)
        raise ValueError(
            f'{found} are too few for decision = "chosen", which is measured in {tuning.FOLDS} folds and chosen in '
            f'folds within these; give at least {least} {unit}, or write decision = "flat" into the recipe.'
        )


def check_recipe(recipe: Recipe, weights: dict[str, Path], *, unlabelled: bool = False) -> None:
    """Refuse, before any work, a recipe that cannot be trained.

    Args:
        recipe: the recipe.
        weights: weight files by the name of a backbone.
        unlabelled: whether there are chips without labels, which only members with teachers can use.

    Raises:
        ValueError: a name is unknown, the side or the bands do not fit a member, no member has teachers, a weight file
            is none, or one is missing.
    """
    if unlabelled and not any(settings.teachers for settings in recipe.members if isinstance(settings, TunedMember)):
        raise ValueError(
            "chips without labels were given, but no member of the recipe has teachers to label them; "
            "give a member of the recipe teachers, or pass --teacher BUNDLE."
        )
    if any(is_foreign(settings.backbone) for settings in recipe.members):
        from amazon_tags.training.foreign_members import check_foreign_members  # noqa: PLC0415  it imports OpenVINO

        check_foreign_members(recipe, chip_spec(recipe))
    for settings in recipe.members:
        _check_member(settings, recipe)
    known = [settings for settings in recipe.members if not is_foreign(settings.backbone)]
    loaded = [settings for settings in known if _takes_weights(settings)]
    for name, path in weights.items():
        _check_name("backbone in the recipe", name, [settings.backbone for settings in known])
        if name not in [settings.backbone for settings in loaded]:
            raise ValueError(
                f"a weight file was given for {name}, but every member with this backbone starts from random weights; "
                "give no file, or change init in the recipe."
            )
        weight_files.refuse_other_files(path)
    for settings in loaded:
        if settings.backbone not in weights:
            weight_files.refuse_download(settings.backbone, settings.weights)


def _takes_weights(settings: MemberSettings) -> bool:
    return isinstance(settings, FrozenMember) or Start(settings.init).takes_weights()


def _check_member(settings: MemberSettings, recipe: Recipe) -> None:
    if isinstance(settings, FrozenMember):
        _check_name("head", settings.head, HEADS)
    if is_foreign(settings.backbone):
        if recipe.dates > 1:
            raise ValueError(
                f"{settings.name} has the backbone {settings.backbone}, a file, which is not built for pairs of chips; "
                f"choose one of the table, such as {next(iter(BACKBONE_SHAPES))}."
            )
        return
    _check_name("backbone", settings.backbone, BACKBONE_SHAPES)
    refuse_layer(settings.backbone, settings.layer)
    if isinstance(settings, TunedMember) and settings.init == "auto" and BACKBONE_SHAPES[settings.backbone].class_token:
        raise ValueError(
            f"{settings.name} has init auto, which has no rule for the attention of {settings.backbone}; write "
            'init = "random".'
        )
    if isinstance(settings, TunedMember) and (last := Start(settings.init).layer()):
        _check_last_layer(settings, last)

    missing = [band for band in NEEDED_BANDS[settings.sees] if band not in recipe.bands]
    if missing:
        raise ValueError(
            f"{settings.name} sees {settings.sees}, but the recipe's chips have the bands {', '.join(recipe.bands)}; "
            f"add the missing bands: {', '.join(missing)}."
        )
    divisor = settings.shrink * (2 if isinstance(settings, TunedMember) and settings.progressive else 1)
    if recipe.side % divisor:
        raise ValueError(
            f"side {recipe.side} cannot be divided by {divisor}, by which {settings.name} shrinks its chips; "
            f"choose a multiple of {divisor}."
        )
    refuse_pool(settings.backbone, settings.pool)
    refuse_side(settings.backbone, recipe.side, divisor)
    if isinstance(settings, TunedMember):
        _check_pairs(settings, recipe)


def _check_pairs(settings: TunedMember, recipe: Recipe) -> None:
    """Refuse components that do not divide what the backbone sees, and a way to join pairs where there are none."""
    if settings.pairs != TunedMember.pairs and recipe.dates == 1:
        raise ValueError(
            f'{settings.name} has pairs = "{settings.pairs}", which has no effect on single chips; remove it, or name '
            "pairs by --pairs."
        )
    dates = recipe.dates if settings.pairs == "stacked" else 1
    refuse_components(settings.backbone, settings.components, settings.sees, recipe.bands, dates=dates)


def _check_last_layer(settings: TunedMember, last: str) -> None:
    """Refuse the start `transfer:LAYER` with a layer that the member's backbone does not have."""
    from features.networks.backbones import layers_to_keep  # noqa: PLC0415  it imports Keras

    names = layers_to_keep(settings.backbone, settings.layer)
    if last not in names:
        part = "" if settings.layer == "top" else f" up to {settings.layer}"
        raise ValueError(
            f"{settings.name} has init {settings.init}, but {settings.backbone}{part} has no layer {last}"
            f"{did_you_mean(last, names)}; its {len(names)} layers begin with {names[0]} and end with {names[-1]}."
        )


def _check_name(what: str, name: str, names: Iterable[str]) -> None:
    choices = list(dict.fromkeys(names))
    if name not in choices:
        near = did_you_mean(name, choices)
        raise ValueError(f"there is no {what} named {name}{near}; choose from {', '.join(choices)}.")
