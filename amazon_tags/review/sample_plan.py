"""The plan of a random sample of a folder's chips: which were drawn, from what, and how their tags were decided."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags import records
from amazon_tags.files import atomic
from amazon_tags.model import decision_file
from amazon_tags.model.damage import refusing_damage
from amazon_tags.records import Json
from amazon_tags.review.decided_chips import DecidedChips, Reading
from ensemble.arrays import Rows
from ensemble.metrics import strata

FORMAT = 1
ADVICE = "name the one that amazon_tags certify wrote beside its page"


class PlanError(ValueError):
    """A file that holds no plan of a known format."""


@dataclass(frozen=True)
class SampledChip:
    """A drawn chip and its stratum, from 0."""

    name: str
    stratum: int


@dataclass(frozen=True)
class SamplePlan:
    """A random sample.

    Attributes:
        format: of the file.
        table: SHA-256 of the score table.
        strata: how many chips of the folder each stratum has.
        sample: in random order; each beginning of it is a smaller sample of the same kind.
        further: by label, chips drawn at random from those of the folder that are predicted to have it and are not in
            `sample`, in random order; they count for the label's precision only.
        predicted: by label, how many chips of the folder are predicted to have it.
        decision: as in its file.
    """

    format: int
    table: str
    strata: tuple[int, ...]
    sample: tuple[SampledChip, ...]
    further: dict[str, tuple[str, ...]]
    predicted: dict[str, int]
    decision: Json

    def names(self) -> list[str]:
        """Return the names of all drawn chips, each once, the sample first."""
        further = (name for names in self.further.values() for name in names)
        return list(dict.fromkeys([*(chip.name for chip in self.sample), *further]))


@dataclass(frozen=True)
class SampleOptions:
    """How to draw.

    Attributes:
        sample: how many chips.
        each_tag: how many chips of each predicted tag there are at least, if the folder has as many.
        seed: of the random numbers.
    """

    sample: int = 200
    each_tag: int = 0
    seed: int = 0


def draw_plan(decided: DecidedChips, reading: Reading, table: str, options: SampleOptions) -> SamplePlan:
    """Draw a sample of the chips that can be used, in strata of their expected F-beta.

    `table` is the hash of the score table.
    """
    usable = np.flatnonzero([error is None for error in decided.errors])
    divided = strata.divide(decided.expected_f[usable], min(options.sample, len(usable)))
    rng = np.random.default_rng(options.seed)
    drawn = strata.draw(divided, options.sample, rng)

    tags = decided.tags[usable]
    further = {
        name: tuple(decided.names[usable[row]] for row in _further(tags[:, label], drawn, options.each_tag, rng))
        for label, name in enumerate(reading.space.names)
    }
    return SamplePlan(
        FORMAT,
        table,
        tuple(np.bincount(divided).tolist()),
        tuple(SampledChip(decided.names[usable[row]], int(divided[row])) for row in drawn),
        {name: chips for name, chips in further.items() if chips},
        dict(zip(reading.space.names, tags.sum(axis=0).tolist(), strict=True)),
        decision_file.to_json(reading.space, reading.decision),
    )


def _further(has_tag: np.ndarray, drawn: Rows, least: int, rng: np.random.Generator) -> Rows:
    """Return rows that have the tag, so many that there are `least` with those drawn, in random order."""
    others = np.setdiff1d(np.flatnonzero(has_tag), drawn)
    missing = min(len(others), max(0, least - int(has_tag[drawn].sum())))
    rows: Rows = rng.choice(others, missing, replace=False) if missing else others[:0]
    return rows


def read_plan(path: Path) -> SamplePlan:
    """Read the file of a plan.

    Raises:
        PlanError: the file is not a plan, or one of another format.
    """
    content = path.read_bytes()
    with refusing_damage(PlanError, f"{path} is not the plan of a sample", ADVICE):
        plan = records.from_json(SamplePlan, json.loads(content))
        if plan.format != FORMAT:
            raise ValueError(f"its format is {plan.format}, but this version reads {FORMAT}")
        if not all(0 <= chip.stratum < len(plan.strata) for chip in plan.sample):
            raise ValueError("a chip is of no stratum")
        return plan


def write_plan(path: Path, plan: SamplePlan) -> None:
    """Write the file of a plan."""
    atomic.write_json(path, records.to_json(plan))
