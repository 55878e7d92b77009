"""A second level that was fitted: members' scores to one score, and its file.

    second.npz   a mean of some kind, or two levels of ridge regressions
    second.json  trees

TwoLevels is the winner's scheme of the 2017 competition: first each model's labels correct each other, then each
label weighs the models. What fits and chooses is in `ensemble.second`, which predicting does not load.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ensemble.arrays import Scores
from ensemble.decisions import calibrate
from ensemble.heads.fitted import Head, LinearHead
from ensemble.heads.head_files import parse_head
from ensemble.second_level import blend
from ensemble.second_level.blend import Blend

SECOND_LEVEL_FILES = ("second.npz", "second.json")
MAX_LOG_ODDS = 8.0  # log odds beyond are taken for this: a certainty that nobody has measured


class SecondLevel(Protocol):
    """Anything that makes one score matrix of several."""

    def scores(self, matrices: Sequence[Scores]) -> Scores:
        """Scores (chips, labels) in [0, 1], of one matrix a member."""


@dataclass(frozen=True)
class TwoLevelRidge:
    """`first` has a head a member, from its labels' odds to all labels; `second` one a label, from members' odds."""

    first: tuple[LinearHead, ...]
    second: tuple[LinearHead, ...]

    def scores(self, matrices: Sequence[Scores]) -> Scores:
        """One matrix of several, in the members' order."""
        blend.check(matrices, len(self.first))
        odds = first_level_log_odds(self.first, matrices)
        columns = [head.scores(odds[:, :, label]) for label, head in enumerate(self.second)]
        return np.concatenate(columns, axis=1)


@dataclass(frozen=True)
class StackedHead:
    """A classical head on all members' odds in a row."""

    head: Head
    members: int

    def scores(self, matrices: Sequence[Scores]) -> Scores:
        """One matrix of several, in the members' order."""
        blend.check(matrices, self.members)
        return self.head.scores(stacked_log_odds(matrices))


def pack_second_level(second: SecondLevel) -> tuple[str, bytes]:
    """The name of its file, one of `FILES`, and the content."""
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
    """What was packed.

    Raises:
        ValueError: the file is none, or its parts do not fit together or `members`.
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
        raise ValueError(f"a second level of kind {kind} with weights {weights.shape} for {members} members")
    if not np.isfinite(weights).all() or weights.min() < 0 or np.abs(weights.sum(axis=0) - 1).max() > 1e-6:
        raise ValueError("the weights of the second level do not sum to 1")
    if kind == "rank" and (knots.shape[:2] != (members + 1, weights.shape[1]) or (np.diff(knots, axis=2) < 0).any()):
        raise ValueError(f"the knots of the second level, {knots.shape}, are no distributions")
    return Blend(kind, weights, knots)


def _heads(arrays: dict[str, NDArray[Any]], level: str, count: int | None) -> tuple[LinearHead, ...]:
    found = sum(key.startswith(level) and key.endswith("_bias") for key in arrays)
    if count is not None and found != count:
        raise ValueError(f"the second level has {found} heads for {count} members")
    keys = ("mean", "spread", "weights", "bias")
    return tuple(LinearHead(*(arrays[f"{level}_{number}_{key}"] for key in keys)) for number in range(found))


def stacked_log_odds(matrices: Sequence[Scores]) -> NDArray[np.float32]:
    """All members' log odds (chips, members * labels)."""
    return np.concatenate([clipped_log_odds(matrix) for matrix in matrices], axis=1)


def clipped_log_odds(scores: Scores) -> NDArray[np.float32]:
    """Log odds, as far as they reach."""
    return np.clip(calibrate.log_odds(scores), -MAX_LOG_ODDS, MAX_LOG_ODDS).astype(np.float32)


def first_level_log_odds(heads: Sequence[LinearHead], matrices: Sequence[Scores]) -> NDArray[np.float32]:
    """Log odds (chips, members, labels) after level one."""
    pairs = zip(heads, matrices, strict=True)
    return np.stack([clipped_log_odds(head.scores(clipped_log_odds(matrix))) for head, matrix in pairs], axis=1)
