"""`amazon_tags train`."""

import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import need_train
from amazon_tags.signals import catch_signals


@click.command("train")
@click.argument("chips", type=options.FOLDER)
@click.argument("table", metavar="LABELS", type=options.FILE)
@click.option("-o", "--output", required=True, type=options.OUT, help="The bundle to write, a folder.")
@click.option(
    "--recipe",
    default="default",
    show_default=True,
    help="A TOML file, or default, distilled, ensemble, frozen, hyperrule or quick.",
)
@click.option(
    "--weights",
    multiple=True,
    metavar="BACKBONE=FILE",
    help="Start a backbone from a file instead of ImageNet's cache.",
)
@click.option("--skip-missing", is_flag=True, help="Leave out labelled chips that are missing from CHIPS.")
@click.option(
    "--unlabelled",
    multiple=True,
    type=options.FOLDER,
    help="Chips without labels, for members of the recipe that have teachers.",
)
@options.GROUPS
@click.option("--note", default="", help="What the card shall say of the data: where it is from, on which terms.")
@options.LABELS
@options.VIEWS
@options.JOBS
def train_command(
    chips: Path,
    table: Path,
    output: Path,
    recipe: str,
    weights: tuple[str, ...],
    skip_missing: bool,
    unlabelled: tuple[Path, ...],
    groups: Path | None,
    note: str,
    space: str,
    views: int,
    jobs: int,
) -> None:
    """Train a model on CHIPS and their LABELS (image_name,tags); out-of-fold scores go beside the bundle.

    A run that was stopped goes on where it was when it is started again.

    Example: amazon_tags train train-jpg/ train_v2.csv -o model
    """
    need_train()
    from amazon_tags.model.recipe import choose_recipe
    from amazon_tags.training.train import TrainOptions, train
    from amazon_tags.training.training_data import TrainingSource

    catch_signals()
    given = dict(options.pair(text) for text in weights)
    source = TrainingSource(chips, table, space, skip_missing, note, unlabelled, groups)
    with redirect_stdout(sys.stderr):  # Keras tells stdout of its downloads
        train(source, output, recipe=choose_recipe(recipe), options=TrainOptions(given, views, jobs))
