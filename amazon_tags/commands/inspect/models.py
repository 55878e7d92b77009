"""`amazon_tags inspect cka` and `members`, which compare layers and members on chips without tags."""

from pathlib import Path
from typing import Any

import click

from amazon_tags.commands import backbone_options, options
from amazon_tags.commands.inspect.findings import CSV, report
from amazon_tags.errors import need_train

BATCH = click.option(
    "--batch",
    type=click.IntRange(8, 2048),  # 2048 take 32 MB a layer
    default=256,
    show_default=True,
    help="Chips in a minibatch, which is what the memory holds.",
)
SEED = click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the chips' order.")


@click.command("cka")
@click.argument("chips", type=options.EXISTING)
@click.argument("models", metavar="MODEL [MODEL]", nargs=-1, required=True)
@backbone_options.BACKBONE_WEIGHTS
@click.option(
    "--measure",
    type=click.Choice(["debiased", "linear", "rbf", "cca"]),
    default="debiased",
    show_default=True,
    help="debiased compares layers of any width fairly; linear is as in many publications, and rbf compares by near "
    "chips: both need more chips in a minibatch than a layer has columns. cca is the mean canonical correlation.",
)
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
def cka_command(
    chips: Path,
    models: tuple[str, ...],
    weights: tuple[str, ...],
    measure: str,
    batch: int,
    seed: int,
    side: int,
    bands: tuple[str, ...] | None,
    levels: str,
    jobs: int,
    **files: Any,
) -> None:
    """Compare all layers of a MODEL on CHIPS, which need no tags, or those of two models, by CKA.

    A MODEL is the name of a backbone, perhaps with @LAYER where it shall end, or the folder of a bundle: its
    fine-tuned member, or another one as BUNDLE@MEMBER. Beside a bundle, a backbone takes the same chips.

    Example: amazon_tags inspect cka train-jpg/ mobilenet_v3_small my-model@small
    """
    starts = dict(backbone_options.parse_weights(text) for text in weights)
    from amazon_tags.inspection.cka import inspect_cka
    from amazon_tags.inspection.layered_model import ModelOptions
    from amazon_tags.inspection.minibatches import BatchOptions
    from features.images.layout import Layout

    need_train()
    chosen = ModelOptions(starts, side, Layout(bands, levels))
    report(lambda: inspect_cka(chips, models, measure, chosen, BatchOptions(batch, seed, jobs)), **files)


@click.command("members")
@click.argument("chips", type=options.EXISTING)
@click.argument("bundle", type=options.FOLDER)
@BATCH
@SEED
@CSV
@options.SVG
@options.PAGE
@options.JSON
@options.BANDS
@options.LEVELS
@options.JOBS
def members_command(
    chips: Path,
    bundle: Path,
    batch: int,
    seed: int,
    bands: tuple[str, ...] | None,
    levels: str,
    jobs: int,
    **files: Any,
) -> None:
    """Compare the scores that the members of BUNDLE give CHIPS, which need no tags, by CKA.

    Example: amazon_tags inspect members test-jpg/ my-model
    """
    from amazon_tags.inspection.members import inspect_members
    from amazon_tags.inspection.minibatches import BatchOptions
    from features.images.layout import Layout

    layout = Layout(bands, levels)
    report(lambda: inspect_members(chips, bundle, layout, BatchOptions(batch, seed, jobs)), **files)
