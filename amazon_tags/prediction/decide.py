"""What `amazon_tags decide` does: a score table and a decision in, a submission out; no chips, no model."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amazon_tags.model import decision_file
from amazon_tags.prediction.predict import TaggedChips
from amazon_tags.tables import score_tables
from amazon_tags.tables.labels import LabelSpace
from ensemble.decisions.decision import Decision, decide_tags, expected_f


def decide_scores(scores: Path, decided_by: Path) -> tuple[LabelSpace, Iterator[TaggedChips]]:
    """The label space, and the tags of a score table's chips, a part of the table at a time.

    Raises:
        ValueError: the decision or the table is wrong, also while it is read.
    """
    space, made = decision_file.read(decided_by)
    return space, (_tagged(made, ids, matrix) for ids, matrix in score_tables.stream_scores(scores, space))


def _tagged(made: Decision, ids: list[str], scores: NDArray[np.float32]) -> TaggedChips:
    tags = decide_tags(made, scores)
    nothing = np.zeros((len(ids), 0), np.float32)  # of the chips themselves is known
    return TaggedChips(ids, scores, tags, expected_f(made, scores, tags), [], np.ones(len(ids), bool), nothing)
