"""How fast the tuner and the decoders are, and how far tuning can be believed by the number of labelled chips.

    python -m tests.benchmarks.tuning

AMAZON_TAGS_DATA names the folder with the competition's label table. Its truth is real, its scores are drawn: a label's
evidence is normal, moved by `SIGNAL` where the label holds, so the posterior is known; the score is this posterior with
its log odds times `SHARPNESS`, as overconfident as networks are.
"""

import os
import resource
import time
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.metrics import fbeta_score

from amazon_tags.model import decision_file
from amazon_tags.tables import label_tables, labels
from ensemble.decisions import expected, tuning
from ensemble.decisions.decision import decide_tags, flat_decision
from ensemble.decisions.expected import Rules
from ensemble.decisions.thresholds import apply_thresholds, fit_thresholds
from ensemble.decisions.tuning import TuningProblem
from ensemble.metrics import score

SIGNAL, SHARPNESS = 2.2, 1.4
GRID, SWEEPS = 100, 3  # of the plain way
TEST = 61_191  # chips of the competition's test set
SIZES = {300: 8, 1000: 8, 4000: 4, 40_000: 1}  # labelled chips -> draws


def drawn(truth: np.ndarray, seed: int, sharpness: float) -> np.ndarray:
    """Scores (chips, labels) of the noise model."""
    rng = np.random.default_rng(seed)
    rates = truth.mean(axis=0)
    evidence = rng.normal(size=truth.shape) + SIGNAL * truth
    odds = np.log(rates / (1 - rates)) + SIGNAL * evidence - SIGNAL**2 / 2
    return (1 / (1 + np.exp(-sharpness * odds))).astype(np.float32)


def seconds(call, *arguments, **options):
    """How long a call takes, and what it returns."""
    start = time.perf_counter()
    result = call(*arguments, **options)
    return time.perf_counter() - start, result


def plain_label(truth: np.ndarray, scores: np.ndarray, label: int) -> float:
    """One label's turn of the plain way: `GRID` cuts, each scored anew by scikit-learn; the best cut."""
    thresholds = np.full(truth.shape[1], 0.2, np.float32)
    worth = []
    for threshold in np.linspace(0.01, 1, GRID):
        thresholds[label] = threshold
        worth.append(fbeta_score(truth, scores >= thresholds, beta=2, average="samples", zero_division=0))
    return float(np.linspace(0.01, 1, GRID)[np.argmax(worth)])


def main() -> None:
    """Print the tables."""
    table = label_tables.read_labels(
        Path(os.environ["AMAZON_TAGS_DATA"], "planet/train_v2_all_labels.csv"), labels.PLANET
    )
    truth = table.truth
    rules = decision_file.rules(labels.PLANET)
    scores = drawn(truth, 0, SHARPNESS)
    ours, thresholds = seconds(fit_thresholds, scores, truth)
    plain, _ = seconds(plain_label, truth, scores, 0)
    whole = plain * truth.shape[1] * SWEEPS
    print(f"{len(truth):,} x {truth.shape[1]} scores on one core\n\n| | seconds |\n|---|---|")
    print(f"| cuts by coordinate ascent, until nothing moves | {ours:.2f} |")
    print(f"| the plain way: a grid of {GRID}, {SWEEPS} sweeps, scored by scikit-learn | {whole:.0f} |")
    print(f"| ratio | {whole / ours:.0f} |")
    print(f"\nThe plain way was run on one label ({plain:.1f} s) and multiplied by {truth.shape[1]} labels and sweeps.")
    flat, fitted = (score.f2(truth, apply_thresholds(scores, threshold)) for threshold in (0.2, thresholds))
    print(f"F2 {flat:.4f} at a flat 0.2, {fitted:.4f} by our cuts, in sample.")
    test = drawn(truth[np.arange(TEST) % len(truth)], 1, SHARPNESS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n| decoding {TEST:,} x {truth.shape[1]} | seconds |\n|---|---|")
    for name, known in (("independent labels", None), ("under the rules", rules)):
        took, _ = seconds(expected.decode, test, rules=known)
        print(f"| highest expected F2, {name} | {took:.2f} |")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nPeak memory {after:.0f} MiB, {after - before:.0f} MiB of it by decoding.\n")
    print("| labelled chips | draws | spread of a cut | chosen | gain over the flat cut, on the rest |")
    print("|---|---|---|---|---|")
    for size, draws in SIZES.items():
        print(row(truth, rules, size, draws), flush=True)


def row(truth: np.ndarray, rules: Rules, size: int, draws: int) -> str:
    """One line of the last table."""
    fitted, chosen, gains = [], Counter(), []
    for draw in range(draws):
        scores = drawn(truth, 10 + draw, SHARPNESS)
        some = np.random.default_rng(draw).permutation(len(truth))
        few, rest = some[:size], some[size:]
        start = flat_decision(truth.shape[1], rules=rules)
        tuned = tuning.tune_decision(TuningProblem(scores[few], truth[few], start, {}))
        chosen[tuned.chosen] += 1
        fitted.append(fit_thresholds(scores[few], truth[few]))
        if len(rest):
            worth = [score.per_chip(truth[rest], decide_tags(made, scores[rest])) for made in (start, tuned.decision)]
            gains.append((worth[1] - worth[0]).mean())
    spread = f"{np.median(np.std(fitted, axis=0)):.3f}" if draws > 1 else "-"
    gain = f"{np.mean(gains):+.4f} ({min(gains):+.4f} to {max(gains):+.4f})" if gains else "-"
    names = ", ".join(f"{name} {count}" for name, count in chosen.most_common())
    return f"| {size:,} | {draws} | {spread} | {names} | {gain} |"


if __name__ == "__main__":
    main()
