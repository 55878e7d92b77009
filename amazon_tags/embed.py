"""What `amazon_tags embed` does: chips in, a feature bank out, unless it is there already."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from amazon_tags import bank, files, labels, progress
from features import backbones, chips, convert, listing, runtime


@dataclass(frozen=True)
class Trunk:
    """A backbone up to a cut, with its weights (`imagenet`, `none` or a file) and its side (0: the backbone's own)."""

    backbone: str
    cut: str = "top"
    weights: str = "imagenet"
    side: int = 0


def run(inputs: Sequence[Path], out: Path, trunk: Trunk, *, views: int = 1, jobs: int = 2) -> str:
    """Write the bank of the chips' vectors; returns a sentence on what was done.

    Raises:
        ValueError: for an unknown backbone or cut, or weights that do not fit.
        FileExistsError: if `out` is anything but this very bank.
    """
    name, cut, weights = trunk.backbone, trunk.cut, trunk.weights
    if name not in backbones.BACKBONES:
        raise ValueError(
            f"there is no backbone {name}{labels.did_you_mean(name, backbones.BACKBONES)}; "
            f"choose one of {', '.join(backbones.BACKBONES)}."
        )
    paths = listing.chips(inputs)
    hashes = bank.fingerprints(paths, jobs=jobs)
    origin = files.sha256(Path(weights)) if weights not in ("imagenet", "none") else weights
    spec = chips.ChipSpec(side=trunk.side or backbones.BACKBONES[name].side)
    key = bank.Key(bank.combine(hashes), origin, name, cut, spec.side, views)
    if out.exists():
        if bank.read(out).key == key:
            return f"holds these {len(paths)} chips already, nothing to do"
        raise FileExistsError(f"{out} is a feature bank of other chips, weights, cut or views; name another folder.")
    keras.utils.set_random_seed(0)  # of `none`
    with tempfile.TemporaryDirectory() as folder:
        convert.export(backbones.build(name, spec, cut=cut, weights=weights), Path(folder))
        xml, values = ((Path(folder) / name).read_bytes() for name in ("network.xml", "network.bin"))
    network = runtime.load(xml, values, jobs=jobs)
    with progress.bar("embedding", len(paths)) as advance:
        bank.write(out, hashes, network, key, jobs=jobs, advance=advance)
    return f"{len(paths)} vectors of width {network.dim}"
