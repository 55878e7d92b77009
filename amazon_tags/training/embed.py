"""The call behind `amazon_tags embed`: chips in, a feature bank out, unless it exists already."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from amazon_tags import progress
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.datasets.usable_chips import usable_rows
from amazon_tags.files import preflight
from amazon_tags.files.hashes import sha256
from amazon_tags.tables.suggest import did_you_mean
from amazon_tags.training.feature_bank import BankKey, read_bank, write_bank
from amazon_tags.training.fingerprints import combine_hashes, hash_chips
from amazon_tags.training.hub_presets import backbone_path
from features.images.layout import AS_STATED, Layout
from features.images.spec import ChipSpec
from features.networks import foreign, foreign_graph, openvino_runtime, weight_files
from features.networks.backbone_shapes import BACKBONE_SHAPES, refuse_side
from features.networks.foreign import ForeignBackbone
from features.networks.foreign_settings import is_foreign
from features.networks.openvino_runtime import OpenvinoNetwork


@dataclass(frozen=True)
class FeatureExtractor:
    """A frozen backbone.

    Attributes:
        backbone: a name of `BACKBONES`, an `.onnx` or `.xml` file with a TOML file beside it, or
            `hub:` and a KerasHub preset.
        layer: where the backbone ends, `top` or the name of a layer.
        weights: `imagenet`, `none` (random) or a weight file.
        side: the chips' side in pixels; 0 for the backbone's own, which is the only one of a file.
        layout: how bands and levels of the files are read.
    """

    backbone: str
    layer: str = "top"
    weights: str = "imagenet"
    side: int = 0
    layout: Layout = AS_STATED


@dataclass(frozen=True)
class EmbedSummary:
    """A sentence on what was done, the number of chips, and how many of them could not be used and were left out."""

    text: str
    chips: int
    unusable: int


def embed(
    inputs: Sequence[Path],
    output: Path,
    extractor: FeatureExtractor,
    *,
    views: int = 1,
    jobs: int = 2,
    unusable: Path | None = None,
) -> EmbedSummary:
    """Write the feature bank of the chips' vectors.

    All that can be refused without Keras is refused before it is imported.

    Args:
        inputs: chips, folders or archives of chips.
        output: the bank's folder.
        extractor: what makes the vectors.
        views: the number of dihedral views that a vector is averaged over.
        jobs: threads.
        unusable: leave out chips that cannot be used, and list them in this file; None makes such a chip an error.

    Raises:
        ValueError: the backbone or the layer is unknown, or the side or the weights do not fit.
        FileExistsError: `output` is anything but the bank of these chips by this extractor.
    """
    _check_extractor(extractor)
    own = foreign.read_backbone(backbone_path(extractor.backbone)) if is_foreign(extractor.backbone) else None
    spec = _chip_spec(extractor, own)
    if own:
        foreign_graph.build(own, spec)  # a network that cannot be used is an error before any chip is read
    paths = list_chips(inputs)
    count = len(paths)
    if unusable:
        paths = paths.take(usable_rows(paths, spec, unusable, jobs=jobs))
    hashes = hash_chips(paths, jobs=jobs)
    name = own.path.name if own else extractor.backbone
    origin = own.fingerprint if own else _origin(extractor.weights)
    key = BankKey(combine_hashes(hashes), origin, name, extractor.layer, spec.side, views, layout=extractor.layout)
    if output.exists():
        if read_bank(output).key == key:
            text = f"holds these {len(paths)} chips already, nothing to do"
            return EmbedSummary(text, count, count - len(paths))
        raise FileExistsError(
            f"{output} is a feature bank of other chips, weights, layer, layout or views; name another folder."
        )
    preflight.refuse_unwritable(output)
    if not unusable:
        usable_rows(paths, spec, None, jobs=jobs)  # a chip that cannot be used is an error before Keras is loaded
    network = _foreign_network(own, spec, jobs) if own else _network(extractor, spec, jobs)
    with progress.bar("embedding", len(paths)) as advance:
        write_bank(output, hashes, network, key, jobs=jobs, advance=advance)
    return EmbedSummary(f"{len(paths)} vectors of width {network.dim}", count, count - len(paths))


def _check_extractor(extractor: FeatureExtractor) -> None:
    """Raise an error for an unknown backbone or layer, or a file that holds no weights."""
    name, layer = extractor.backbone, extractor.layer
    if is_foreign(name):
        for option, value, plain in (("--layer", layer, "top"), ("--weights", extractor.weights, "imagenet")):
            if value != plain:
                raise ValueError(
                    f"{name} is a network of your own, so that {option} {value} has no effect; leave it out, and name "
                    "the output in the TOML file."
                )
        return
    for what, word, choices in (
        ("backbone", name, list(BACKBONE_SHAPES)),
        (f"layer of {name}", layer, ["top", *(BACKBONE_SHAPES[name].truncations if name in BACKBONE_SHAPES else ())]),
    ):
        if word not in choices:
            raise ValueError(
                f"there is no {what} named {word}{did_you_mean(word, choices)}; choose one of {', '.join(choices)}."
            )
    if extractor.side:
        refuse_side(name, extractor.side)
    weight_files.refuse_download(name, extractor.weights)
    if extractor.weights not in ("imagenet", "none"):
        weight_files.refuse_other_files(Path(extractor.weights))


def _origin(weights: str) -> str:
    return sha256(Path(weights)) if weights not in ("imagenet", "none") else weights


def _chip_spec(extractor: FeatureExtractor, own: ForeignBackbone | None) -> ChipSpec:
    """Return the chips that the backbone takes."""
    if own is None:
        return ChipSpec(side=extractor.side or BACKBONE_SHAPES[extractor.backbone].side, layout=extractor.layout)
    spec = own.settings.chip_spec()
    return replace(spec, side=extractor.side or spec.side, layout=extractor.layout)


def _foreign_network(own: ForeignBackbone, spec: ChipSpec, jobs: int) -> OpenvinoNetwork:
    with tempfile.TemporaryDirectory() as folder:
        return foreign_graph.load(own, spec, Path(folder), jobs=jobs)


def _network(extractor: FeatureExtractor, spec: ChipSpec, jobs: int) -> OpenvinoNetwork:
    """Build the backbone and compile it for the CPU."""
    import keras  # noqa: PLC0415  importing it takes seconds, which only this function should pay

    from features.networks import backbones, openvino_export  # noqa: PLC0415

    keras.utils.set_random_seed(0)  # for random weights
    with tempfile.TemporaryDirectory() as folder:
        model = backbones.build(extractor.backbone, spec, layer=extractor.layer, weights=extractor.weights)
        openvino_export.export(model, Path(folder))
        xml, values = ((Path(folder) / name).read_bytes() for name in ("network.xml", "network.bin"))
    return openvino_runtime.load(xml, values, jobs=jobs)
