"""The names of the second levels, which recipes may use; importing them loads nothing else."""

SECOND_LEVEL_NAMES = (
    "mean",
    "geometric",
    "rank",
    "diverse",
    "greedy",
    "routed",
    "ridge",
    "boosted",
)  # the simpler first
