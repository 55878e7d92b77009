"""Find where in a chip the scores of a bundle come from: exact class activation maps, or occlusion."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from amazon_tags.model import bundle, engine
from amazon_tags.model.bundle import Bundle
from amazon_tags.model.engine import NETWORK
from amazon_tags.records import Json
from ensemble.arrays import Floats, Scores
from ensemble.heads.fitted import LinearHead
from ensemble.second_level.blend import Blend
from features.arrays import Chip, ChipBatch
from features.images.occlusion import occlusion_maps, stride
from features.networks.feature_maps import MapNetwork, NoFeatureMapError, enlarge, load_maps

Method = Literal["auto", "cam", "occlusion"]
PATCHES_A_SIDE = 8  # a patch of 32 pixels on a chip of 256: larger than a road is wide, smaller than most fields


@dataclass(frozen=True)
class Evidence:
    """What shows where scores come from.

    Attributes:
        model: the bundle.
        weights: (members, labels) of the members in the blend, for class activation maps; None for occlusion.
        maps: the members' feature maps, by their folders' names; of those that have one.
        reasons: why the other members have none, by their folders' names.
        patch: the side of the hiding patch in pixels.
    """

    model: Bundle
    weights: Floats | None
    maps: Mapping[str, MapNetwork]
    reasons: Mapping[str, str]
    patch: int

    @property
    def method(self) -> str:
        """The method for all members, `cam` or `occlusion`."""
        return "occlusion" if self.weights is None else "cam"

    def heat(self, chip: Chip) -> Floats:
        """Return how much each place of a chip speaks for each label, (labels, side, side); negative: against it."""
        if self.weights is None:
            return occlusion_maps(chip, partial(score_batch, self.model), patch=self.patch)
        pairs = zip(self.model.manifest.members, self.weights, strict=True)
        parts = [
            shares[:, np.newaxis, np.newaxis] * enlarge(self.class_maps(name, chip), len(chip))
            for name, shares in pairs
        ]
        heat: Floats = np.sum(parts, axis=0)
        return heat

    def class_maps(self, name: str, chip: Chip) -> Floats:
        """Return the class activation maps (labels, height, width) of a member."""
        network = self.maps[name]
        maps: Floats = network.class_maps(network.maps(chip[np.newaxis]))[0]
        return maps

    def describe(self) -> list[str]:
        """Return a line on the method of each member, and one on what the values are."""
        if self.weights is not None:
            shares = self.weights.mean(axis=1)
            lines = [
                f"{_short(name)}: class activation map of {self.maps[name].shape[1]} x {self.maps[name].shape[2]} "
                f"places, with a mean weight of {share:.2f} in the blend"
                for name, share in zip(self.model.manifest.members, shares, strict=True)
            ]
            values = (
                "heat: what a place adds to a tag's log odds; the mean of a member's map is the logit, less the bias; "
                "a tag of a softmax group also depends on the logits of its rivals, which its map does not show"
            )
            return [*lines, values]
        lines = [
            f"{_short(name)}: occlusion{f', because {self.reasons[name]}' if name in self.reasons else ''}"
            for name in self.model.manifest.members
        ]
        values = (
            f"heat: the drop of the whole model's score while a patch of {self.patch} x {self.patch} pixels in the "
            f"chip's mean colour hides a place; the patch slides by {stride(self.patch)} pixels"
        )
        return [*lines, values]

    def to_json(self) -> Json:
        """Return the method, and why members allow no other one, as `--json` prints them."""
        members = [
            {"member": _short(name), "method": self.method, "reason": self.reasons.get(name)}
            for name in self.model.manifest.members
        ]
        patch = {"pixels": self.patch, "stride": stride(self.patch)} if self.weights is None else None
        return {"members": members, "patch": patch}


def gather_evidence(model: Bundle, method: Method, *, patch: int | None = None, jobs: int = 1) -> Evidence:
    """Return the evidence for a bundle; the method `auto` is `cam` where all members and their blend allow it.

    Args:
        model: a bundle that takes chips.
        method: `cam` for class activation maps, `occlusion`, or `auto`.
        patch: the side of the hiding patch in pixels; None is an eighth of the chip's side.
        jobs: threads.

    Raises:
        BundleError: a file of the bundle is damaged.
        ValueError: the method is `cam` and a member or the second level does not allow it, or the patch is larger than
            the chip.
    """
    side = model.spec.side
    size = patch or max(1, side // PATCHES_A_SIDE)
    if size > side:
        raise ValueError(f"--patch is {size} pixels, but the model takes chips of {side}; name a smaller patch.")
    maps, reasons = _member_maps(model, jobs=jobs)
    weights = model.second.weights if isinstance(model.second, Blend) else None
    if not reasons and weights is None:
        reasons = dict.fromkeys(model.manifest.members, "the members are joined by a model, not by a weighted mean")
    if method == "cam" and reasons:
        name, reason = next(iter(reasons.items()))
        raise ValueError(
            f"{len(reasons)} of {len(model.members)} members allow no class activation map (first: {_short(name)}, "
            f"because {reason}); use --method occlusion."
        )
    if method == "occlusion":
        return Evidence(model, None, maps, {}, size)
    return Evidence(model, None if reasons else weights, maps, reasons, size)


def score_batch(model: Bundle, batch: ChipBatch) -> Scores:
    """Return the bundle's scores (chips, labels) of chips as its networks take them."""
    return model.scores([network(batch)[np.newaxis] for network in model.networks])


def _member_maps(model: Bundle, *, jobs: int) -> tuple[dict[str, MapNetwork], dict[str, str]]:
    """Return the members' feature maps, and why other members have none."""
    manifest = model.manifest
    read = partial(bundle.read_checked, model.folder, manifest)
    maps: dict[str, MapNetwork] = {}
    reasons: dict[str, str] = {}
    for name in manifest.members:
        head = engine.read_head(read, manifest.files, name)
        if head is not None and not isinstance(head, LinearHead):
            reasons[name] = "its head is not linear"
            continue
        xml, weights = (read(f"members/{name}/{part}") for part in NETWORK["f32"])
        try:
            maps[name] = load_maps(xml, weights, last=head.layer() if head else None, jobs=jobs)
        except NoFeatureMapError as error:
            reasons[name] = str(error)
    return maps, reasons


def _short(name: str) -> str:
    return name.partition("-")[2]


def strongest_quarter(heat: Floats) -> tuple[str, float]:
    """Return the quarter of a map (side, side) with most of its positive heat, and its share; no heat gives NaN."""
    positive = np.maximum(heat, 0)
    total = positive.sum()
    if not total > 0:
        return "nowhere", float("nan")
    half = len(heat) // 2
    quarters = {
        "upper left": positive[:half, :half],
        "upper right": positive[:half, half:],
        "lower left": positive[half:, :half],
        "lower right": positive[half:, half:],
    }
    name = max(quarters, key=lambda quarter: float(quarters[quarter].sum()))
    return name, float(quarters[name].sum() / total)


def peak(heat: Floats) -> tuple[int, int]:
    """Return the column and row of the pixel with most heat."""
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    return int(column), int(row)
