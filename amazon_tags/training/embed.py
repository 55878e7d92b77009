"""The call behind `amazon_tags embed`: chips in, a feature bank out, unless it exists already."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from amazon_tags import progress
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.files.hashes import sha256
from amazon_tags.tables.suggest import did_you_mean
from amazon_tags.training.feature_bank import BankKey, read_bank, write_bank
from amazon_tags.training.fingerprints import combine_hashes, hash_chips
from features.images.layout import AS_STATED, Layout
from features.images.spec import ChipSpec
from features.networks import backbones, openvino_export, openvino_runtime


@dataclass(frozen=True)
class FeatureExtractor:
    """A frozen backbone.

    Attributes:
        backbone: a name of `BACKBONES`.
        layer: where the backbone ends, `top` or the name of a layer.
        weights: `imagenet`, `none` (random) or a weight file.
        side: the chips' side in pixels; 0 for the backbone's own.
        layout: how bands and levels of the files are read.
    """

    backbone: str
    layer: str = "top"
    weights: str = "imagenet"
    side: int = 0
    layout: Layout = AS_STATED


def embed(inputs: Sequence[Path], output: Path, extractor: FeatureExtractor, *, views: int = 1, jobs: int = 2) -> str:
    """Write the feature bank of the chips' vectors; return a sentence on what was done.

    Args:
        inputs: chips, folders or archives of chips.
        output: the bank's folder.
        extractor: what makes the vectors.
        views: the number of dihedral views that a vector is averaged over.
        jobs: threads.

    Raises:
        ValueError: the backbone or the layer is unknown, or the weights do not fit.
        FileExistsError: `output` is anything but the bank of these chips by this extractor.
    """
    name, layer, weights = extractor.backbone, extractor.layer, extractor.weights
    if name not in backbones.BACKBONES:
        raise ValueError(
            f"there is no backbone {name}{did_you_mean(name, backbones.BACKBONES)}; "
            f"choose one of {', '.join(backbones.BACKBONES)}."
        )
    paths = list_chips(inputs)
    hashes = hash_chips(paths, jobs=jobs)
    origin = sha256(Path(weights)) if weights not in ("imagenet", "none") else weights
    spec = ChipSpec(side=extractor.side or backbones.BACKBONES[name].side)
    key = BankKey(combine_hashes(hashes), origin, name, layer, spec.side, views, layout=extractor.layout)
    if output.exists():
        if read_bank(output).key == key:
            return f"holds these {len(paths)} chips already, nothing to do"
        raise FileExistsError(
            f"{output} is a feature bank of other chips, weights, layer, layout or views; name another folder."
        )
    keras.utils.set_random_seed(0)  # for random weights
    with tempfile.TemporaryDirectory() as folder:
        openvino_export.export(backbones.build(name, spec, layer=layer, weights=weights), Path(folder))
        xml, values = ((Path(folder) / name).read_bytes() for name in ("network.xml", "network.bin"))
    network = openvino_runtime.load(xml, values, jobs=jobs)
    with progress.bar("embedding", len(paths)) as advance:
        write_bank(output, hashes, network, key, jobs=jobs, advance=advance)
    return f"{len(paths)} vectors of width {network.dim}"
