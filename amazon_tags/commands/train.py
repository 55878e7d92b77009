"""`amazon_tags train`."""

import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import need_train
from amazon_tags.signals import catch_signals


@click.command("train")
@click.argument("chips", type=options.EXISTING)
@click.argument("table", metavar="[LABELS]", required=False, type=options.EXISTING)
@click.option("-o", "--output", required=True, type=options.OUTPUT, help="The folder of the bundle to write.")
@click.option(
    "--recipe",
    default="default",
    show_default=True,
    help="default, distilled, ensemble, frozen, hyperrule, quick or a TOML file.",
)
@click.option(
    "--weights",
    multiple=True,
    metavar="BACKBONE=FILE",
    help="Start a backbone from this file instead of the downloaded ImageNet weights.",
)
@options.DOWNLOAD
@click.option("--skip-missing", is_flag=True, help="Leave out chips that LABELS names and CHIPS does not contain.")
@click.option(
    "--unlabelled",
    multiple=True,
    type=options.FOLDER,
    help="A folder of chips without labels, for members of the recipe that have teachers.",
)
@options.GROUPS
@options.JOIN_ROWS
@click.option("--note", default="", help="A note for the card: the source of the chips and their terms of use.")
@options.LABELS
@options.BANDS
@options.LEVELS
@options.ON_ERROR
@options.ERRORS
@options.VIEWS
@options.JOBS
def train_command(
    chips: Path,
    table: Path | None,
    output: Path,
    recipe: str,
    weights: tuple[str, ...],
    download: bool,
    skip_missing: bool,
    unlabelled: tuple[Path, ...],
    groups: Path | None,
    join_rows: bool,
    note: str,
    space: str,
    bands: tuple[str, ...] | None,
    levels: str,
    on_error: str,
    errors: Path,
    views: int,
    jobs: int,
) -> None:
    """Train a model on CHIPS (a folder or an archive) and their LABELS and write it as a bundle.

    LABELS is a table of image_name,tags, a table with a column of 0 and 1 for each label, or a folder with a subfolder
    of chips for each class. With --labels folders it may be left out: CHIPS has these subfolders.

    Out-of-fold scores are written beside the bundle. The same command resumes a run that was interrupted.

    Example: amazon_tags train train-jpg/ train_v2.csv -o model
    """
    if table is None and space != "folders":
        raise click.UsageError("Missing argument 'LABELS'; only --labels folders does without a table.")
    files = dict(options.parse_weights(text) for text in weights)
    need_train()
    from amazon_tags.model.recipe import choose_recipe
    from amazon_tags.training.hub_presets import download_preset
    from amazon_tags.training.preparation import TrainOptions, prepare
    from amazon_tags.training.training_data import TrainingSource

    catch_signals()
    source = TrainingSource(chips, table or chips, space, skip_missing, note, unlabelled, groups, join_rows)
    train_options = TrainOptions(files, views, jobs, unusable=errors if on_error == "skip" else None)
    settings = choose_recipe(recipe).reading(bands, levels)
    for member in settings.members if download else ():
        download_preset(member.backbone)
    data = prepare(source, output, recipe=settings, options=train_options)
    with redirect_stdout(sys.stderr):  # Keras prints its downloads to stdout
        from amazon_tags.training.train import train_on  # importing Keras takes seconds; errors come before

        train_on(data, output, recipe=settings, options=train_options)
    options.exit_after(data.unusable, len(data.paths) + len(data.unlabelled) + data.unusable, "skipped", errors)
