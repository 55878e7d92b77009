"""What `amazon_tags embed` does: chips in, a feature bank out, unless it is there already."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from amazon_tags import progress
from amazon_tags.files.hashes import sha256
from amazon_tags.tables.suggest import did_you_mean
from amazon_tags.training.feature_bank import BankKey, read_bank, write_bank
from amazon_tags.training.fingerprints import combine_hashes, hash_chips
from features.images import listing
from features.images.chips import ChipSpec
from features.networks import backbones, openvino_export, openvino_runtime


@dataclass(frozen=True)
class FeatureExtractor:
    """A backbone up to a cut, with its weights (`imagenet`, `none` or a file) and its side (0: the backbone's own)."""

    backbone: str
    layer: str = "top"
    weights: str = "imagenet"
    side: int = 0


def embed(inputs: Sequence[Path], out: Path, trunk: FeatureExtractor, *, views: int = 1, jobs: int = 2) -> str:
    """Write the bank of the chips' vectors; returns a sentence on what was done.

    Raises:
        ValueError: for an unknown backbone or cut, or weights that do not fit.
        FileExistsError: if `out` is anything but this very bank.
    """
    name, layer, weights = trunk.backbone, trunk.layer, trunk.weights
    if name not in backbones.BACKBONES:
        raise ValueError(
            f"there is no backbone {name}{did_you_mean(name, backbones.BACKBONES)}; "
            f"choose one of {', '.join(backbones.BACKBONES)}."
        )
    paths = listing.chips(inputs)
    hashes = hash_chips(paths, jobs=jobs)
    origin = sha256(Path(weights)) if weights not in ("imagenet", "none") else weights
    spec = ChipSpec(side=trunk.side or backbones.BACKBONES[name].side)
    key = BankKey(combine_hashes(hashes), origin, name, layer, spec.side, views)
    if out.exists():
        if read_bank(out).key == key:
            return f"holds these {len(paths)} chips already, nothing to do"
        raise FileExistsError(f"{out} is a feature bank of other chips, weights, cut or views; name another folder.")
    keras.utils.set_random_seed(0)  # of `none`
    with tempfile.TemporaryDirectory() as folder:
        openvino_export.export(backbones.build(name, spec, layer=layer, weights=weights), Path(folder))
        xml, values = ((Path(folder) / name).read_bytes() for name in ("network.xml", "network.bin"))
    network = openvino_runtime.load(xml, values, jobs=jobs)
    with progress.bar("embedding", len(paths)) as advance:
        write_bank(out, hashes, network, key, jobs=jobs, advance=advance)
    return f"{len(paths)} vectors of width {network.dim}"
