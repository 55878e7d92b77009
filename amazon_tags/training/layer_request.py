"""What `amazon_tags search-layer` compares, and the data that it needs; importing this loads no network library."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from amazon_tags import progress
from amazon_tags.datasets.usable_chips import usable_rows
from amazon_tags.model.backbone_folder import find_backbone
from amazon_tags.model.recipe import Recipe
from amazon_tags.tables.suggest import did_you_mean
from amazon_tags.training.preparation import TrainOptions, check_recipe, chip_spec
from amazon_tags.training.training_data import TrainingData, TrainingSource, read_training_data
from ensemble.metrics import folds, score
from ensemble.networks.settings import TunedMember
from features.images.layout import AS_STATED, Layout
from features.images.spec import bands_to_take
from features.networks.backbone_shapes import BACKBONE_SHAPES
from features.networks.foreign_settings import is_foreign

FOLDS = 5
EPOCHS = TunedMember.epochs
LAYERS_TUNED = 3  # in a stage; each costs a training in every fold
Screen = Literal["probes", "alignment"]  # F2 of linear probes, or what gradient descent explains of the tags early
WEIGHT_NAMES = ("imagenet", "none")


@dataclass(frozen=True)
class LayerRequest:
    """What to compare.

    Attributes:
        backbone: a name of the table.
        weights: `imagenet`, `none` (random) or a weight file.
        side: the chips' side in pixels; 0 for the backbone's own.
        tuned: how many layers are fine-tuned in each stage; 0 for linear probes only.
        epochs: of each fine-tuning.
        layout: how bands and levels of the files are read.
        bank: a folder that keeps the vectors for later runs.
        jobs: threads.
        screen: by what the layers to fine-tune are chosen.
    """

    backbone: str
    weights: str = "imagenet"
    side: int = 0
    tuned: int = LAYERS_TUNED
    epochs: int = EPOCHS
    layout: Layout = AS_STATED
    bank: Path | None = None
    jobs: int = 2
    screen: Screen = "probes"

    def options(self) -> TrainOptions:
        """Return the options of the trainings."""
        files = {} if self.weights in WEIGHT_NAMES else {self.backbone: Path(self.weights)}
        return TrainOptions(files, jobs=self.jobs, bank=self.bank)


def resolve_backbone(backbone: str, weights: str, side: int, layout: Layout = AS_STATED) -> tuple[str, str, int]:
    """Return the name, the weights and the side of a backbone, which may be a folder that `pretrain` wrote.

    Its layers are compared on red, green and blue, or on the bands of the layout if these are more than four.

    Raises:
        BackboneError: the folder is damaged.
        ValueError: weights are stated beside it, or it takes other bands than those to compare.
    """
    found = find_backbone(backbone, weights)
    if found is None:
        return backbone, weights, side
    spec = found.manifest.spec
    if spec.bands != (compared := bands_to_take(layout)[0]):
        advice = "state its bands by --bands" if spec.has_many_bands() else "name a backbone of these"
        raise ValueError(
            f"{backbone} takes the bands {', '.join(spec.bands)}, but layers are compared on {', '.join(compared)}; "
            f"{advice}."
        )
    return found.manifest.backbone, str(found.weights), side or spec.side


def layer_recipe(request: LayerRequest) -> Recipe:
    """Return a recipe of one tuned member that ends at the top; the search trains it with other layers.

    From random weights, batch norms have no statistics yet, so they are trained as those of `init = "random"`.

    Raises:
        ValueError: the backbone is not one of the table.
    """
    name = request.backbone
    if is_foreign(name):
        raise ValueError(
            f"{name} is a network of your own, whose layers are not known; state another output in its TOML file, and "
            "compare files by amazon_tags rank."
        )
    if name not in BACKBONE_SHAPES:
        near = did_you_mean(name, BACKBONE_SHAPES)
        raise ValueError(f"there is no backbone named {name}{near}; choose one of {', '.join(BACKBONE_SHAPES)}.")
    member = TunedMember(
        name,
        name,
        weights=request.weights if request.weights in WEIGHT_NAMES else "imagenet",
        init="random" if request.weights == "none" else "imagenet",
        epochs=request.epochs,
    )
    bands, layout = bands_to_take(request.layout)
    side = request.side or BACKBONE_SHAPES[name].side
    recipe = Recipe((member,), folds=FOLDS, side=side, bands=bands, decision="flat")
    return recipe.reading(layout.bands, layout.levels)


def read_layer_data(source: TrainingSource, request: LayerRequest, recipe: Recipe) -> TrainingData:
    """Refuse what cannot be compared, and read the labelled chips.

    Raises:
        OSError: a chip cannot be read.
        ValueError: the weights, the side, the chips or their table cannot be used, or there are too few chips.
    """
    check_recipe(recipe, request.options().weights)
    find_usable = partial(usable_rows, spec=chip_spec(recipe), listed=None, jobs=request.jobs)
    data = read_training_data(source, request.jobs, find_usable=find_usable)
    if not folds.can_divide(data.truth, (FOLDS,), groups=data.groups):
        raise ValueError(f"{len(data.truth)} chips cannot make {FOLDS} folds of chips or groups; label more chips.")
    if remark := score.remark_on_few(len(data.paths)):
        progress.say(remark)
    return data
