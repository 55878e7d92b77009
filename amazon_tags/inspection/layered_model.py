"""Check the models whose layers `amazon_tags inspect cka` compares; importing this loads no network library.

A model is a backbone of the table, or a member of a bundle, whose backbone has trained weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from amazon_tags.model import bundle
from amazon_tags.model.backbone_folder import holds_backbone
from amazon_tags.model.manifest import Manifest
from amazon_tags.tables.suggest import did_you_mean
from amazon_tags.training.embed import FeatureExtractor, read_extractor
from amazon_tags.training.start_bundle import WEIGHTS
from ensemble.networks.settings import FrozenMember, TunedMember
from features.images.layout import AS_STATED, Layout
from features.images.spec import ChipSpec
from features.networks.backbone_shapes import BACKBONE_SHAPES, BackboneOptions
from features.networks.foreign_settings import is_foreign

MAX_MODELS = 2  # a matrix has rows and columns
SIGN = "@"  # between a backbone and the layer at which it ends, or a bundle and its member


@dataclass(frozen=True)
class LayeredModel:
    """A backbone whose layers can be compared.

    Attributes:
        name: as the user wrote it.
        backbone: of the table.
        layer: its last one.
        weights: `imagenet` or a file.
        spec: the chips that it takes.
        sees: the images that it takes from a chip.
        shrink: by which number it divides the chip's side first.
        components: of a hypercomplex backbone's layers; 0 for as many as its image has bands.
    """

    name: str
    backbone: str
    layer: str
    weights: str
    spec: ChipSpec
    sees: str = "bands"
    shrink: int = 1
    components: int = 0

    def options(self) -> BackboneOptions:
        """Return the backbone's input."""
        return BackboneOptions(self.sees, self.shrink, components=self.components)

    def is_member(self) -> bool:
        """Return whether it is a member of a bundle, with trained weights."""
        return split_bundle(self.name) is not None


@dataclass(frozen=True)
class ModelOptions:
    """Options of the models.

    Attributes:
        weights: files to start a backbone of the table from, by its name, instead of ImageNet's weights.
        side: the chips' side in pixels; 0 for each backbone's own, or beside a bundle, for the bundle's.
        layout: how bands and levels of the files are read.
        otherwise: what a backbone without a file starts from, imagenet or none (random).
    """

    weights: Mapping[str, Path]
    side: int = 0
    layout: Layout = AS_STATED
    otherwise: str = "imagenet"


def read_models(names: Sequence[str], options: ModelOptions) -> list[LayeredModel]:
    """Check one model or two.

    Args:
        names: of each, a backbone or a folder that `pretrain` wrote, perhaps with `@` and the layer at which it shall
            end, or the folder of a bundle, perhaps with `@` and one of its members. Beside a bundle, a backbone takes
            the same chips as the bundle.
        options: weights, side, layout.

    Raises:
        BundleError: a bundle is damaged.
        FileNotFoundError: a weight file is missing.
        ValueError: a model or its weights cannot be used, or the models take chips of different bands.
    """
    if not 1 <= len(names) <= MAX_MODELS or len(set(names)) < len(names):
        raise ValueError(
            f"this compares the layers of one model or of two different ones, but these are {', '.join(names)}; name "
            "one, to compare its layers with one another, or two."
        )
    bundles = {name: _read_member(name, *found, options) for name in names if (found := split_bundle(name))}
    beside = next(iter(bundles.values()), None)
    models = [bundles[name] if name in bundles else _read_backbone(name, options, beside) for name in names]
    _refuse_unused_options(names, models, bundles, options)

    first, last = models[0].spec, models[-1].spec
    if (first.bands, first.dtype) != (last.bands, last.dtype):
        raise ValueError(
            f"{names[0]} takes {first.dtype} chips of {', '.join(first.bands)}, but {names[-1]} {last.dtype} chips of "
            f"{', '.join(last.bands)}; compare models of the same bands."
        )
    return models


def split_bundle(name: str) -> tuple[Path, str] | None:
    """Return the folder of a bundle and the member's name, perhaps empty; None for a backbone, also one in a folder."""
    first = name.partition(SIGN)[0]
    if first in BACKBONE_SHAPES or holds_backbone(Path(first)):
        return None
    if Path(name).is_dir():
        return Path(name), ""
    folder, _, member = name.rpartition(SIGN)
    return (Path(folder), member) if folder and Path(folder).is_dir() else None


def _read_backbone(text: str, options: ModelOptions, beside: LayeredModel | None) -> LayeredModel:
    name, _, layer = text.partition(SIGN)
    if is_foreign(text):
        raise ValueError(f"{text} has no layers with known names; name a backbone of the table or a bundle.")
    found = FeatureExtractor(name, layer or "top", str(options.weights.get(name, "imagenet"))).resolve()
    own = found.backbone != name
    if found.backbone not in BACKBONE_SHAPES:
        raise ValueError(
            f"{text} is neither a backbone nor the folder of a bundle{did_you_mean(name, BACKBONE_SHAPES)}; name a "
            f"bundle, or one of {', '.join(BACKBONE_SHAPES)}."
        )
    weights = found.weights if own else str(options.weights.get(name, options.otherwise))
    side = beside.spec.side if beside else options.side or found.side
    layout = AS_STATED if beside else options.layout  # beside a bundle, it takes the bundle's chips
    extractor = replace(found, weights=weights, side=side, layout=layout)
    origin, _ = read_extractor(extractor)
    if beside:
        return replace(beside, name=text, backbone=found.backbone, layer=origin.layer, weights=weights)
    return LayeredModel(text, found.backbone, origin.layer, weights, origin.spec)


def _read_member(text: str, folder: Path, chosen: str, options: ModelOptions) -> LayeredModel:
    """Return the member of a bundle: the one that is named, or the only one that was fine-tuned."""
    manifest = bundle.read_manifest(folder)
    if manifest.vectors:
        raise ValueError(f"{folder} has heads on vectors and no network; name a bundle with networks, or a backbone.")
    bundle.refuse_other_dates(folder, manifest)
    stored = [member.partition("-")[2] for member in manifest.members]
    members = {
        settings.name: settings
        for settings in manifest.read_recipe().members
        if settings.name in stored and settings.backbone in BACKBONE_SHAPES
    }
    settings = members[_choose(folder, chosen, members)]
    weights = _checked_weights(folder, manifest, settings.name)
    spec = replace(manifest.spec, layout=options.layout, training_layout=manifest.spec.layout)
    components = settings.components if isinstance(settings, TunedMember) else 0
    return LayeredModel(
        text, settings.backbone, settings.layer, weights, spec, settings.sees, settings.shrink, components
    )


def _choose(folder: Path, chosen: str, members: Mapping[str, FrozenMember | TunedMember]) -> str:
    if chosen:
        if chosen not in members:
            raise ValueError(
                f"{folder} has no member {chosen} with a backbone of the table{did_you_mean(chosen, members)}; it has "
                f"{', '.join(members) or 'none'}."
            )
        return chosen
    tuned = [name for name, settings in members.items() if isinstance(settings, TunedMember)]
    if len(tuned) != 1:
        raise ValueError(
            f"{folder} has {len(tuned)} fine-tuned members; name one of its members as {folder}{SIGN}MEMBER: "
            f"{', '.join(members) or 'it has none with a backbone of the table'}."
        )
    return tuned[0]


def _checked_weights(folder: Path, manifest: Manifest, name: str) -> str:
    """Return the path of a member's weight file, once its hash is checked."""
    member = next(member for member in manifest.members if member.partition("-")[2] == name)
    file = f"members/{member}/{WEIGHTS}"
    bundle.read_checked(folder, manifest, file)
    return str(folder / file)


def _refuse_unused_options(
    names: Sequence[str], models: Sequence[LayeredModel], bundles: Mapping[str, LayeredModel], options: ModelOptions
) -> None:
    """Raise ValueError for weights or a side that no model would take."""
    open_names = [model.backbone for model in models if model.name not in bundles]
    surplus = [name for name in options.weights if name not in open_names]
    if surplus:
        raise ValueError(
            f"there are weights for {surplus[0]}, which is not a backbone among {', '.join(names)}; name it there, or "
            "leave the weights out."
        )
    if bundles and options.side:
        model = next(iter(bundles.values()))
        raise ValueError(
            f"{model.name} takes chips of {model.spec.side} pixels, and what it is compared with takes the same; leave "
            "--side out."
        )
