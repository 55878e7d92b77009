"""Measure the time and the memory that the measures of `amazon_tags inspect` take for the vectors of many chips.

    python -m tests.benchmarks.inspect_cost [--chips 40000] [--width 1280] [--measures cka,diversity]

Each measure is a process of its own on random vectors, into which the labels are planted at the rates of the
competition's. Its peak memory is that of the process, with the libraries and the vectors. `cka` compares vectors with
themselves in minibatches of 256 chips, `diversity` is that of the labels, and `neighbours` is the part of `reuse` that
grows with the chips: the vote of the nearest chips of the other folds, for one block.
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np

from amazon_tags.inspection.diversity import Task, probe_distances
from ensemble.arrays import Rows, Scores, Tags, Vectors
from ensemble.heads.rotation import rotate
from ensemble.metrics import folds
from ensemble.representation.alignment import STEPS, explained_shares, measure_alignment
from ensemble.representation.cka import MinibatchCka
from ensemble.representation.nearest import vote_of_neighbours
from ensemble.representation.separation import tag_separations
from tests.benchmarks import end_to_end, tables

RATES = (0.93, 0.7, 0.3, 0.2, 0.18, 0.18, 0.11, 0.09, 0.07, 0.05, 0.02, 0.01, 0.008, 0.008, 0.008, 0.005, 0.002)
BATCH = 256  # chips in a minibatch of CKA, as of `inspect cka`
FOLDS = 5


def plant(chips: int, width: int) -> tuple[Vectors, Tags]:
    """Return random vectors (chips, width) that are shifted along a direction for each label, and the labels."""
    rng = np.random.default_rng(0)
    truth = rng.random((chips, len(RATES))) < RATES
    directions = rng.standard_normal((len(RATES), width), dtype=np.float32) / np.float32(width**0.5)
    vectors = rng.standard_normal((chips, width), dtype=np.float32)
    vectors += 4 * truth.astype(np.float32) @ directions
    return vectors, truth


def compare_layers(vectors: Vectors, truth: Tags) -> None:
    """Compare vectors with themselves by debiased CKA."""
    similarity = MinibatchCka()
    for rows in np.array_split(np.random.default_rng(0).permutation(len(truth)), -(-len(truth) // BATCH)):
        similarity.update([vectors[rows]], [vectors[rows]])
    similarity.similarities()


def separate(vectors: Vectors, truth: Tags) -> None:
    """Measure the separation of each label."""
    tag_separations(vectors, truth)


def align(vectors: Vectors, truth: Tags) -> None:
    """Measure the alignment of each label."""
    explained_shares(measure_alignment(vectors, truth), truth, STEPS)


def diversify(vectors: Vectors, truth: Tags) -> None:
    """Measure the distances of the labels as tasks."""
    tasks = [Task(slice(None), np.array([column])) for column in range(truth.shape[1])]
    probe_distances(rotate(vectors, truth).columns, truth, tasks, 0)


def vote(vectors: Vectors, truth: Tags) -> None:
    """Let the nearest chips of the other folds vote."""

    def fit(train: Rows, held_out: Rows) -> Scores:
        return vote_of_neighbours(vectors[held_out], vectors[train], truth[train])

    folds.out_of_fold_scores(fit, folds.stratify(truth, folds=FOLDS, seed=0), truth.shape[1])


MEASURES: dict[str, Callable[[Vectors, Tags], None]] = {
    "cka": compare_layers,
    "separation": separate,
    "alignment": align,
    "diversity": diversify,
    "neighbours": vote,
}


def measure(options: argparse.Namespace) -> None:
    """Run each measure in a process of its own, and print a row for it."""
    print("| measure | seconds | processor seconds | peak memory, MiB |\n|---|---|---|---|")
    for name in ("", *options.measures.split(",")):
        command = [sys.executable, "-m", "tests.benchmarks.inspect_cost", "--only", name]
        cost = end_to_end.run(*command, "--chips", str(options.chips), "--width", str(options.width))
        shown = name or "none: libraries and vectors"
        print(f"| {shown} | {' | '.join(cost.output.split())} | {cost.peak_mib:,.0f} |", flush=True)


def main() -> None:
    """Measure and write the table, or be the process of one measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chips", type=int, default=40_000)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--measures", default=",".join(MEASURES))
    parser.add_argument("--only", help="measure in this process, and print the seconds")
    tables.add_options(parser)
    options = parser.parse_args()

    if options.only is not None:
        vectors, truth = plant(options.chips, options.width)
        start, busy = time.perf_counter(), time.process_time()
        if options.only:
            MEASURES[options.only](vectors, truth)
        print(f"{time.perf_counter() - start:.1f} {time.process_time() - busy:.1f}")
        return
    data = f"random vectors of {options.chips:,} chips, {options.width:,} wide, with {len(RATES)} planted labels"
    with tables.recorded(options, script="inspect_cost", data=data):
        measure(options)


if __name__ == "__main__":
    main()
