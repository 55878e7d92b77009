"""The settings of a pretraining: plain values, so that a wrong one is refused before a network library is loaded."""

from dataclasses import dataclass
from typing import Literal

from features.networks.backbone_shapes import BACKBONE_SHAPES, refuse_side

Method = Literal["simclr", "byol", "fcmae"]

PATCH = 32  # pixels of a patch that FCMAE masks: a place of ConvNeXt V2's last maps (Woo et al. 2023)
MASKED_BACKBONES = "convnext_v2_"  # how the names of backbones begin that FCMAE can mask
RATE_BATCH = 256  # chips of a step for which rates are stated


@dataclass(frozen=True)
class MethodTraits:
    """What a method can do, and its usual learning rate for `RATE_BATCH` chips."""

    rate: float
    decay: float
    contrasts: bool  # whether it needs all chips of a step in one batch: the others are a chip's negatives
    can_collapse: bool


METHODS: dict[Method, MethodTraits] = {
    "simclr": MethodTraits(rate=1e-3, decay=1e-4, contrasts=True, can_collapse=True),
    "byol": MethodTraits(rate=1e-3, decay=1e-4, contrasts=False, can_collapse=True),
    "fcmae": MethodTraits(rate=1e-3, decay=0.05, contrasts=False, can_collapse=False),
}


@dataclass(frozen=True)
class PretrainSettings:
    """How a backbone is pretrained.

    Attributes:
        method: A key of `METHODS`.
        backbone: A key of `features.networks.backbone_table.BACKBONES`.
        epochs: How often each chip is shown.
        batch: Chips in a batch.
        accumulate: Batches in a step.
        rate: The highest learning rate for steps of `RATE_BATCH` chips; 0 is the method's own. It grows with the square
            root of the chips in a step (Chen et al. 2020, appendix B.1).
        random: Whether the weights are drawn, instead of loaded.
        seed: Of all random numbers.
    """

    method: Method
    backbone: str
    epochs: int = 100
    batch: int = 64
    accumulate: int = 1
    rate: float = 0.0
    random: bool = False
    seed: int = 0

    def step_rate(self) -> float:
        """Return the highest learning rate for a step of `batch` times `accumulate` chips."""
        rate = self.rate or METHODS[self.method].rate
        return float(rate * (self.batch * self.accumulate / RATE_BATCH) ** 0.5)

    def batches_an_epoch(self, chips: int) -> int:
        """Return the number of whole batches; chips that fill none are in other batches of the next epoch."""
        return chips // self.batch

    def batches(self, chips: int) -> int:
        """Return the number of batches of the whole training."""
        return self.epochs * self.batches_an_epoch(chips)


def refuse_settings(settings: PretrainSettings, side: int, chips: int | None = None) -> None:
    """Raise ValueError if a method cannot train a backbone on so many chips of a side."""
    name = settings.backbone
    refuse_side(name, side)
    if settings.method == "fcmae":
        if not name.startswith(MASKED_BACKBONES):
            maskable = [known for known in BACKBONE_SHAPES if known.startswith(MASKED_BACKBONES)]
            raise ValueError(
                f"fcmae masks the layers of ConvNeXt V2, but the backbone is {name}; use one of "
                f"{', '.join(maskable)}, or the method simclr or byol."
            )
        if problem := wrong_side(side):
            raise ValueError(f"fcmae masks {problem}.")
    if METHODS[settings.method].contrasts and settings.accumulate > 1:
        raise ValueError(
            f"{settings.method} compares a chip with those of its own batch only, so that more batches in a step "
            f"(accumulate {settings.accumulate}) would not give it more; use a larger batch, or the method byol."
        )
    if settings.batch < 2:
        raise ValueError(f"the batch is {settings.batch}, but a batch norm and negatives need 2 chips or more.")
    if chips is not None and chips < settings.batch:
        raise ValueError(
            f"there are {chips} chips, but a batch has {settings.batch}; give more chips, or a smaller batch."
        )


def wrong_side(side: int) -> str:
    """Return why chips of a side cannot be masked; empty if they can."""
    if side % PATCH == 0 and side >= 2 * PATCH:
        return ""
    return f"patches of {PATCH} x {PATCH} pixels, but the side is {side}; use a multiple of {PATCH} from {2 * PATCH} on"
