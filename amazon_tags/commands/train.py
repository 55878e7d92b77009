"""`amazon_tags train`."""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amazon_tags.commands import backbone_options, options, shard_options
from amazon_tags.errors import need_train
from amazon_tags.signals import catch_signals

if TYPE_CHECKING:
    from amazon_tags.training.training_data import TrainingSource


@click.command("train")
@click.argument("chips", type=options.EXISTING)
@click.argument("table", metavar="[LABELS]", required=False, type=options.EXISTING)
@click.option("-o", "--output", required=True, type=options.OUTPUT, help="The folder of the bundle to write.")
@click.option(
    "--recipe",
    show_default="default; for vectors one ridge head",
    help="default, distilled, ensemble, frozen, hyperrule, quick or a TOML file.",
)
@backbone_options.BACKBONE_WEIGHTS
@click.option(
    "--start-from",
    type=options.FOLDER,
    metavar="BUNDLE",
    help="Start tuned members from the trained backbones of another bundle instead of ImageNet weights.",
)
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    type=options.FOLDER,
    metavar="BUNDLE",
    help="Let the tuned members of the recipe also learn from the scores of this bundle, on CHIPS and --unlabelled.",
)
@backbone_options.DOWNLOAD
@click.option("--skip-missing", is_flag=True, help="Leave out chips that LABELS names and CHIPS does not contain.")
@click.option(
    "--unlabelled",
    multiple=True,
    type=options.FOLDER,
    help="A folder of chips without labels, for members that have teachers in the recipe or by --teacher.",
)
@options.PAIRS
@options.GROUPS
@options.JOIN_ROWS
@click.option("--note", default="", help="A note for the card: the source of the chips and their terms of use.")
@options.LABELS
@click.option(
    "--ground",
    type=click.FloatRange(0, 1e6, min_open=True),
    metavar="METRES",
    help="Side of a chip on the ground, for the card and for map, which cuts scenes into windows of this size.",
)
@options.BANDS
@options.LEVELS
@options.ON_ERROR
@options.ERRORS
@options.VIEWS
@shard_options.ENGINE
@shard_options.SCHEDULER
@shard_options.INSECURE
@click.option("--html", "page", type=options.OUTPUT, help="Also write the page on the model that report writes.")
@options.JOBS
def train_command(
    chips: Path,
    table: Path | None,
    output: Path,
    recipe: str | None,
    weights: tuple[str, ...],
    start_from: Path | None,
    teachers: tuple[Path, ...],
    download: bool,
    skip_missing: bool,
    unlabelled: tuple[Path, ...],
    pairs: Path | None,
    groups: Path | None,
    join_rows: bool,
    note: str,
    space: str,
    ground: float | None,
    bands: tuple[str, ...] | None,
    levels: str,
    on_error: str,
    errors: Path,
    views: int,
    engine: str,
    scheduler: str | None,
    insecure: bool,
    page: Path | None,
    jobs: int,
) -> None:
    """Train a model on CHIPS (a folder or an archive) and their LABELS and write it as a bundle.

    In place of chips, CHIPS may be a .parquet file of vectors, as embed writes it; then the frozen heads of the recipe
    are trained on these, and predict --vectors uses the bundle.

    LABELS is a table of image_name,tags, a table with a column of 0 and 1 for each label, or a folder with a subfolder
    of chips for each class. With --labels folders it may be left out: CHIPS has these subfolders.

    With --pairs, a model of two dates is trained: LABELS names the pairs, and may be left out if the table of pairs
    has a column of tags.

    Out-of-fold scores are written beside the bundle. The same command resumes a run that was interrupted.

    Example: amazon_tags train train-jpg/ train_v2.csv -o model
    """
    from amazon_tags.tables.vector_tables import is_vector_file

    is_of_vectors = is_vector_file(chips)
    if pairs and space == "folders":
        raise click.UsageError("--labels folders names single chips; with --pairs, name a table of tags or of labels.")
    table = table or pairs
    if table is None and (space != "folders" or is_of_vectors):
        raise click.UsageError("Missing argument 'LABELS'; only --labels folders does without a table.")
    files = dict(backbone_options.parse_weights(text) for text in weights)
    from amazon_tags.files import preflight
    from amazon_tags.model.recipe_file import choose_recipe
    from amazon_tags.training.training_data import TrainingSource

    if page:
        preflight.refuse_outputs([page, output], [path for path in (chips, table, pairs) if path])
    source = TrainingSource(chips, table or chips, space, skip_missing, note, unlabelled, groups, join_rows, pairs)
    if is_of_vectors:
        given: dict[str, object] = {
            "--weights": files,
            "--start-from": start_from,
            "--teacher": teachers,
            "--unlabelled": unlabelled,
            "--pairs": pairs,
            "--ground": ground,
            "--bands": bands,
            "--levels": levels != "auto",
        }
        given |= {"--on-error": on_error != "fail", "--views": views > 1, "--download": download}
        given |= {"--engine": engine == "dask", "--scheduler": scheduler, "--insecure": insecure}
        _train_on_vectors(source, output, recipe, given)
        _write_page(page, output, None, jobs)
        return

    if pairs and engine == "dask":
        raise click.UsageError("--engine dask is for single chips; leave it out with --pairs.")
    cluster = shard_options.read_cluster(engine, scheduler, insecure=insecure, workers=jobs)
    need_train()
    from amazon_tags.training.hub_presets import download_preset
    from amazon_tags.training.preparation import TrainOptions, prepare

    catch_signals()
    train_options = TrainOptions(
        files, views, jobs, start_from=start_from, unusable=errors if on_error == "skip" else None
    )
    from amazon_tags.training.teacher_bundles import add_teachers

    settings = choose_recipe(recipe or "default").reading(bands, levels, ground=ground, paired=bool(pairs))
    settings = add_teachers(settings, teachers)
    for member in settings.members if download else ():
        download_preset(member.backbone)
    data = prepare(source, output, recipe=settings, options=train_options)
    with redirect_stdout(sys.stderr):  # Keras prints its downloads to stdout; importing it comes after errors
        if cluster:
            from amazon_tags.training.dask_train import train_on_cluster

            train_on_cluster(source, data, output, cluster, recipe=settings, options=train_options)
        else:
            from amazon_tags.training.train import train_on

            train_on(data, output, recipe=settings, options=train_options)
    _write_page(page, output, None if pairs else chips, jobs)
    options.exit_after(data.unusable, len(data.paths) + len(data.unlabelled) + data.unusable, "skipped", errors)


def _train_on_vectors(source: "TrainingSource", output: Path, recipe: str | None, given: Mapping[str, object]) -> None:
    """Train heads, unless there are options `given` that need chips."""
    options.refuse_chip_options(given, source.chips)
    from amazon_tags.model.recipe_file import choose_recipe
    from amazon_tags.training.train_vectors import train_vectors

    catch_signals()
    train_vectors(source, output, recipe=choose_recipe(recipe) if recipe else None)


def _write_page(page: Path | None, output: Path, chips: Path | None, jobs: int) -> None:
    """Write the page on a trained bundle, if the user wants it."""
    if page:
        from amazon_tags.review.report import ReportSources, write_report

        write_report(output, page, ReportSources(chips, jobs=jobs))
