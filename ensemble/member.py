"""What a member of an ensemble is made by: plain values, so that reading a recipe loads no network library."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Frozen:
    """A frozen backbone whose vectors feed a classical head of `ensemble.heads.HEADS`."""

    name: str
    backbone: str
    head: str = "logistic"
    cut: str = "top"
    weights: str = "imagenet"  # or "none"


@dataclass(frozen=True)
class Tuned:
    """A backbone with a sigmoid head, all layers trained on the labelled chips.

    `rate` is the peak learning rate of AdamW; it rises linearly over `warmup` of the steps and falls to zero along
    a cosine (Loshchilov and Hutter 2017, section 3).
    """

    name: str
    backbone: str
    cut: str = "top"
    weights: str = "imagenet"  # or "none"
    epochs: int = 12
    batch: int = 16
    rate: float = 5e-4
    warmup: float = 0.1
    decay: float = 0.02
    dropout: float = 0.2
