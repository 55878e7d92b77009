"""Measure the speed of the tuner and the decoders, and how much tuning gains by the number of labelled chips.

    python -m tests.benchmarks.tuning

AMAZON_TAGS_DATA names the folder with the competition's label table and a competitor's scores. The ground truth is
real, the scores of all tables but the last are drawn: a label's evidence is normal, shifted by `SIGNAL` where the label
holds, so that the posterior is known; the score is this posterior with its log-odds times `SHARPNESS`, as overconfident
as networks are.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from sklearn.metrics import fbeta_score

from amazon_tags.model import decision_file
from amazon_tags.tables import labels, truth_tables
from ensemble.arrays import Scores, Tags
from ensemble.decisions import expected, tuning
from ensemble.decisions.decision import decide_tags, flat_decision
from ensemble.decisions.expected import Rules
from ensemble.decisions.thresholds import FLAT_THRESHOLD, apply_thresholds, fit_thresholds
from ensemble.decisions.tuning import TuningProblem
from ensemble.metrics import score
from tests.benchmarks import tables

SIGNAL, SHARPNESS = 2.2, 1.4
GRID, SWEEPS = 100, 3  # thresholds of the plain way, and how often it goes through all labels
TEST_CHIPS = 61_191  # of the competition
DRAWS = {300: 8, 1000: 8, 4000: 4, 40_000: 1}  # labelled chips -> repetitions

Result = TypeVar("Result")


def draw_scores(truth: Tags, seed: int) -> Scores:
    """Return scores (chips, labels) of the noise model."""
    rng = np.random.default_rng(seed)
    rates = truth.mean(axis=0)
    evidence = rng.normal(size=truth.shape) + SIGNAL * truth
    log_odds = np.log(rates / (1 - rates)) + SIGNAL * evidence - SIGNAL**2 / 2
    scores: Scores = (1 / (1 + np.exp(-SHARPNESS * log_odds))).astype(np.float32)
    return scores


def timed(call: Callable[[], Result]) -> tuple[float, Result]:
    """Return the seconds that a call takes, and its result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def plain_threshold(truth: Tags, scores: Scores, label: int) -> float:
    """Return one label's threshold the plain way: the best of a grid, each scored by scikit-learn on all labels."""
    thresholds = np.full(truth.shape[1], FLAT_THRESHOLD, np.float32)
    values = []
    for threshold in np.linspace(0.01, 1, GRID):
        thresholds[label] = threshold
        values.append(fbeta_score(truth, scores >= thresholds, beta=2, average="samples", zero_division=0))
    return float(np.linspace(0.01, 1, GRID)[np.argmax(values)])


def measure_thresholds(truth: Tags, scores: Scores) -> None:
    """Print the time of a threshold for each label, by coordinate ascent and the plain way."""
    seconds, thresholds = timed(lambda: fit_thresholds(scores, truth))
    plain_label, _ = timed(lambda: plain_threshold(truth, scores, 0))
    plain = plain_label * truth.shape[1] * SWEEPS
    print(f"| a threshold for each label, {len(truth):,} x {truth.shape[1]} scores, one core | seconds |\n|---|---|")
    print(f"| coordinate ascent, until no threshold moves | {seconds:.2f} |")
    print(f"| the plain way: a grid of {GRID}, {SWEEPS} sweeps, scored by scikit-learn | {plain:.0f} |")
    print(f"| ratio | {plain / seconds:.0f} |")
    print(f"\nThe plain way was run on one label ({plain_label:.1f} s); its time is that times labels and sweeps.")

    flat, fitted = (score.f2(truth, apply_thresholds(scores, values)) for values in (FLAT_THRESHOLD, thresholds))
    print(f"F2 is {flat:.4f} at a flat {FLAT_THRESHOLD}, {fitted:.4f} at the fitted thresholds, in sample.\n")


def measure_decoding(truth: Tags, rules: Rules) -> None:
    """Print time and memory of the exact decoders on as many chips as the competition's test set has."""
    scores = draw_scores(truth[np.arange(TEST_CHIPS) % len(truth)], 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| decoding {TEST_CHIPS:,} x {truth.shape[1]} scores | seconds |\n|---|---|")
    for name, decoder_rules in (("independent labels", None), ("under the label space's rules", rules)):
        seconds, _ = timed(partial(expected.decode, scores, rules=decoder_rules))
        print(f"| highest expected F2, {name} | {seconds:.2f} |")

    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nPeak memory is {after:.0f} MiB, {after - before:.0f} MiB more than before decoding.\n")


def measure_gains(truth: Tags, rules: Rules) -> None:
    """Print what tuning chooses and gains by the number of labelled chips."""
    print("| labelled chips | draws | spread of a threshold | chosen | gain over the flat threshold, on the rest |")
    print("|---|---|---|---|---|")
    for size, draws in DRAWS.items():
        print(gain_row(truth, rules, size, draws), flush=True)


def gain_row(truth: Tags, rules: Rules, size: int, draws: int) -> str:
    """Return the row of one number of labelled chips."""
    thresholds, gains = [], []
    chosen = Counter[str]()
    for draw in range(draws):
        scores = draw_scores(truth, 10 + draw)
        order = np.random.default_rng(draw).permutation(len(truth))
        labelled, rest = order[:size], order[size:]

        start = flat_decision(truth.shape[1], rules=rules)
        tuned = tuning.tune_decision(TuningProblem(scores[labelled], truth[labelled], start, {}))
        chosen[tuned.chosen] += 1
        thresholds.append(fit_thresholds(scores[labelled], truth[labelled]))
        if len(rest):
            flat_f2, tuned_f2 = (
                score.per_chip(truth[rest], decide_tags(decision, scores[rest])) for decision in (start, tuned.decision)
            )
            gains.append(float((tuned_f2 - flat_f2).mean()))

    spread = f"{np.median(np.std(thresholds, axis=0)):.3f}" if draws > 1 else "-"
    gain = f"{np.mean(gains):+.4f} ({min(gains):+.4f} to {max(gains):+.4f})" if gains else "-"
    names = ", ".join(f"{name} {count}" for name, count in chosen.most_common())
    return f"| {size:,} | {draws} | {spread} | {names} | {gain} |"


def print_tune(predictions: Path) -> None:
    """Print what `amazon_tags tune` prints for a competitor's scores of real chips."""
    print("\n`amazon_tags tune` on a competitor's held-out scores of real chips:\n\n```")
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "amazon_tags", "tune", str(predictions / "resnet_valid_scores.csv")]
        command += [str(predictions / "resnet_valid_labels.csv"), "-o", str(Path(scratch, "decision.json"))]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    print("```")


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables.add_options(parser)
    options = parser.parse_args()

    root = Path(os.environ["AMAZON_TAGS_DATA"])
    truth = truth_tables.read_truth(root / "planet/train_v2_all_labels.csv", labels.PLANET).truth
    rules = decision_file.rules(labels.PLANET)
    data = "the competition's label table with drawn scores; a competitor's scores of 4,096 real chips"
    with tables.recorded(options, script="tuning", data=data):
        measure_decoding(truth, rules)  # first: later, the peak of memory is that of scikit-learn
        measure_thresholds(truth, draw_scores(truth, 0))
        measure_gains(truth, rules)
        print_tune(root / "predictions")


if __name__ == "__main__":
    main()
