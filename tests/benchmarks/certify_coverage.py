"""Measure how often the intervals of `amazon_tags certify-answers` contain what is true of a folder.

    python -m tests.benchmarks.certify_coverage SCORES LABELS

SCORES are out of fold, such as `amazon_tags train` writes. A simulated folder has 3,000 chips, drawn with replacement
from those of the tables; the tags are decided by a flat threshold. Of each of 1,000 folders a sample is drawn and
answered by the labels. Coverage is the share of folders whose interval of 95 % contains the folder's own F2, share,
precision or recall; of labels it is over all labels and folders that have such a figure, and the lowest of one label.
"""

import argparse
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from amazon_tags.model import decision_file
from amazon_tags.review.certificate import answered_strata, label_shares
from amazon_tags.review.decided_chips import DecidedChips, Reading
from amazon_tags.review.sample_answers import Answers
from amazon_tags.review.sample_plan import SampleOptions, SamplePlan, draw_plan
from amazon_tags.tables import labels, score_tables, truth_tables
from amazon_tags.tables.image_names import select
from ensemble.arrays import Scores, Tags
from ensemble.decisions.decision import decide_tags, expected_f, flat_decision
from ensemble.metrics import sample_intervals, score
from features.images.spec import ChipSpec
from tests.benchmarks import tables

FOLDERS, CHIPS = 1000, 3000
SAMPLES = (SampleOptions(50), SampleOptions(200), SampleOptions(200, each_tag=10))
SPACE = labels.PLANET
KINDS = ("share", "precision", "recall")
MIN_FOLDERS = 100  # that a label's lowest coverage is taken of
READING = Reading(SPACE, flat_decision(len(SPACE.names), rules=decision_file.rules(SPACE)), ChipSpec())


@dataclass
class Covered:
    """Whether intervals contained the truth, and their widths; those of labels by (kind, label)."""

    f: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    chips: list[int] = field(default_factory=list)
    labels: dict[tuple[str, str], list[bool]] = field(default_factory=dict)


def simulate(chips: DecidedChips, truth: Tags, options: SampleOptions, covered: Covered) -> None:
    """Draw a folder of the chips, and draw and answer a sample of the folder."""
    drawn = np.random.default_rng(options.seed).integers(len(truth), size=CHIPS)
    names = [str(row) for row in range(CHIPS)]
    truth, tags = truth[drawn], chips.tags[drawn]
    folder = DecidedChips(names, [None] * CHIPS, chips.scores[drawn], tags, chips.expected_f[drawn], [None] * CHIPS)
    plan = draw_plan(folder, READING, "", options)

    rows = [int(chip.name) for chip in plan.sample]
    f_beta = score.per_chip(truth, tags)
    interval = sample_intervals.stratified_mean(f_beta[rows], *answered_strata(plan, len(rows))).interval
    covered.f.append(interval[0] <= f_beta.mean() <= interval[1])
    covered.widths.append(interval[1] - interval[0])
    covered.chips.append(len(plan.names()))
    for label, (name, shares) in enumerate(label_shares(plan, answered(plan, truth), tags[rows]).items()):
        holds, tagged = truth[:, label], tags[:, label]
        for kind, share, whole in (
            ("share", shares.share, holds),
            ("precision", shares.precision, holds[tagged]),
            ("recall", shares.recall, tagged[holds]),
        ):
            if len(whole):
                low, high = share.interval
                covered.labels.setdefault((kind, name), []).append(low <= whole.mean() <= high)


def answered(plan: SamplePlan, truth: Tags) -> Answers:
    """Return the answers of somebody who makes no mistake."""
    further = {
        name: np.array([truth[int(chip), SPACE.names.index(name)] for chip in chips])
        for name, chips in plan.further.items()
    }
    return Answers(truth[[int(chip.name) for chip in plan.sample]], further)


def row(options: SampleOptions, covered: Covered) -> str:
    """Return a row of the table."""
    cells = [f"{options.sample}", f"{options.each_tag}", f"{np.mean(covered.chips):.0f}"]
    cells += [f"{np.mean(covered.widths):.4f}", f"{np.mean(covered.f):.3f}"]
    for kind in KINDS:
        found = {name: hits for (of, name), hits in covered.labels.items() if of == kind}
        lowest, name = min((float(np.mean(hits)), name) for name, hits in found.items() if len(hits) >= MIN_FOLDERS)
        cells.append(f"{np.mean([hit for hits in found.values() for hit in hits]):.3f}, {lowest:.3f} ({name})")
    return f"| {' | '.join(cells)} |"


def measure(scores: Scores, truth: Tags, folders: int) -> None:
    """Print the table."""
    tags = decide_tags(READING.decision, scores)
    chips = DecidedChips([], [], scores, tags, expected_f(READING.decision, scores, tags), [])
    print("| sample | each tag | chips drawn | width of F2 | F2 covered | share | precision | recall |")
    print(f"|{'---|' * 8}")
    for options in SAMPLES:
        covered = Covered()
        for folder in range(folders):
            simulate(chips, truth, replace(options, seed=folder), covered)
        print(row(options, covered), flush=True)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--folders", type=int, default=FOLDERS, help=f"at least {MIN_FOLDERS}")
    tables.add_options(parser)
    options = parser.parse_args()

    ids, scores, _ = score_tables.read_scores(options.scores, SPACE)
    table = truth_tables.read_truth(options.labels, SPACE)
    truth = table.truth[select(table.ids, ids)]
    facts = f"{len(ids):,} labelled chips with scores out of fold, {options.folders:,} simulated folders of {CHIPS:,}"
    with tables.recorded(options, script="certify_coverage", data=facts):
        measure(scores, truth, options.folders)


if __name__ == "__main__":
    main()
