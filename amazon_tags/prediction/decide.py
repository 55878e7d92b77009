"""Decide tags from a score table and a decision file, without chips and without a model."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from amazon_tags.model import decision_file
from amazon_tags.prediction.predict import TaggedChips
from amazon_tags.tables import score_tables
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Scores
from ensemble.decisions.decision import Decision, decide_tags, expected_f


def decide_scores(scores: Path, decision_path: Path) -> tuple[LabelSpace, Iterator[TaggedChips]]:
    """Return the decision's label space, and the tags of a score table's chips, a part of the table at a time.

    Args:
        scores: a score table, CSV or Parquet.
        decision_path: what `amazon_tags tune` wrote, or a bundle's `decision.json`.

    Raises:
        ValueError: the decision or the table is wrong; the table's errors may come while the parts are read.
    """
    space, decision = decision_file.read(decision_path)
    return space, (tag_scores(decision, ids, part) for ids, part in score_tables.stream_scores(scores, space))


def tag_scores(decision: Decision, ids: list[str], scores: Scores) -> TaggedChips:
    """Return the tags of chips without a picture, of their scores (chips, labels)."""
    tags = decide_tags(decision, scores)
    no_statistics = np.zeros((len(ids), 0), np.float32)  # a score table says nothing about pixels
    return TaggedChips(
        ids, ids, scores, tags, expected_f(decision, scores, tags), [None] * len(ids), no_statistics, [()] * len(ids)
    )
