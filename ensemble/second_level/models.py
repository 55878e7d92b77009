"""Fitted second levels: members' scores to one score matrix, and their files.

    second.npz   a weighted mean, or two levels of ridge regressions
    second.json  trees

`TwoLevelRidge` is the scheme of the 2017 competition's winner: first the labels of each member correct each other, then
each label weighs the members. `second_level.candidates` fits and chooses; predicting does not import it.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Scores, Vectors
from ensemble.decisions import calibrate
from ensemble.heads.fitted import Head, LinearHead
from ensemble.heads.head_files import parse_head
from ensemble.second_level import blend
from ensemble.second_level.blend import Blend

SECOND_LEVEL_FILES = ("second.npz", "second.json")
MAX_LOG_ODDS = 8.0  # log odds are clipped to it; no training set is large enough to support more certainty


class SecondLevel(Protocol):
    """A fitted map of several score matrices to one."""

    def scores(self, matrices: Sequence[Scores]) -> Scores:
        """Return scores (chips, labels) in [0, 1] from one matrix for each member."""


@dataclass(frozen=True)
class TwoLevelRidge:
    """Two levels of ridge regressions on log odds."""

    first: tuple[LinearHead, ...]  # one for each member: from its labels' log odds to all labels
    second: tuple[LinearHead, ...]  # one for each label: from the members' log odds to the label

    def scores(self, matrices: Sequence[Scores]) -> Scores:
        """Return one matrix from one of each member, in the members' order."""
        blend.check(matrices, len(self.first))
        odds = first_level_log_odds(self.first, matrices)
        columns = [head.scores(odds[:, :, label]) for label, head in enumerate(self.second)]
        return np.concatenate(columns, axis=1)


@dataclass(frozen=True)
class StackedHead:
    """A classical head on all members' log odds side by side."""

    head: Head
    members: int

    def scores(self, matrices: Sequence[Scores]) -> Scores:
        """Return one matrix from one of each member, in the members' order."""
        blend.check(matrices, self.members)
        return self.head.scores(stacked_log_odds(matrices))


def pack_second_level(second: SecondLevel) -> tuple[str, bytes]:
    """Return the name of a second level's file, one of `SECOND_LEVEL_FILES`, and its content."""
    buffer = io.BytesIO()
    if isinstance(second, Blend):
        np.savez(buffer, kind=np.array(second.kind), weights=second.weights, knots=second.knots)
    elif isinstance(second, TwoLevelRidge):
        parts = {
            f"{level}_{number}_{key}": value
            for level, heads in (("first", second.first), ("second", second.second))
            for number, head in enumerate(heads)
            for key, value in vars(head).items()
        }
        np.savez(buffer, kind=np.array("ridge"), **parts)
    elif isinstance(second, StackedHead):
        return SECOND_LEVEL_FILES[1], second.head.pack()[1]
    return SECOND_LEVEL_FILES[0], buffer.getvalue()


def parse_second_level(name: str, content: bytes, members: int) -> SecondLevel:
    """Read a second level from the name and content of its file.

    Raises:
        ValueError: the parts of the file do not fit together, or not `members` members.
    """
    if name == "second.json":
        return StackedHead(parse_head("head.json", content), members)
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    kind = str(arrays.pop("kind"))
    if kind == "ridge":
        return TwoLevelRidge(_heads(arrays, "first", members), _heads(arrays, "second", None))
    weights, knots = arrays["weights"], arrays["knots"]
    if kind not in blend.KINDS or weights.ndim != 2 or len(weights) != members:
        raise ValueError(
            f"the second level has kind {kind} and weights {weights.shape}, but the bundle has {members} members"
        )
    if not np.isfinite(weights).all() or weights.min() < 0 or np.abs(weights.sum(axis=0) - 1).max() > 1e-6:
        raise ValueError("the weights of the second level do not sum to 1")
    if kind == "rank" and (knots.shape[:2] != (members + 1, weights.shape[1]) or (np.diff(knots, axis=2) < 0).any()):
        raise ValueError(f"the knots of the second level, {knots.shape}, are not the quantiles of distributions")
    return Blend(kind, weights, knots)


def _heads(arrays: dict[str, NDArray[Any]], level: str, count: int | None) -> tuple[LinearHead, ...]:
    number_of_heads = sum(key.startswith(level) and key.endswith("_bias") for key in arrays)
    if count is not None and number_of_heads != count:
        raise ValueError(f"the second level has {number_of_heads} heads for {count} members")
    keys = ("mean", "spread", "weights", "bias")
    return tuple(LinearHead(*(arrays[f"{level}_{number}_{key}"] for key in keys)) for number in range(number_of_heads))


def stacked_log_odds(matrices: Sequence[Scores]) -> Vectors:
    """Return all members' clipped log odds side by side, (chips, members * labels)."""
    return np.concatenate([clipped_log_odds(matrix) for matrix in matrices], axis=1)


def clipped_log_odds(scores: Scores) -> Vectors:
    """Return log odds, clipped to `MAX_LOG_ODDS`."""
    return np.clip(calibrate.log_odds(scores), -MAX_LOG_ODDS, MAX_LOG_ODDS).astype(np.float32)


def first_level_log_odds(heads: Sequence[LinearHead], matrices: Sequence[Scores]) -> NDArray[np.float32]:
    """Return clipped log odds (chips, members, labels) of level one."""
    pairs = zip(heads, matrices, strict=True)
    return np.stack([clipped_log_odds(head.scores(clipped_log_odds(matrix))) for head, matrix in pairs], axis=1)
