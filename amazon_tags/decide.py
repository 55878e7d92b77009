"""What `amazon_tags decide` does: a score table and a decision in, a submission out; no chips, no model."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amazon_tags import decision, labels, predict, tables
from ensemble import decoders


def run(scores: Path, decided_by: Path) -> tuple[labels.LabelSpace, Iterator[predict.Tagged]]:
    """The label space, and the tags of a score table's chips, a part of the table at a time.

    Raises:
        ValueError: the decision or the table is wrong, also while it is read.
    """
    space, made = decision.read(decided_by)
    return space, (_tagged(made, ids, matrix) for ids, matrix in tables.stream_scores(scores, space))


def _tagged(made: decoders.Decision, ids: list[str], scores: NDArray[np.float32]) -> predict.Tagged:
    tags = decoders.tags(made, scores)
    nothing = np.zeros((len(ids), 0), np.float32)  # of the chips themselves is known
    return predict.Tagged(
        ids, scores, tags, decoders.forecast(made, scores, tags), [], np.ones(len(ids), bool), nothing
    )
