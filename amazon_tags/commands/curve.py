"""`amazon_tags curve`."""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from amazon_tags.commands import backbone_options, options
from amazon_tags.errors import emit, need_train
from amazon_tags.signals import catch_signals


def parse_shots(_context: click.Context, _option: click.Parameter, value: str) -> tuple[tuple[int, ...], bool]:
    """Return the numbers of shots in ascending order, and whether `full` is among them, or raise a usage error."""
    from amazon_tags.evaluation.curve_report import FULL

    words = [word.strip() for word in value.split(",")]
    numbers = [word for word in words if word != FULL]
    if not all(word.isdecimal() and int(word) for word in numbers) or len(set(words)) < len(words):
        raise click.BadParameter(f"{value!r} must be different whole numbers from 1, or {FULL}, separated by commas.")
    return tuple(sorted(map(int, numbers))), FULL in words


@click.command("curve")
@click.argument("chips", type=options.EXISTING)
@click.argument("table", metavar="LABELS", type=options.EXISTING)
@click.option(
    "-o",
    "--output",
    required=True,
    type=options.OUTPUT,
    help="The CSV file of the curve to write; OUTPUT.work keeps finished parts until then.",
)
@click.option(
    "--shots",
    default="1,5,10,50,100,full",
    show_default=True,
    callback=parse_shots,
    help="Train on at least so many chips of every label, or on all that there are; full is on all chips.",
)
@click.option(
    "--seeds", type=click.IntRange(1, 100), default=5, show_default=True, help="Number of subsets for each of --shots."
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Also say how many labelled chips an F2 needs, such as 0.9, by a power law.",
)
@click.option(
    "--recipe",
    default="frozen",
    show_default=True,
    help="default, ensemble, frozen, hyperrule, quick or a TOML file.",
)
@backbone_options.BACKBONE_WEIGHTS
@options.SVG
@options.GROUPS
@options.JOIN_ROWS
@options.JSON
@options.LABELS
@options.BANDS
@options.LEVELS
@options.JOBS
def curve_command(
    chips: Path,
    table: Path,
    output: Path,
    shots: tuple[tuple[int, ...], bool],
    seeds: int,
    targets: tuple[float, ...],
    recipe: str,
    weights: tuple[str, ...],
    svg: Path | None,
    groups: Path | None,
    join_rows: bool,
    as_json: bool,
    space: str,
    bands: tuple[str, ...] | None,
    levels: str,
    jobs: int,
) -> None:
    """Measure how a recipe's scores on CHIPS grow with the number of LABELS.

    Trains on nested, stratified subsets, and prints held-out F2, mean average precision and recall of each label with
    95 % intervals, and a power law of the error. The same command resumes a run that was interrupted.

    Example: amazon_tags curve train-jpg/ train_v2.csv --shots 1,10,full --seeds 3 -o curve.csv
    """
    files = dict(backbone_options.parse_weights(text) for text in weights)
    need_train()
    from amazon_tags.evaluation.curve_report import curve_svg, curve_text
    from amazon_tags.files import atomic, preflight
    from amazon_tags.model.recipe_file import choose_recipe
    from amazon_tags.training.curve_request import CurveRequest, curve_recipe
    from amazon_tags.training.preparation import TrainOptions, prepare_data
    from amazon_tags.training.training_data import TrainingSource

    catch_signals()
    preflight.refuse_outputs([path for path in (output, svg) if path], [table])
    source = TrainingSource(chips, table, space, groups=groups, join_rows=join_rows)
    train_options = TrainOptions(files, jobs=jobs)
    settings = curve_recipe(choose_recipe(recipe).reading(bands, levels))
    data = prepare_data(source, recipe=settings, options=train_options)
    with redirect_stdout(sys.stderr):  # Keras prints its downloads to stdout
        from amazon_tags.training.curve import measure_curve  # importing Keras takes seconds; errors come before

        request = CurveRequest(*shots, seeds, targets)
        report = measure_curve(data, output, recipe=settings, options=train_options, request=request)
    if svg:
        atomic.write_text(svg, curve_svg(report))
    emit(json.dumps(report.to_json(), indent=2) + "\n" if as_json else curve_text(report))
