"""`amazon_tags inspect signal`, which follows chips without tags through the layers of one network."""

from pathlib import Path
from typing import Any

import click

from amazon_tags.commands import backbone_options, options
from amazon_tags.commands.inspect.findings import CSV, report
from amazon_tags.commands.inspect.models import BATCH, SEED
from amazon_tags.errors import need_train


@click.command("signal")
@click.argument("chips", type=options.EXISTING)
@click.argument("model")
@click.option(
    "--init",
    default="imagenet",
    show_default=True,
    metavar="START",
    help="The weights of a backbone, as init of a recipe's member: imagenet, random, auto, stats or transfer:LAYER.",
)
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
def signal_command(
    chips: Path,
    model: str,
    init: str,
    weights: tuple[str, ...],
    batch: int,
    seed: int,
    side: int,
    bands: tuple[str, ...] | None,
    levels: str,
    jobs: int,
    **files: Any,
) -> None:
    """Find the layer of MODEL at which the signal of CHIPS, which need no tags, vanishes or explodes.

    Compares mean and variance of each layer's output on one random minibatch with those that the weights predict. A
    MODEL is a backbone, NAME or NAME@LAYER, or a bundle, perhaps with @MEMBER. --seed also draws what --init redraws.

    Example: amazon_tags inspect signal train-jpg/ mobilenet_v3_small --init random
    """
    starts = dict(backbone_options.parse_weights(text) for text in weights)
    from amazon_tags.inspection.layered_model import ModelOptions
    from amazon_tags.inspection.minibatches import BatchOptions
    from amazon_tags.inspection.signal import inspect_signal
    from features.images.layout import Layout
    from features.initialisation.start import Start

    need_train()
    chosen = ModelOptions(starts, side, Layout(bands, levels))
    report(lambda: inspect_signal(chips, model, Start(init, seed), chosen, BatchOptions(batch, seed, jobs)), **files)
