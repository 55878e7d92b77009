"""What vectors were computed from: stated in the metadata of their Parquet file and in bundles of vectors.

Vectors of one origin can stand for each other; vectors of an unnamed backbone are matched by their width alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from amazon_tags import records
from amazon_tags.model.damage import refusing_damage
from amazon_tags.records import json_keys
from features.images.spec import ChipSpec
from features.networks.foreign_settings import is_foreign

FORMAT = 1  # of the metadata
METADATA_KEY = "amazon_tags"
FIXED = "by fixed scales"  # not by the statistics of chips

json_keys(optional=("layout", "training_layout", "statistics", "dates"))(ChipSpec)  # bundles of format 2 have none


class OriginError(ValueError):
    """Metadata that do not say what vectors were computed from."""


@json_keys(spec="chips")
@dataclass(frozen=True, kw_only=True)
class VectorOrigin:
    """A frozen backbone and the chips that it takes.

    Attributes:
        backbone: its name; of a user's own, that of its file.
        layer: where it ends, `top` or the name of a layer.
        pool: how feature maps or tokens become a vector.
        weights: `imagenet`, `none` (random) or the SHA-256 of a weight file; of a user's own backbone, that of its file
            and its settings.
        views: the number of dihedral views that a vector is averaged over.
        spec: the chips; its layout says how the files of these chips were read.
    """

    backbone: str
    layer: str = "top"
    pool: str = "average"
    weights: str = "imagenet"
    views: int = 1
    spec: ChipSpec


@dataclass(frozen=True)
class VectorInput:
    """The vectors that a bundle takes: their width, and their origin; None if their backbone is unnamed."""

    width: int
    origin: VectorOrigin | None = None

    def describe(self) -> str:
        """Return the backbone and what else the vectors depend on, for messages and cards."""
        if self.origin is None:
            return f"an unnamed backbone, {self.width} values a chip"
        layer, pool, weights = self.origin.layer, self.origin.pool, self.origin.weights
        views = f", the mean of {self.origin.views} views" if self.origin.views > 1 else ""
        return (
            f"{self.origin.backbone}, layer {layer}, pool {pool}, weights {weights[:12]}, side "
            f"{self.origin.spec.side}{views}, {self.width} values a chip"
        )

    def command(self) -> str:
        """Return the command that embeds chips for the bundle; empty if the backbone is unnamed."""
        if self.origin is None:
            return ""
        weights = self.origin.weights if self.origin.weights in ("imagenet", "none") else "FILE"
        views = f" --views {self.origin.views}" if self.origin.views > 1 else ""
        parts = f" --layer {self.origin.layer} --pool {self.origin.pool} --weights {weights}"
        backbone = self.origin.backbone + ("" if is_foreign(self.origin.backbone) else parts)
        spec = self.origin.spec
        bands = f" --bands {','.join(spec.bands)}" if spec.has_many_bands() else ""
        return f"amazon_tags embed CHIPS --backbone {backbone} --side {spec.side}{bands}{views} -o vectors.parquet"


def difference(needed: VectorOrigin, found: VectorOrigin) -> str:
    """Return the first way in which vectors are not those that are needed; empty if there is none.

    How bands and levels of files were read does not count: other files may need other words for the same chips.
    """
    pairs = {
        "backbone": (needed.backbone, found.backbone),
        "layer": (needed.layer, found.layer),
        "pool": (needed.pool, found.pool),
        "weights": (needed.weights, found.weights),
        "views": (needed.views, found.views),
        "side": (needed.spec.side, found.spec.side),
        "bands": (" ".join(needed.spec.bands), " ".join(found.spec.bands)),
        "type of the pixels": (needed.spec.dtype, found.spec.dtype),
        "normalisation of the bands": (needed.spec.statistics or FIXED, found.spec.statistics or FIXED),
    }
    for what, (wanted, other) in pairs.items():
        if wanted != other:
            return f"{what} {str(other)[:40]} instead of {str(wanted)[:40]}"  # of a hash, enough to know it by
    return ""


def to_metadata(origin: VectorOrigin) -> dict[str, str]:
    """Return the metadata of a Parquet file of vectors."""
    head = {"format": FORMAT, "version": version("amazon-tags")}
    return {METADATA_KEY: json.dumps({**head, **records.to_json(origin)})}


def from_metadata(path: Path, metadata: Mapping[str, str]) -> VectorOrigin | None:
    """Return the origin that the metadata of a Parquet file state; None if another tool wrote the file.

    Raises:
        OriginError: the metadata are damaged or of another format.
    """
    if METADATA_KEY not in metadata:
        return None
    with refusing_damage(OriginError, f"{path}: its metadata are damaged", "embed the chips again"):
        values = json.loads(metadata[METADATA_KEY])
        number, writer = values["format"], values["version"]
        origin = records.from_json(VectorOrigin, values) if number == FORMAT else None
    if origin is None:
        raise OriginError(
            f"{path} has vectors of format {number}, written by amazon_tags {writer}, but this version reads format "
            f"{FORMAT}; install amazon_tags {writer}, or embed the chips again."
        )
    return origin


def unnamed_remark(path: Path, width: int) -> str:
    """Return what is assumed where a file of vectors, or a bundle on such, does not name their backbone."""
    return (
        f"{path} does not say what computed its vectors; they are taken as those of an unnamed backbone, and matched "
        f"with others by their width of {width} alone"
    )
