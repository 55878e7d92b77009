"""Measure where pretrained backbones should end, by the functions of `amazon_tags search-layer`.

    python -m tests.benchmarks.search_layers CHIPS LABELS BACKBONE=WEIGHTS ... --work DIR [--tuned N] [--epochs N]
        [--side PIXELS] [--probe-only]

Each backbone has a table: linear probes at the end of every block, fine-tuning at the best of these, and fine-tuning at
layers around the best of all. The last sentence of each is what the command proposes.

Finished parts stay in the work folder until a backbone's table is complete, so a killed run resumes.
"""

import argparse
from pathlib import Path

from amazon_tags.evaluation.layer_report import LayerReport
from amazon_tags.training.layer_request import LayerRequest, layer_recipe, read_layer_data
from amazon_tags.training.search_layer import search_layer
from amazon_tags.training.training_data import TrainingSource
from tests.benchmarks import tables

JOBS = 2  # threads
COLUMNS = "stage, method, layer, F2, behind the best (standard error), width, parameters, M multiply-adds, ms a chip"
HEADER = f"| {COLUMNS.replace(', ', ' | ')} |"


def measure(backbone: str, weights: str, options: argparse.Namespace) -> LayerReport:
    """Search the layers of one backbone."""
    tuned = 0 if options.probe_only else options.tuned
    bank = options.work / "bank"
    request = LayerRequest(
        backbone, weights, side=options.side, tuned=tuned, epochs=options.epochs, bank=bank, jobs=JOBS
    )
    recipe = layer_recipe(request)
    data = read_layer_data(TrainingSource(options.chips, options.table, options.labels), request, recipe)
    return search_layer(data, options.work / f"{backbone}.csv", recipe=recipe, request=request)


def table(report: LayerReport) -> str:
    """Return a backbone's rows, the proposed one in bold, and the sentence that a user should take away."""
    lines = [HEADER, f"|{'---|' * (HEADER.count('|') - 1)}"]
    for row in report.rows:
        low, high = row.f2_interval
        is_proposed = (row.method, row.layer) == (report.method, report.layer)
        cost = row.cost
        cells = [
            str(row.stage),
            row.method,
            f"**`{row.layer}`**" if is_proposed else f"`{row.layer}`",
            f"{row.f2:.4f} ({low:.4f} to {high:.4f})",
            f"{row.behind:.4f} ({row.standard_error:.4f})",
            str(cost.width),
            f"{cost.parameters:,}",
            f"{cost.multiply_adds / 1e6:,.1f}",
            f"{cost.milliseconds:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", report.verdict])


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("backbones", nargs="+", metavar="BACKBONE=WEIGHTS")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--labels", default="planet")
    parser.add_argument("--tuned", type=int, default=LayerRequest.tuned)
    parser.add_argument("--epochs", type=int, default=LayerRequest.epochs)
    parser.add_argument("--side", type=int, default=LayerRequest.side)
    parser.add_argument("--probe-only", action="store_true")
    tables.add_options(parser)
    options = parser.parse_args()

    facts = f"the labelled chips of {options.chips.parent.name}/{options.chips.name}, out of fold in five folds"
    with tables.recorded(options, script="search_layers", data=facts):
        for text in options.backbones:
            backbone, _, weights = text.partition("=")
            report = measure(backbone, weights or "imagenet", options)
            print(f"`{backbone}`, {report.chips} chips:\n\n{table(report)}\n", flush=True)


if __name__ == "__main__":
    main()
