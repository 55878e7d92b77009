"""`amazon_tags inspect locality`, which measures what a position of each layer of one network sees."""

from pathlib import Path
from typing import Any

import click

from amazon_tags.commands import backbone_options, options
from amazon_tags.commands.inspect.findings import CSV, report
from amazon_tags.commands.inspect.models import BATCH, SEED
from amazon_tags.errors import need_train


@click.command("locality")
@click.argument("chips", type=options.EXISTING)
@click.argument("model")
@backbone_options.BACKBONE_WEIGHTS
@BATCH
@SEED
@options.SIDE
@CSV
@options.SVG
@options.PAGE
@options.JSON
@backbone_options.BANDS
@options.LEVELS
@options.JOBS
def locality_command(
    chips: Path,
    model: str,
    weights: tuple[str, ...],
    batch: int,
    seed: int,
    side: int,
    bands: tuple[str, ...] | None,
    levels: str,
    jobs: int,
    **files: Any,
) -> None:
    """Measure what a position of each layer of MODEL sees of CHIPS, which need no tags, and whether it keeps its place.

    Reports receptive fields, and how much more a position is like its own patch than like others, on one random
    minibatch. A MODEL is a backbone, NAME or NAME@LAYER, or a bundle, perhaps with @MEMBER.

    Example: amazon_tags inspect locality train-jpg/ mobilenet_v3_small --batch 64 --svg locality.svg
    """
    starts = dict(backbone_options.parse_weights(text) for text in weights)
    from amazon_tags.inspection.layered_model import ModelOptions
    from amazon_tags.inspection.locality import inspect_locality
    from amazon_tags.inspection.minibatches import BatchOptions
    from features.images.layout import Layout

    need_train()
    chosen = ModelOptions(starts, side, Layout(bands, levels))
    report(lambda: inspect_locality(chips, model, chosen, BatchOptions(batch, seed, jobs)), **files)
