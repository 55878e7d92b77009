"""`amazon_tags rank`."""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from amazon_tags.commands import backbone_options, options
from amazon_tags.errors import emit, need_train
from amazon_tags.signals import catch_signals


@click.command("rank")
@click.argument("chips", type=options.EXISTING)
@click.argument("table", metavar="LABELS", type=options.EXISTING)
@backbone_options.BACKBONES
@backbone_options.BACKBONE_WEIGHTS
@backbone_options.DOWNLOAD
@options.SIDE
@options.BANK
@click.option("-o", "--output", type=options.OUTPUT, help="Also write the ranking to this CSV file.")
@options.GROUPS
@options.JOIN_ROWS
@options.JSON
@options.LABELS
@backbone_options.BANDS
@options.LEVELS
@options.ON_ERROR
@options.ERRORS
@options.JOBS
def rank_command(
    chips: Path,
    table: Path,
    backbones: tuple[str, ...],
    weights: tuple[str, ...],
    download: bool,
    side: int,
    bank: Path | None,
    output: Path | None,
    groups: Path | None,
    join_rows: bool,
    as_json: bool,
    space: str,
    bands: tuple[str, ...] | None,
    levels: str,
    on_error: str,
    errors: Path,
    jobs: int,
) -> None:
    """Rank frozen backbones by how well linear probes on their vectors tag CHIPS with LABELS.

    Prints the mean adjusted log odds over labels, F2 out of fold, size and time of each backbone, with 95 % intervals.
    Nothing is fine-tuned: it is a start for a choice, which fine-tuning may change.

    Example: amazon_tags rank train-jpg/ train_v2.csv --backbones mobilenet_v3_small,mobilenet_v2 --bank bank
    """
    files = dict(backbone_options.parse_weights(text) for text in weights)
    from amazon_tags.evaluation.ranking import ranking_csv, ranking_text
    from amazon_tags.files import atomic, preflight
    from amazon_tags.training.compared_backbones import ComparisonOptions, needs_keras
    from amazon_tags.training.hub_presets import download_preset
    from amazon_tags.training.rank import rank
    from amazon_tags.training.training_data import TrainingSource
    from features.images.layout import Layout

    if any(map(needs_keras, backbones)):
        need_train()
    catch_signals()
    unusable = errors if on_error == "skip" else None
    preflight.refuse_outputs([path for path in (output, unusable) if path], [table])
    for name in backbones if download else ():
        download_preset(name)
    source = TrainingSource(chips, table, space, groups=groups, join_rows=join_rows)
    with redirect_stdout(sys.stderr):  # Keras prints its downloads to stdout
        ranking = rank(source, backbones, ComparisonOptions(files, side, Layout(bands, levels), bank, jobs, unusable))
    if output:
        atomic.write_text(output, ranking_csv(ranking))
    emit(json.dumps(ranking.to_json(), indent=2) + "\n" if as_json else ranking_text(ranking))
