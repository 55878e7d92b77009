"""The settings of an ensemble's members: plain values, so that reading a recipe imports no network library.

The tuples name every choice. The tables that implement them have the same keys, which tests check: `inputs.INPUTS` and
`backbones.POOLS` of `features.networks`, `heads.table.HEADS`, and `losses.LOSSES` and
`build.softmax_groups` of this package. Those of a member's `init` are `STARTS` of `features.initialisation.start`.
"""

from dataclasses import dataclass

HEADS = ("logistic", "ridge", "svm", "neighbours", "forest", "boosted")
SEES = ("bands", "dehazed", "streams", "grey")
POOLS = ("average", "max", "both", "class", "patches")
OUTPUTS = ("sigmoid", "grouped", "softmax")
LOSSES = ("cross_entropy", "squared_error", "soft_fbeta", "asymmetric")
LOGITS = ("plain", "cosine", "normalised")
SCHEDULES = ("cosine", "hyperrule")
PAIRS = ("shared", "bottleneck", "stacked")


@dataclass(frozen=True)
class FrozenMember:
    """A frozen backbone whose vectors are the input of a classical head of `ensemble.heads.table.HEADS`.

    Of pairs of chips, the vectors of both dates are concatenated.

    `sees`, `shrink` and `pool` are those of `features.networks.backbones.BackboneOptions`.
    """

    name: str
    backbone: str
    head: str = "logistic"
    layer: str = "top"
    weights: str = "imagenet"  # or "none"
    sees: str = "bands"  # of SEES
    shrink: int = 1
    pool: str = "average"  # of POOLS


@dataclass(frozen=True)
class TunedMember:
    """A backbone with a head of its own, trained on labelled chips; `sees`, `shrink` and `pool` as of `FrozenMember`.

    Backbone. `components` are those of the layers of a hypercomplex one; 0 for as many as its image has bands, or two
    for stacked pairs.

    Pairs of chips. `shared`: one backbone sees the chips of both dates, and the head takes the vectors of both.
    `bottleneck`: the same, with a hypercomplex layer of two components, one for each date, between the vectors and the
    head. `stacked`: the backbone sees one image with the bands of both dates (Lopez et al. 2022 do so with n = 2).

    Start. `init` says what is redrawn of the weights (`features.initialisation.start.Start`). Batch norms of redrawn
    layers are trained with the statistics of batches; all other batch norms keep the statistics that they came with.

    Logits. `cosine` and `normalised` bound them (`logits.BoundedDense`).

    Learning. `cosine` is AdamW: the rate rises linearly to `rate` over `warmup` of the steps and falls to zero along
    a cosine (Loshchilov and Hutter 2017, section 3). `hyperrule` is SGD by `schedules.hyperrule`, which determines
    epochs, rate, warmup, decay and mixup, and starts with a head of zeros. A step takes `batch` times `accumulate`
    chips.

    Layers. The first `freeze` (a share) of the layers are not trained; the rate of the others falls from the head's to
    `falloff` times it at the first layer (Howard and Ruder 2018, section 3.2).

    Weights. With `ema` > 0 the trained weights are an exponential moving average, in which each step weighs 1 - `ema`.

    Chips. The first `progressive` (a share) of the epochs are trained at half the side.

    Teachers. `teachers` are earlier members. The targets of labelled chips become `trust` times the teachers' mean
    score plus 1 - `trust` times the ground truth; those of unlabelled chips are the mean score.
    """

    name: str
    backbone: str
    layer: str = "top"
    weights: str = "imagenet"  # or "none"
    init: str = "imagenet"  # random, auto, grad, stats or transfer:LAYER
    sees: str = "bands"  # of SEES
    shrink: int = 1
    pool: str = "average"  # of POOLS
    components: int = 0
    pairs: str = "shared"  # of PAIRS
    dropout: float = 0.2
    output: str = "sigmoid"  # of OUTPUTS
    logits: str = "plain"  # of LOGITS
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
