"""What a member of an ensemble is made by: plain values, so that reading a recipe loads no network library."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FrozenMember:
    """A frozen backbone whose vectors feed a classical head of `ensemble.heads.HEADS`.

    `sees`, `shrink` and `pool` are those of `features.backbones.Frame`.
    """

    name: str
    backbone: str
    head: str = "logistic"
    layer: str = "top"
    weights: str = "imagenet"  # or "none"
    sees: str = "bands"
    shrink: int = 1
    pool: str = "average"


@dataclass(frozen=True)
class TunedMember:
    """A backbone with a head of its own, trained on the labelled chips; `sees`, `shrink`, `pool` as of `Frozen`.

    Learning. `cosine` is AdamW: the rate rises linearly to `rate` over `warmup` of the steps and falls to zero along
    a cosine (Loshchilov and Hutter 2017, section 3). `hyperrule` is SGD by `schedules.hyperrule`, which knows its own
    `epochs`, `rate`, `warmup`, `decay` and `mixup`, and has the head start at zero. A step takes `batch` times
    `accumulate` chips.

    Layers. The first `freeze` of the layers stay as they came; the rate of the others falls from the head's to
    `falloff` of it at the first layer (Howard and Ruder 2018, section 3.2).

    Weights. With `ema` > 0 the weights kept are an average, in which each step's weigh 1 - `ema`.

    Chips. The first `progressive` of the epochs are trained at half the side.

    Teachers. `teachers` are earlier members; the targets become `trust` parts their mean score and 1 - `trust` parts
    the truth, and chips without labels their mean score.
    """

    name: str
    backbone: str
    layer: str = "top"
    weights: str = "imagenet"  # or "none"
    sees: str = "bands"
    shrink: int = 1
    pool: str = "average"
    dropout: float = 0.2
    output: str = "sigmoid"  # of OUTPUTS
    loss: str = "cross_entropy"  # of LOSSES
    smoothing: float = 0.0
    positive: float = 1.0
    schedule: str = "cosine"  # of SCHEDULES
    epochs: int = 12
    batch: int = 16
    accumulate: int = 1
    rate: float = 5e-4
    warmup: float = 0.1
    decay: float = 0.02
    mixup: float = 0.0
    freeze: float = 0.0
    falloff: float = 1.0
    ema: float = 0.0
    progressive: float = 0.0
    teachers: tuple[str, ...] = ()
    trust: float = 0.5


SEES = ("bands", "dehazed", "streams")
POOLS = ("average", "max", "both")
OUTPUTS = ("sigmoid", "grouped", "softmax")
LOSSES = ("cross_entropy", "soft_fbeta", "asymmetric")
SCHEDULES = ("cosine", "hyperrule")
