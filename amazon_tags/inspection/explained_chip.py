"""What is reported of one chip: where each tag's score comes from, what its answer is worth, and the chips like it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from amazon_tags.inspection.evidence import Evidence, peak, score_batch, strongest_quarter
from amazon_tags.inspection.findings import Cell
from amazon_tags.inspection.nearest_chips import Neighbour, TrainingChips
from amazon_tags.model.bundle import Bundle
from amazon_tags.records import Json
from amazon_tags.tables.suggest import did_you_mean
from ensemble.arrays import Floats, Tags
from ensemble.decisions.decision import expected_f_changes
from features.arrays import Chip

NEAR_MISSES = 2  # tags beside the predicted ones that are explained unless the user names some


@dataclass(frozen=True)
class ExplainedTag:
    """A tag of a chip.

    Attributes:
        tag: its name.
        predicted: whether the model predicts it.
        score: the model's score.
        change: of the expected F-beta if a predicted tag is dropped, or another one added.
        quarter: of the chip, with most of the heat that speaks for the tag; `nowhere` if none does.
        share: of this heat in the quarter; NaN if there is none.
        x, y: the column and row of the pixel with most heat, in the chip as the model takes it.
    """

    tag: str
    predicted: bool
    score: float
    change: float
    quarter: str
    share: float
    x: int
    y: int

    def row(self) -> tuple[Cell, ...]:
        """Return the cells of the tag's row in the table."""
        place = (nan, nan) if isnan(self.share) else (self.x, self.y)
        predicted = "yes" if self.predicted else "no"
        return self.tag, predicted, self.score, self.change, self.quarter, self.share, *place

    def caption(self) -> str:
        """Return the line of text below the tag's picture."""
        return f"{self.tag} {self.score:.3f}, {'predicted' if self.predicted else 'not predicted'}"

    def to_json(self) -> Json:
        """Return the values as `--json` prints them."""
        is_nowhere = isnan(self.share)
        return {
            "tag": self.tag,
            "predicted": self.predicted,
            "score": self.score,
            "expected_f_change": self.change,
            "quarter": self.quarter,
            "share": None if is_nowhere else self.share,
            "peak": None if is_nowhere else [self.x, self.y],
        }


@dataclass(frozen=True)
class ExplainedChip:
    """A chip: its name, whether the model was trained on it, its explained tags, and the nearest training chips."""

    name: str
    is_training: bool
    tags: Sequence[ExplainedTag]
    nearest: Sequence[Neighbour]

    def nearest_line(self) -> str:
        """Return the nearest training chips as a line of text; empty if there are none."""
        if not self.nearest:
            return ""
        chips = [
            f"{chip.name} ({chip.cosine:.2f}: {' '.join(chip.tags) if chip.tags else 'tags unknown'})"
            for chip in self.nearest
        ]
        trained = ", which is a training chip itself" if self.is_training else ""
        return f"{self.name}{trained}: nearest are {', '.join(chips)}"

    def to_json(self) -> Json:
        """Return the values as `--json` prints them."""
        return {
            "chip": self.name,
            "is_training_chip": self.is_training,
            "tags": [tag.to_json() for tag in self.tags],
            "nearest": [chip.to_json() for chip in self.nearest],
        }


@dataclass(frozen=True)
class Explainer:
    """What explains chips: the evidence, the columns of the tags that the user chose, the training chips if known."""

    evidence: Evidence
    columns: tuple[int, ...]
    training: TrainingChips | None

    def explain(self, name: str, chip: Chip, digest: str) -> tuple[ExplainedChip, Floats]:
        """Return what is reported of a chip, and the heat (tags, side, side) of its tags.

        Args:
            name: the chip's name.
            chip: its pixels as the model takes them.
            digest: the SHA-256 of its file.
        """
        model = self.evidence.model
        scores = score_batch(model, chip[np.newaxis])
        tags = model.decide(scores)
        changes = expected_f_changes(model.decision, scores, tags)[0]
        columns = self.columns or _telling_tags(tags[0], changes)
        heat = self.evidence.heat(chip)[list(columns)]

        explained = []
        for column, values in zip(columns, heat, strict=True):
            tag = model.space.names[column]
            value = float(scores[0, column])
            change = float(changes[column])
            explained.append(
                ExplainedTag(tag, bool(tags[0, column]), value, change, *strongest_quarter(values), *peak(values))
            )
        nearest = self.training.nearest(chip, scores[0], digest) if self.training else []
        is_training = self.training is not None and digest in self.training.hashes
        return ExplainedChip(name, is_training, explained, nearest), heat


def tag_columns(model: Bundle, names: Sequence[str]) -> tuple[int, ...]:
    """Return the columns of tags.

    Raises:
        ValueError: the model has no such tag.
    """
    known = model.space.names
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"{len(unknown)} of {len(names)} --tags are none of the model's (first: {unknown[0]!r}"
            f"{did_you_mean(unknown[0], known)}); it has {', '.join(known)}."
        )
    return tuple(dict.fromkeys(known.index(name) for name in names))


def _telling_tags(tags: Tags, changes: Floats) -> tuple[int, ...]:
    """Return the columns of the predicted tags, and of those that would cost least expected F-beta if added."""
    others = [column for column in np.argsort(-changes, kind="stable") if not tags[column]]
    return tuple(int(column) for column in [*np.flatnonzero(tags), *others[:NEAR_MISSES]])
