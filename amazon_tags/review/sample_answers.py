"""What a reviewer answered to the chips of a random sample, as labels of those chips that are answered in full."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.review.sample_plan import SamplePlan
from amazon_tags.tables import corrections
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Tags

MIN_CHIPS = 10  # the chips that `tune` needs at least, and few enough for a first look


@dataclass(frozen=True)
class Answers:
    """Answered chips.

    Attributes:
        truth: (chips, labels) of the first chips of the plan's sample, as many as are answered.
        further: by label, (chips,) whether it holds on the chips drawn for its precision, as many as are answered.
    """

    truth: Tags
    further: dict[str, Tags]


def read_answers(path: Path, space: LabelSpace, plan: SamplePlan) -> Answers:
    """Read corrections of a sample's chips, of which the later of two about a tag counts.

    The sample may be unfinished: the chips up to the last answered one count, since they are a random sample too. None
    of their labels may be missing, since a chip that is left out because it is hard to answer makes the others look
    better than the folder.

    Raises:
        ValueError: the file is no corrections file, or an answer is missing.
    """
    rows = corrections.read(path, space)
    names = set(plan.names())
    elsewhere = [row.chip for row in rows if row.chip not in names]
    if elsewhere:
        progress.say(
            f"{len(elsewhere):,} of {len(rows):,} answers of {path} are about chips that were not drawn (first: "
            f"{elsewhere[0]!r}) and are left out"
        )
    held = {(row.chip, row.tag): row.holds for row in rows}

    sample = [chip.name for chip in plan.sample]
    answered = {chip for chip, _ in held}
    count = max((place + 1 for place, name in enumerate(sample) if name in answered), default=0)
    _refuse_missing(path, sample[:count], space.names, held)
    if count < min(MIN_CHIPS, len(sample)):
        raise ValueError(
            f"{path} has answers to {count} of the {len(sample)} drawn chips, but at least {MIN_CHIPS} are needed; "
            "answer the page's chips in their order and export again."
        )
    if count < len(sample):
        progress.say(f"{count} of the {len(sample)} drawn chips are answered; these count")
    truth = np.array([[held[name, label] for label in space.names] for name in sample[:count]], np.bool_)
    return Answers(truth, {label: _first_answers(chips, label, held) for label, chips in plan.further.items()})


def _refuse_missing(path: Path, chips: Sequence[str], labels: Sequence[str], held: dict[tuple[str, str], bool]) -> None:
    missing = [(chip, label) for chip in chips for label in labels if (chip, label) not in held]
    if missing:
        chip, label = missing[0]
        raise ValueError(
            f"{path}: {len(missing)} answers to the first {len(chips)} chips are missing (first: {label} on {chip!r}); "
            "answer every tag of these chips, with Enter for those that are right, and export again."
        )


def _first_answers(chips: Sequence[str], label: str, held: dict[tuple[str, str], bool]) -> Tags:
    """Return the answers about a label, up to the first chip without one."""
    answers: list[bool] = []
    for chip in chips:
        if (chip, label) not in held:
            break
        answers.append(held[chip, label])
    return np.array(answers, np.bool_)
