"""The pruning strategies, and the share of the weights that a compression ratio leaves; it imports no network library.

global-magnitude  keeps the weights of largest absolute value in the whole network
layer-magnitude   keeps the same share in every layer, those of largest absolute value
global-gradient   keeps the weights of largest absolute product of weight and gradient on one batch of training chips
random            keeps weights at random: the control of the three above
channels          removes whole channels inside blocks, those whose filters have the smallest sum of absolute values (Li
                  et al. 2017), and rebuilds a smaller dense network
random-channels   removes such channels at random: the control of `channels`
unpruned          removes nothing: the control of all
"""

UNPRUNED = "unpruned"
WEIGHT_STRATEGIES = ("global-magnitude", "layer-magnitude", "global-gradient", "random")
CHANNEL_STRATEGIES = ("channels", "random-channels")
STRATEGIES = (*WEIGHT_STRATEGIES, *CHANNEL_STRATEGIES)
CONTROLS = {"random": WEIGHT_STRATEGIES, "random-channels": CHANNEL_STRATEGIES}  # each control, and what it is for


def keep_fraction(total: int, fixed: int, ratio: float) -> float:
    """Return the share of prunable weights to keep, so that all parameters are `ratio` times those that are left.

    Args:
        total: all parameters.
        fixed: those that are never pruned.
        ratio: all parameters by those that are left, at least 1.

    Raises:
        ValueError: the fixed parameters alone are too many.

    Example:
        >>> round(keep_fraction(1_000_000, 50_000, 4), 6)
        0.210526
    """
    if ratio < 1:
        raise ValueError(f"a compression ratio is {ratio:g}, but must be at least 1; 1 prunes nothing.")
    keep = (total / ratio - fixed) / (total - fixed) if total > fixed else 0.0
    if keep <= 0:
        raise ValueError(
            f"a compression ratio of {ratio:g} cannot be reached: {fixed:,} of {total:,} parameters are never pruned "
            f"(the last layer, biases and norms), so that it must be below {total / max(fixed, 1):.1f}; choose a "
            "smaller one."
        )
    return keep


def with_controls(strategies: tuple[str, ...]) -> tuple[str, ...]:
    """Return the strategies with the random controls that they need, each once.

    Example:
        >>> with_controls(("channels",))
        ('channels', 'random-channels')
    """
    needed = [control for control, names in CONTROLS.items() if set(strategies) & set(names)]
    return tuple(dict.fromkeys([*strategies, *needed]))
