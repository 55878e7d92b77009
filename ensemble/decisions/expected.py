"""The tags of the highest expected F-beta, exactly, from calibrated scores.

F-beta of a chip is (1 + beta^2) hits / (beta^2 true + given); the weight of a true label is beta squared, 4 for F2.
For an answer of k labels its expectation is a sum over these labels i of

    delta(i, k) = (1 + beta^2) sum_s P(i holds, and s labels hold in all) / (beta^2 s + k),

so the best answer of k labels is the k of highest delta, and the best of all is the best over k (Dembczynski et al.
2011, algorithm 1; Waegeman et al. 2014, section 4). Two models of the labels give the joint probabilities:

independent   every label holds by itself; how many others do is a Poisson-binomial distribution
ruled         one label of each group holds, and a label that stands alone holds alone; `MIX` of the probability is
              left to independence, for real labels break the rules
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ensemble.arrays import Floats, Scores, Tags

MIX = 0.05  # above the share of rows that break a rule in the competition's table, for scores are no oracles
BLOCK = 1024  # chips at a time: their joint probabilities, 2 MB for 17 labels, stay in the processor's cache


@dataclass(frozen=True)
class Rules:
    """Columns: of each group exactly one label holds; where a label of `alone` holds, nothing else does."""

    groups: tuple[tuple[int, ...], ...] = ()
    alone: tuple[int, ...] = ()


def decode(scores: Scores, *, beta: float = 2.0, rules: Rules | None = None, mix: float = MIX) -> tuple[Tags, Floats]:
    """The best tags (chips, labels) and their expected F-beta (chips,).

    Of equally good answers the shortest is taken, so a chip whose scores are all 0 gets none.

    Args:
        scores: (chips, labels) probabilities.
        beta: recall weighs beta times as much as precision.
        rules: None takes the labels to be independent.
        mix: the share of independence where there are rules.
    """
    tags = np.zeros(scores.shape, np.bool_)
    worth = np.zeros(len(scores))
    for some, deltas in _deltas(scores, beta, rules, mix):
        sizes = np.arange(deltas.shape[1])
        falling = -np.sort(-deltas, axis=2)
        totals = np.cumsum(falling, axis=2)[:, sizes, sizes]  # (chips, given): the best answer of each size
        totals = np.concatenate([np.zeros((len(totals), 1)), totals], axis=1)  # the empty answer is worth 0
        best = np.argmax(totals, axis=1)
        worth[some] = np.take_along_axis(totals, best[:, None], axis=1)[:, 0]
        chosen = deltas[np.arange(len(best)), np.maximum(best, 1) - 1]
        order = np.argsort(-chosen, axis=1, kind="stable")
        given = np.zeros(chosen.shape, np.bool_)
        np.put_along_axis(given, order, np.arange(chosen.shape[1]) < best[:, None], axis=1)
        tags[some] = given
    return tags, worth


def expected_f_beta(
    scores: Scores, tags: Tags, *, beta: float = 2.0, rules: Rules | None = None, mix: float = MIX
) -> Floats:
    """Expected F-beta (chips,) of any tags, by the same models."""
    value = np.zeros(len(scores))
    for some, deltas in _deltas(scores, beta, rules, mix):
        given = tags[some].sum(axis=1)
        chosen = deltas[np.arange(len(given)), np.maximum(given, 1) - 1]
        value[some] = (chosen * tags[some]).sum(axis=1)
    return value


def _deltas(scores: Scores, beta: float, rules: Rules | None, mix: float) -> Iterator[tuple[slice, Floats]]:
    """Blocks of chips with their (chips, given, labels) deltas."""
    sizes = np.arange(1, scores.shape[1] + 1)
    weights = (1 + beta**2) / (beta**2 * sizes[None, :] + sizes[:, None])  # (given, true)
    for first in range(0, len(scores), BLOCK):
        some = slice(first, first + BLOCK)
        marginals = np.ascontiguousarray(scores[some].T, np.float64)
        joint = _independent(marginals)
        if rules is not None:
            joint = mix * joint + (1 - mix) * _ruled(marginals, rules)
        flat = weights @ joint.reshape(len(sizes), -1)
        yield some, np.ascontiguousarray(flat.reshape(joint.shape).transpose(2, 0, 1))


def _independent(marginals: Floats) -> Floats:
    """(true, labels, chips): the probability that label i holds and s + 1 labels hold in all, at [s, i].

    `marginals` are (labels, chips).
    """
    return _others(marginals) * marginals


def _ruled(marginals: Floats, rules: Rules) -> Floats:
    """The same under the rules, where a label keeps its probability as far as they let it.

    A group's probabilities are divided by their sum. Labels outside of the groups hold independently where no label
    stands alone, with a probability that makes up for the chips where one does.
    """
    labels, chips = marginals.shape
    shares = marginals.copy()
    for group in map(list, rules.groups):
        shares[group] = _over_sum(shares[group])
    alone = list(rules.alone)
    if not rules.groups:
        shares[alone] /= np.maximum(1, shares[alone].sum(axis=0))
    company = 1 - shares[alone].sum(axis=0)  # the probability that no label stands alone
    grouped = [label for group in rules.groups for label in group if label not in rules.alone]
    free = [label for label in range(labels) if label not in {*alone, *grouped}]
    given = np.minimum(1, np.divide(marginals[free], company, out=np.ones((len(free), chips)), where=company > 0))
    joint = np.zeros((labels, labels, chips))
    joint[0, alone] = shares[alone]
    count = len(rules.groups)  # labels that hold because of the groups
    if grouped:
        joint[count - 1 : count + len(free), grouped] = _poisson_binomial(given)[:, None] * shares[grouped]
    if free:
        joint[count : count + len(free), free] = _others(given) * (given * company)
    return joint


def _over_sum(parts: Floats) -> Floats:
    """Parts (labels, chips) of 1; equal ones where all are 0."""
    total = parts.sum(axis=0)
    result: Floats = np.divide(parts, total, out=np.full(parts.shape, 1 / len(parts)), where=total > 0)
    return result


def _poisson_binomial(marginals: Floats) -> Floats:
    """(labels + 1, chips): the probability that s labels hold, at [s]."""
    labels, chips = marginals.shape
    total = np.zeros((labels + 1, chips))
    total[0] = 1
    for label, chance in enumerate(marginals):
        moved = total[: label + 1] * chance
        total[: label + 1] -= moved
        total[1 : label + 2] += moved
    return total


def _others(marginals: Floats) -> Floats:
    """(labels, labels, chips): the probability that s of the labels other than i hold, at [s, i].

    Each label is divided out of the distribution of all, counting the labels that hold or those that do not, whichever
    makes its own chance at most a half: then no step enlarges the error of the last.
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
