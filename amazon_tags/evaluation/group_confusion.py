"""Which label of a group the scores take for which: such as one weather for another."""

from dataclasses import dataclass

import numpy as np

from ensemble.arrays import Counts, Scores, Tags


@dataclass(frozen=True)
class GroupConfusion:
    """Chips by their true label of a group and by the label of the highest score in it.

    Attributes:
        counts: (group, group), rows by the truth.
        left_out: chips that carry none or several labels of the group.
    """

    counts: Counts
    left_out: int

    @property
    def accuracy(self) -> float:
        """The share of chips whose highest score is that of the true label; 0 without chips."""
        return float(np.trace(self.counts) / max(self.counts.sum(), 1))


def confuse_group(truth: Tags, scores: Scores, group: tuple[int, ...]) -> GroupConfusion:
    """Count the chips that carry exactly one of the group's labels; of equal scores the first counts as highest."""
    columns = list(group)
    chips = truth[:, columns].sum(axis=1) == 1
    true, predicted = (values[np.ix_(chips, columns)].argmax(axis=1) for values in (truth, scores))
    counts = np.zeros((len(columns), len(columns)), np.int64)
    np.add.at(counts, (true, predicted), 1)
    return GroupConfusion(counts, int((~chips).sum()))
