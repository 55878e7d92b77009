"""`amazon_tags search-layer`."""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amazon_tags.commands import backbone_options, options
from amazon_tags.errors import emit, need_train
from amazon_tags.signals import catch_signals

if TYPE_CHECKING:
    from amazon_tags.training.layer_request import Screen


@click.command("search-layer")
@click.argument("chips", type=options.EXISTING)
@click.argument("table", metavar="LABELS", type=options.EXISTING)
@click.option(
    "--backbone", required=True, help="A name from the table in features/README.md, or a folder that pretrain wrote."
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=options.OUTPUT,
    help="The CSV file of the layers to write; OUTPUT.work keeps finished parts until then.",
)
@click.option(
    "--tuned",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Fine-tune at so many layers in each of the stages 1 and 2, those that --screen finds best.",
)
@click.option(
    "--screen",
    type=click.Choice(["probes", "alignment"]),
    default="probes",
    show_default=True,
    help="Choose the layers to fine-tune by F2 of their probes, or by their alignment with the tags (see inspect).",
)
@click.option("--probe-only", is_flag=True, help="Stop after the linear probes of stage 0; nothing is fine-tuned.")
@click.option(
    "--epochs", type=click.IntRange(1, 1000), default=12, show_default=True, help="Epochs of each fine-tuning."
)
@backbone_options.WEIGHTS
@options.SIDE
@options.SVG
@options.BANK
@options.GROUPS
@options.JOIN_ROWS
@options.JSON
@options.LABELS
@backbone_options.BANDS
@options.LEVELS
@options.JOBS
def search_layer_command(
    chips: Path,
    table: Path,
    backbone: str,
    output: Path,
    tuned: int,
    screen: "Screen",
    probe_only: bool,
    epochs: int,
    weights: str,
    side: int,
    svg: Path | None,
    bank: Path | None,
    groups: Path | None,
    join_rows: bool,
    as_json: bool,
    space: str,
    bands: tuple[str, ...] | None,
    levels: str,
    jobs: int,
) -> None:
    """Find the layer at which a backbone should end, by its scores on CHIPS with LABELS.

    Stage 0 fits linear probes at the end of every block, stage 1 fine-tunes at the best of these, stage 2 at layers
    around the best of all. Proposes the smallest network within one standard error of the best. The same command
    resumes a run that was interrupted.

    Example: amazon_tags search-layer train-jpg/ train_v2.csv --backbone mobilenet_v2 --probe-only -o layers.csv
    """
    need_train()
    from amazon_tags.evaluation.layer_report import layer_svg, layer_text
    from amazon_tags.files import atomic, preflight
    from amazon_tags.training.layer_request import LayerRequest, layer_recipe, read_layer_data, resolve_backbone
    from amazon_tags.training.training_data import TrainingSource
    from features.images.layout import Layout

    catch_signals()
    preflight.refuse_outputs([path for path in (output, svg) if path], [table])
    source = TrainingSource(chips, table, space, groups=groups, join_rows=join_rows)
    layout = Layout(bands, levels)
    backbone, weights, side = resolve_backbone(backbone, weights, side, layout)
    request = LayerRequest(backbone, weights, side, 0 if probe_only else tuned, epochs, layout, bank, jobs, screen)
    recipe = layer_recipe(request)
    data = read_layer_data(source, request, recipe)
    with redirect_stdout(sys.stderr):  # Keras prints its downloads to stdout
        from amazon_tags.training.search_layer import search_layer  # importing Keras takes seconds; errors come before

        report = search_layer(data, output, recipe=recipe, request=request)
    if svg:
        atomic.write_text(svg, layer_svg(report))
    emit(json.dumps(report.to_json(), indent=2) + "\n" if as_json else layer_text(report))
