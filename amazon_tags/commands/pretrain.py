"""`amazon_tags pretrain`."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amazon_tags.commands import backbone_options, options
from amazon_tags.errors import need_train
from amazon_tags.signals import catch_signals

if TYPE_CHECKING:
    from features.pretraining.settings import Method


@click.command("pretrain")
@options.CHIPS
@click.option(
    "--method",
    required=True,
    type=click.Choice(["simclr", "byol", "fcmae"]),
    help="simclr for batches of 64 chips or more, byol also for fewer, fcmae for convnext_v2_* alone.",
)
@click.option("--backbone", required=True, help="A name from the table in features/README.md.")
@click.option("-o", "--output", required=True, type=options.OUTPUT, help="The backbone folder to write.")
@click.option(
    "--start",
    default="random",
    show_default=True,
    help="The weights to start from: random, imagenet, a .weights.h5 or .npz file, or a folder that pretrain wrote.",
)
@click.option(
    "--side",
    type=click.IntRange(32, 1024),
    default=128,
    show_default=True,
    help="Side of the network's input in pixels; a view shows 0.3 to 1 of a chip's area.",
)
@click.option(
    "--epochs", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Times each chip is shown."
)
@click.option("--batch", type=click.IntRange(2, 65_536), default=64, show_default=True, help="Chips in a batch.")
@click.option(
    "--accumulate",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Batches in a step, where memory holds no larger ones; not for simclr, whose negatives are in one batch.",
)
@click.option(
    "--rate",
    type=click.FloatRange(1e-8, 1),
    show_default="0.001",
    help="Highest learning rate of a step of 256 chips; it grows with the square root of the chips in a step.",
)
@click.option(
    "--pixels",
    type=click.IntRange(1, 4096),
    default=256,
    show_default=True,
    help="Side of the windows that a scene is cut into, in its pixels.",
)
@click.option("--infrared", is_flag=True, help="Train on blue, green, red and near infrared of 16-bit TIFs.")
@click.option(
    "--groups",
    type=options.EXISTING,
    help="A table image_name,group (see leaks): chips of one group are no negatives of each other. For simclr.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of all random numbers."
)
@click.option("--note", default="", help="A note for the card: the source of the chips and their terms of use.")
@backbone_options.BANDS
@options.LEVELS
@options.ON_ERROR
@options.ERRORS
@options.JOBS
def pretrain_command(
    chips: tuple[Path, ...],
    method: "Method",
    backbone: str,
    output: Path,
    start: str,
    side: int,
    epochs: int,
    batch: int,
    accumulate: int,
    rate: float | None,
    pixels: int,
    infrared: bool,
    groups: Path | None,
    seed: int,
    note: str,
    bands: tuple[str, ...] | None,
    levels: str,
    on_error: str,
    errors: Path,
    jobs: int,
) -> None:
    """Train a backbone on CHIPS without labels: folders, archives, or scenes, which are cut into windows.

    Writes a folder that embed, train and other commands take in place of a backbone's name. OUTPUT.work keeps the state
    and a picture of what has been learnt until then. The same command resumes a run that was interrupted.

    Example: amazon_tags pretrain chips/ --method byol --backbone convnext_v2_atto -o backbone
    """
    need_train()
    from amazon_tags.files import preflight
    from amazon_tags.pretraining.pretrain_chips import PretrainInput, open_chips
    from amazon_tags.pretraining.pretrain_request import PretrainRequest, check_request
    from features.images.layout import Layout
    from features.pretraining.settings import PretrainSettings

    catch_signals()
    preflight.refuse_existing(output)
    settings = PretrainSettings(method, backbone, epochs, batch, accumulate, rate or 0.0, seed=seed)
    request = PretrainRequest(settings, start, side, infrared, Layout(bands, levels), groups, jobs, note)
    plan = check_request(request)
    unusable = errors if on_error == "skip" else None
    source = PretrainInput(chips, plan.spec, pixels, groups, unusable, jobs)
    with open_chips(source) as found, redirect_stdout(sys.stderr):  # Keras prints its downloads to stdout
        from amazon_tags.pretraining.pretrain_run import pretrain_backbone  # importing Keras comes after errors

        pretrain_backbone(found, output, plan)
    options.exit_after(found.unusable, len(found.paths) + found.unusable, "skipped", errors)
