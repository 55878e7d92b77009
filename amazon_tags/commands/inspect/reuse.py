"""`amazon_tags inspect reuse`, which compares the blocks of a fine-tuned member with its start."""

from pathlib import Path
from typing import Any

import click

from amazon_tags.commands import backbone_options, options
from amazon_tags.commands.inspect.findings import CSV, report
from amazon_tags.errors import need_train


@click.command("reuse")
@click.argument("chips", type=options.EXISTING)
@click.argument("table", metavar="LABELS", type=options.EXISTING)
@click.argument("model", metavar="BUNDLE[@MEMBER]")
@backbone_options.BACKBONE_WEIGHTS
@CSV
@options.SVG
@options.PAGE
@options.JSON
@options.GROUPS
@options.JOIN_ROWS
@options.BANDS
@options.LEVELS
@options.JOBS
def reuse_command(
    chips: Path,
    table: Path,
    model: str,
    weights: tuple[str, ...],
    groups: Path | None,
    join_rows: bool,
    bands: tuple[str, ...] | None,
    levels: str,
    jobs: int,
    **files: Any,
) -> None:
    """Measure how much of its start each block of a fine-tuned member still uses, and say where reuse ends.

    LABELS has the tags of CHIPS, which should not be those of the training. --weights names the file that the member
    started from, where it started from one.

    Example: amazon_tags inspect reuse train-jpg/ train_v2.csv my-model --html reuse.html
    """
    starts = dict(backbone_options.parse_weights(text) for text in weights)
    from amazon_tags.inspection.reuse import ReuseOptions, inspect_reuse
    from amazon_tags.training.training_data import TrainingSource
    from features.images.layout import Layout

    need_train()
    source = TrainingSource(chips, table, groups=groups, join_rows=join_rows)
    chosen = ReuseOptions(starts, Layout(bands, levels), jobs)
    report(lambda: inspect_reuse(source, model, chosen), inputs=[table], **files)
