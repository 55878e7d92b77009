"""The calls behind `amazon_tags certify`: a page with a random sample, and the certificate of its answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.files import hashes, preflight
from amazon_tags.model import decision_file
from amazon_tags.review.certificate import Certificate, certify
from amazon_tags.review.chips_to_review import ChipsToReview
from amazon_tags.review.decided_chips import DecidedChips, Reading, read_decided, read_decision
from amazon_tags.review.queue import MAX_CHIPS, sample_queue
from amazon_tags.review.review_page import write_page
from amazon_tags.review.sample_answers import read_answers
from amazon_tags.review.sample_plan import SampleOptions, SamplePlan, draw_plan, read_plan, write_plan
from amazon_tags.tables import score_tables
from amazon_tags.tables.image_names import select
from ensemble.decisions import calibrate
from features.images.layout import AS_STATED, Layout


@dataclass(frozen=True)
class SampleSource:
    """How tags are decided and chips are read.

    Attributes:
        decision: a file of `amazon_tags tune`; None is the model's decision.
        model: a bundle or a registry; None is the model inside the package.
        layout: what the files do not state of their bands and levels.
        jobs: threads.
    """

    decision: Path | None = None
    model: Path | None = None
    layout: Layout = AS_STATED
    jobs: int = 1


def write_sample(
    table: Path, inputs: Sequence[Path], page: Path, *, options: SampleOptions, source: SampleSource
) -> SamplePlan:
    """Draw chips at random, and write the page to answer them on and, beside it, the plan of the sample.

    Args:
        table: a score table, CSV or Parquet.
        inputs: folders, files, zip or tar archives with the chips of the table.
        page: the page; the plan of `page.html` is `page.plan.json`.
        options: how to draw.
        source: how tags are decided and chips are read.

    Raises:
        ChipError: a drawn chip cannot be read.
        ValueError: the table or the decision is wrong, chips and table do not belong together, no chip can be used, or
            more chips would be drawn than a page takes.
    """
    paths = list_chips(inputs)
    given = [table, *([source.decision] if source.decision else []), *paths.files()]
    preflight.refuse_outputs([page, plan_path(page)], given)
    reading = read_decision(source.decision, source.model, source.layout)
    decided = read_decided(table, paths, reading)
    usable = sum(error is None for error in decided.errors)
    if not usable:
        raise ValueError(f"none of the {len(decided.names)} chips of {table} can be used; nothing can be drawn.")

    plan = draw_plan(decided, reading, hashes.sha256(table), options)
    names = plan.names()
    if len(names) > MAX_CHIPS:
        raise ValueError(
            f"{len(names):,} chips would be drawn, but a page takes {MAX_CHIPS:,}; pass smaller --sample or --each-tag."
        )
    rows = select(decided.names, names)
    files = paths.take(select(paths.names(), decided.names).tolist())
    write_plan(plan_path(page), plan)
    write_page(page, sample_queue(_chips(decided, reading), files, rows, layout=source.layout, jobs=source.jobs))

    without = (
        f"; {len(decided.names) - usable:,} that cannot be used are left out" if usable < len(decided.names) else ""
    )
    further = f" and {len(names) - len(plan.sample):,} for precisions" if plan.further else ""
    progress.say(f"{len(plan.sample):,} of {usable:,} chips are drawn at random{further}{without}")
    return plan


def plan_path(page: Path) -> Path:
    """Return the path of the plan beside a page."""
    return page.with_suffix(".plan.json")


def _chips(decided: DecidedChips, reading: Reading) -> ChipsToReview:
    calibrated = calibrate.apply(reading.decision.calibration, decided.scores)
    return ChipsToReview(decided.names, calibrated, decided.tags, False, (), reading.space, reading.decision)


def certify_answers(table: Path, plan_file: Path, answers: Path) -> Certificate:
    """Return what the answers to a sample say of its folder.

    Args:
        table: the score table that the sample was drawn for.
        plan_file: the plan beside the page.
        answers: `corrections.csv` that the page exported.

    Raises:
        ValueError: a file is wrong, an answer is missing, or the table is another one.
    """
    plan = read_plan(plan_file)
    if hashes.sha256(table) != plan.table:
        raise ValueError(
            f"{table} is not the table of the sample in {plan_file}; name the table that was passed to certify, or "
            "draw a new sample."
        )
    space, _ = decision_file.from_json(plan.decision)
    answered = read_answers(answers, space, plan)
    ids, scores, _ = score_tables.read_scores(table, space)
    rows = select(ids, [chip.name for chip in plan.sample[: len(answered.truth)]])
    return certify(plan, answered, np.ascontiguousarray(scores[rows]))
