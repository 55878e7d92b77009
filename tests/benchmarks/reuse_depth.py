"""Compare where `amazon_tags inspect reuse` says that the reuse of a start ends with what `search-layer` measures.

    python -m tests.benchmarks.reuse_depth CHIPS LABELS --work DIR --weights BACKBONE=FILE ... [--model BUNDLE]
        [--side PIXELS]

Each fine-tuned member of the bundle whose backbone has weights gets a table: its blocks with the linear probe of
`search-layer --probe-only` on the start's vectors, and what `inspect reuse` measures. They would be in line if blocks
whose start is worth more to a probe were worth more to the vote of neighbours, and if reuse ended near the layer that
the probes propose.
"""

import argparse
from pathlib import Path

import numpy as np

from amazon_tags.inspection.findings import Findings
from amazon_tags.inspection.reuse import ReuseOptions, inspect_reuse
from amazon_tags.model import bundle
from amazon_tags.training.training_data import TrainingSource
from tests.benchmarks import search_layers, tables
from tests.benchmarks.frozen_road import JOBS
from tests.benchmarks.screens import rank_correlation

SHOWN = ("before", "after", "cost", "drift", "cka")  # columns of the findings


def find_members(model: Path, weights: dict[str, Path]) -> dict[str, str]:
    """Return the backbones of the bundle's members that have weights, by the members' names."""
    manifest = bundle.read_manifest(model)
    stored = [member.partition("-")[2] for member in manifest.members]
    members = {member.name: member.backbone for member in manifest.read_recipe().members}
    return {name: members[name] for name in stored if members[name] in weights}


def print_member(name: str, findings: Findings, probes: dict[str, float], proposed: str) -> None:
    """Print the blocks of a member, and how probes and neighbours rank them."""
    rows = {str(row[0]): dict(zip(findings.columns, row, strict=True)) for row in findings.rows}
    blocks = [block for block in rows if block in probes]
    print(f"\n{name}:\n\n| block | F2 of a probe, start | {' | '.join(SHOWN)} |")
    print(f"|---|---|{'---|' * len(SHOWN)}")
    for block in blocks:
        shown = [f"{rows[block][column]:.4f}" for column in SHOWN]
        title = f"**`{block}`**" if block == proposed else f"`{block}`"
        print(f"| {title} | {probes[block]:.4f} | {' | '.join(shown)} |")

    scores = np.array([probes[block] for block in blocks])
    correlations = [
        f"{rank_correlation(scores, np.array([rows[block][column] for block in blocks])):+.2f} with {column}"
        for column in SHOWN
    ]
    print(f"\nRank correlation of the probe's F2: {', '.join(correlations)}. In bold: what the probes propose.")
    print(findings.advice, flush=True)


def measure(options: argparse.Namespace, weights: dict[str, Path]) -> None:
    """Print a table for each member."""
    source = TrainingSource(options.chips, options.table)
    for member, backbone in find_members(options.model, weights).items():
        report = search_layers.measure(backbone, str(weights[backbone]), options)
        probes = {row.layer: row.f2 for row in report.rows}
        reuse = ReuseOptions({backbone: weights[backbone]}, jobs=JOBS)
        findings = inspect_reuse(source, f"{options.model}@{member}", reuse)
        print_member(f"`{member}`, a `{backbone}`", findings, probes, report.layer)


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--weights", action="append", default=[], metavar="BACKBONE=FILE")
    parser.add_argument("--model", type=Path, default=bundle.DEFAULT)
    parser.add_argument("--side", type=int, default=256)
    parser.set_defaults(probe_only=True, labels="planet", epochs=0, tuned=0)
    tables.add_options(parser)
    options = parser.parse_args()

    weights = {name: Path(file) for name, _, file in (text.partition("=") for text in options.weights)}
    facts = f"the labelled chips of {options.chips.parent.name}/{options.chips.name}, most of them learnt by the bundle"
    with tables.recorded(options, script="reuse_depth", data=facts):
        measure(options, weights)


if __name__ == "__main__":
    main()
