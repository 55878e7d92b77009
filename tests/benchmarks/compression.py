"""Measure what pruning costs and saves, by the functions of `amazon_tags compress`.

    python -m tests.benchmarks.compression CHIPS LABELS --work DIR [--recipe NAME ...] [--weights BACKBONE=FILE ...]
        [--ratios 2,4,8,16] [--channels 1.5,2,4] [--strategy NAMES] [--seeds N]
        [--epochs N] [--int8] [--beside BUNDLE ...]

Each recipe is trained once, as a bundle in the work folder. Each of its fine-tuned members is then pruned alone: by
weights at the ratios of --ratios, and by whole channels, which become a smaller dense network, at those of --channels.
The rows of a bundle's precisions, with int8, are from its training on the same chips and folds. --int8 also measures
each member alone in int8, and --beside other bundles, whose folders have names of their own; both stand below the
points of the weights.

Finished parts stay in the work folder, also those of a member that is complete, so a killed run resumes.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from amazon_tags.commands.backbone_options import parse_weights
from amazon_tags.compression.beside import read_beside
from amazon_tags.compression.compress import compress
from amazon_tags.compression.request import CompressRequest, read_compress_data, read_compressed
from amazon_tags.model import bundle
from amazon_tags.model.recipe_file import choose_recipe
from amazon_tags.training.preparation import TrainOptions
from amazon_tags.training.train import train
from amazon_tags.training.training_data import TrainingSource
from ensemble.compression.strategies import CHANNEL_STRATEGIES, WEIGHT_STRATEGIES, with_controls
from ensemble.networks.settings import TunedMember
from tests.benchmarks import tables

JOBS = 2  # threads
MEBIBYTE = 2**20
HEADER = (
    "| point | compression | speed-up in theory | F2 before | F2 | F2 lost | mAP | ms a chip | MiB | MiB gzipped "
    "| peak MiB |"
)


def ratios(text: str) -> tuple[float, ...]:
    """Return numbers separated by commas."""
    return tuple(sorted(float(word) for word in text.split(",")))


def trained(name: str, options: argparse.Namespace) -> Path:
    """Return the bundle of a recipe, trained if the work folder has none."""
    folder: Path = options.work / Path(name).stem
    if not folder.exists():
        recipe = choose_recipe(name)
        source = TrainingSource(options.chips, options.table, options.labels)
        train(source, folder, recipe=recipe, options=TrainOptions(options.files, jobs=JOBS))
    return folder


def measure(model: str, kind: str, options: argparse.Namespace) -> dict[str, Any]:
    """Prune one member by weights or channels, or read what an earlier run found."""
    is_first = kind == "weights"
    int8, others = options.int8 and is_first, options.beside if is_first else []
    parts = [Path(model).name.replace("@", "-"), kind, *(["int8"] if int8 else []), *(path.name for path in others)]
    output = options.work / f"{'-'.join(parts)}.csv"
    found = output.with_suffix(".json")
    if not found.exists():
        strategies, chosen = {
            "weights": (with_controls(options.strategy), options.ratios),
            "channels": (CHANNEL_STRATEGIES, options.channels),
        }[kind]
        train_options = TrainOptions(options.files, jobs=JOBS)
        request = CompressRequest(chosen, strategies, options.seeds, options.epochs, train_options, int8=int8)
        source = TrainingSource(options.chips, options.table)
        data, read = read_compress_data(source, read_compressed(model, request), request)
        findings = compress(data, read, output, request, read_beside(others, data, request))
        found.write_text(json.dumps(findings.to_json(), indent=2))
    result: dict[str, Any] = json.loads(found.read_text())
    return result


def row(cells: dict[str, Any]) -> str:
    """Return the row of a point."""
    values = {name: float("nan") if cell is None else cell for name, cell in cells.items()}
    lost = "" if cells["lost"] is None else "{lost:.4f} ({lost_low:.4f} to {lost_high:.4f})".format(**values)
    sizes = " | ".join(f"{values[name] / MEBIBYTE:.2f}" for name in ("bytes", "gzipped", "memory"))
    compression = "" if cells["compression"] is None else f"{cells['compression']:.2f}"
    before = "" if cells["f2_before"] is None else f"{cells['f2_before']:.4f}"
    text = (
        "| {point} | {compression} | {speedup:.2f} | {before} | {f2:.4f} ({f2_low:.4f} to {f2_high:.4f}) "
        "| {lost} | {map:.4f} | {ms:.2f} | {sizes} |"
    )
    return text.format(**{**values, "compression": compression, "before": before, "lost": lost, "sizes": sizes})


def precision_lines(folder: Path) -> list[str]:
    """Return what the precisions of a whole bundle lose and take, from its card."""
    manifest = bundle.read_manifest(folder)
    return [
        f"- all members in {name}: F2 lost {cost.loss:+.4f} ({cost.interval[0]:+.4f} to {cost.interval[1]:+.4f}), "
        f"{cost.milliseconds:.2f} ms a chip"
        for name, cost in manifest.precision.costs.items()
    ]


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--recipe", action="append", help="default: the recipe default")
    parser.add_argument("--labels", default="planet")
    parser.add_argument("--weights", action="append", default=[], metavar="BACKBONE=FILE")
    parser.add_argument("--ratios", type=ratios, default=(2.0, 4.0, 8.0, 16.0))
    parser.add_argument("--channels", type=ratios, default=(1.5, 2.0, 4.0))
    parser.add_argument("--strategy", type=lambda text: tuple(text.split(",")), default=WEIGHT_STRATEGIES)
    parser.add_argument("--seeds", type=int, default=CompressRequest.seeds)
    parser.add_argument("--epochs", type=int, default=CompressRequest.epochs)
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--beside", action="append", default=[], type=Path, metavar="BUNDLE")
    tables.add_options(parser)
    options = parser.parse_args()
    options.files = dict(parse_weights(text) for text in options.weights)
    options.work.mkdir(parents=True, exist_ok=True)

    facts = f"the labelled chips of {options.chips.parent.name}/{options.chips.name}, out of fold"
    with tables.recorded(options, script="compression", data=facts):
        for name in options.recipe or ["default"]:
            folder = trained(name, options)
            print("\n".join([f"Recipe `{Path(name).stem}`:", "", *precision_lines(folder), ""]), flush=True)
            recipe = bundle.read_manifest(folder).read_recipe()
            for member in recipe.members:
                if not isinstance(member, TunedMember) or member.name not in (recipe.ship or [member.name]):
                    continue
                results = [measure(f"{folder}@{member.name}", kind, options) for kind in ("weights", "channels")]
                rows = [row(cells) for cells in [*results[0]["rows"], *results[1]["rows"][1:]]]
                head = [f"`{member.name}` ({member.backbone}):", "", HEADER, f"|{'---|' * (HEADER.count('|') - 1)}"]
                ends = [
                    f"{kind}: {found['advice']}" for kind, found in zip(("Weights", "Channels"), results, strict=True)
                ]
                print("\n".join([*head, *rows, "", *ends, ""]), flush=True)


if __name__ == "__main__":
    main()
