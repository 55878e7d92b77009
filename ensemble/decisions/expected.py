"""The tags of the highest expected F-beta, computed exactly from calibrated scores.

F-beta of a chip is (1 + beta^2) hits / (beta^2 true + predicted); the weight of a true label is beta squared, 4 for F2.
The expected F-beta of k predicted labels is a sum over these labels i of

    delta(i, k) = (1 + beta^2) sum_s P(i is true, and s labels are true in all) / (beta^2 s + k),

so the best k labels are those of highest delta, and the best tags are the best over k (Dembczynski et al. 2011,
algorithm 1; Waegeman et al. 2014, section 4). No tags at all are worth the probability that no label is true, since F
of an empty answer to an empty truth is 1 (see `metrics.score`). Two models of the labels give the joint probabilities:

independent   every label is independent; the number of other true labels has a Poisson-binomial distribution
ruled         exactly one label of each group is true, and a label of `alone` excludes all others; the independent model
              keeps `INDEPENDENT_SHARE` of the probability, because real tags break the rules
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ensemble.arrays import Floats, Groups, Scores, Tags

INDEPENDENT_SHARE = 0.05  # above the share of rows that break a rule in the competition's table, as scores err too
CHIPS_PER_BLOCK = 1024  # whose joint probabilities, 2 MB for 17 labels, stay in the processor's cache


@dataclass(frozen=True)
class Rules:
    """Columns of labels: exactly one label of each group is true; a label of `alone` excludes all others."""

    groups: Groups = ()
    alone: tuple[int, ...] = ()


def decode(
    scores: Scores, *, beta: float = 2.0, rules: Rules | None = None, mix: float = INDEPENDENT_SHARE
) -> tuple[Tags, Floats]:
    """Return the best tags (chips, labels) and their expected F-beta (chips,).

    Of equally good sets of tags the smallest is chosen. A chip whose scores are all 0 gets no tag.

    Args:
        scores: (chips, labels) probabilities.
        beta: recall weighs beta times as much as precision.
        rules: None for independent labels.
        mix: the share of the independent model where there are rules.
    """
    tags = np.zeros(scores.shape, np.bool_)
    expected = np.zeros(len(scores))
    for block, deltas, nothing in _deltas(scores, beta, rules, mix):
        sizes = np.arange(deltas.shape[1])
        falling = -np.sort(-deltas, axis=2)
        totals = np.cumsum(falling, axis=2)[:, sizes, sizes]  # (chips, predicted): the best tags of each number
        totals = np.concatenate([nothing[:, None], totals], axis=1)
        best = np.argmax(totals, axis=1)
        expected[block] = np.take_along_axis(totals, best[:, None], axis=1)[:, 0]

        gains = deltas[np.arange(len(best)), np.maximum(best, 1) - 1]
        order = np.argsort(-gains, axis=1, kind="stable")
        block_tags = np.zeros(gains.shape, np.bool_)
        np.put_along_axis(block_tags, order, np.arange(gains.shape[1]) < best[:, None], axis=1)
        tags[block] = block_tags
    return tags, expected


def expected_f_beta(
    scores: Scores, tags: Tags, *, beta: float = 2.0, rules: Rules | None = None, mix: float = INDEPENDENT_SHARE
) -> Floats:
    """Return the expected F-beta (chips,) of any tags, by the same models as `decode`."""
    expected = np.zeros(len(scores))
    for block, deltas, nothing in _deltas(scores, beta, rules, mix):
        predicted = tags[block].sum(axis=1)
        gains = deltas[np.arange(len(predicted)), np.maximum(predicted, 1) - 1]
        expected[block] = np.where(predicted == 0, nothing, (gains * tags[block]).sum(axis=1))
    return expected


def _deltas(scores: Scores, beta: float, rules: Rules | None, mix: float) -> Iterator[tuple[slice, Floats, Floats]]:
    """Yield blocks of chips with their deltas (chips, predicted, labels) and P(no label is true) (chips,)."""
    sizes = np.arange(1, scores.shape[1] + 1)
    weights = (1 + beta**2) / (beta**2 * sizes[None, :] + sizes[:, None])  # (predicted, true)
    for first in range(0, len(scores), CHIPS_PER_BLOCK):
        block = slice(first, first + CHIPS_PER_BLOCK)
        marginals = np.ascontiguousarray(scores[block].T, np.float64)
        joint, nothing = _independent(marginals)
        if rules is not None:
            ruled, ruled_nothing = _ruled(marginals, rules)
            joint, nothing = mix * joint + (1 - mix) * ruled, mix * nothing + (1 - mix) * ruled_nothing
        flat = weights @ joint.reshape(len(sizes), -1)
        yield block, np.ascontiguousarray(flat.reshape(joint.shape).transpose(2, 0, 1)), nothing


def _independent(marginals: Floats) -> tuple[Floats, Floats]:
    """Return the joint probabilities of independent labels, whose `marginals` are (labels, chips).

    Returns:
        The probability that label i is true and s + 1 labels are true in all, at [s, i] of (true, labels, chips); and
        the probability (chips,) that no label is true.
    """
    return _others(marginals) * marginals, (1 - marginals).prod(axis=0)


def _ruled(marginals: Floats, rules: Rules) -> tuple[Floats, Floats]:
    """Return the same under the rules, where each label keeps its probability as far as the rules allow.

    A group's probabilities are divided by their sum. Labels outside of the groups are independent where no label of
    `alone` is true, with a probability that makes up for the case that one is.
    """
    labels, chips = marginals.shape
    shares = marginals.copy()
    for group in map(list, rules.groups):
        shares[group] = _over_sum(shares[group])
    alone = list(rules.alone)
    if not rules.groups:
        shares[alone] /= np.maximum(1, shares[alone].sum(axis=0))
    none_alone = 1 - shares[alone].sum(axis=0)  # the probability that no label of `alone` is true
    grouped = [label for group in rules.groups for label in group if label not in rules.alone]
    free = [label for label in range(labels) if label not in {*alone, *grouped}]
    conditional = np.divide(marginals[free], none_alone, out=np.ones((len(free), chips)), where=none_alone > 0)
    conditional = np.minimum(1, conditional)

    joint = np.zeros((labels, labels, chips))
    joint[0, alone] = shares[alone]
    count = len(rules.groups)  # true labels from the groups
    if grouped:
        joint[count - 1 : count + len(free), grouped] = _poisson_binomial(conditional)[:, None] * shares[grouped]
    if free:
        joint[count : count + len(free), free] = _others(conditional) * (conditional * none_alone)
    nothing = np.zeros(chips) if rules.groups else none_alone * (1 - conditional).prod(axis=0)
    return joint, nothing


def _over_sum(parts: Floats) -> Floats:
    """Return parts (labels, chips) over their sum; equal parts where all are 0."""
    total = parts.sum(axis=0)
    result: Floats = np.divide(parts, total, out=np.full(parts.shape, 1 / len(parts)), where=total > 0)
    return result


def _poisson_binomial(marginals: Floats) -> Floats:
    """Return (labels + 1, chips): the probability that s labels are true, at [s]."""
    labels, chips = marginals.shape
    total = np.zeros((labels + 1, chips))
    total[0] = 1
    for label, chance in enumerate(marginals):
        moved = total[: label + 1] * chance
        total[: label + 1] -= moved
        total[1 : label + 2] += moved
    return total


def _others(marginals: Floats) -> Floats:
    """Return (labels, labels, chips): the probability that s of the labels other than i are true, at [s, i].

    Each label is divided out of the distribution of all labels. True or false labels are counted, whichever makes the
    label's own probability at most a half: then no step enlarges the error of the last.
    """
    labels, chips = marginals.shape
    total = _poisson_binomial(marginals)
    often = marginals > 0.5
    chance = np.where(often, 1 - marginals, marginals)
    scale, odds = 1 / (1 - chance), chance / (1 - chance)
    rest = np.empty((labels, labels, chips))
    last = np.zeros((labels, chips))
    for count in range(labels):
        whole = np.where(often, total[labels - count], total[count])
        last = whole * scale - odds * last
        rest[count] = last
    return np.where(often, rest[::-1], rest)
