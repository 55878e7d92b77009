"""`amazon_tags compress`."""

from pathlib import Path
from typing import Any

import click

from amazon_tags.commands import backbone_options, options
from amazon_tags.commands.inspect.findings import report
from amazon_tags.errors import need_train


def parse_ratios(_context: click.Context, _option: click.Parameter, value: str) -> tuple[float, ...]:
    """Return the ratios above 1 in ascending order, or raise a usage error; ratio 1 is always measured."""
    try:
        ratios = sorted({float(word) for word in value.split(",")})
    except ValueError:
        ratios = [0.0]
    if not (ratios[0] >= 1 and ratios[-1] <= 10_000) or ratios == [1]:
        raise click.BadParameter(f"{value!r} must be numbers from 1 to 10000, one above 1, separated by commas.")
    return tuple(ratio for ratio in ratios if ratio > 1)


def parse_strategies(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    """Return the strategies with their random controls, or raise a usage error."""
    from amazon_tags.tables.suggest import did_you_mean
    from ensemble.compression.strategies import STRATEGIES, with_controls

    names = tuple(dict.fromkeys(word.strip() for word in value.split(",")))
    for name in names:
        if name not in STRATEGIES:
            near = did_you_mean(name, STRATEGIES)
            raise click.BadParameter(f"there is no strategy {name!r}{near}; choose from {', '.join(STRATEGIES)}.")
    return with_controls(names)


@click.command("compress")
@click.argument("model", metavar="BUNDLE[@MEMBER]")
@click.argument("chips", type=options.EXISTING)
@click.argument("table", metavar="LABELS", type=options.EXISTING)
@click.option(
    "-o",
    "--output",
    required=True,
    type=options.OUTPUT,
    help="The CSV file of the points to write; OUTPUT.work keeps finished parts until then.",
)
@click.option(
    "--ratios",
    default="1,2,4,8,16",
    show_default=True,
    callback=parse_ratios,
    help="Compression ratios: all parameters by those that are left.",
)
@click.option(
    "--strategy",
    "strategies",
    default="global-magnitude,layer-magnitude,global-gradient,random",
    show_default=True,
    callback=parse_strategies,
    help="What to prune by: these, and channels, which rebuilds smaller dense networks. The unpruned networks and "
    "random pruning are always measured too.",
)
@click.option(
    "--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="How many times each point is measured."
)
@click.option(
    "--epochs", type=click.IntRange(0, 1000), default=4, show_default=True, help="Epochs of each fine-tuning; 0: none."
)
@click.option(
    "--ship",
    type=options.OUTPUT,
    metavar="BUNDLE",
    help="Also write a point as a bundle: the fastest that loses at most 0.002 of F2.",
)
@click.option("--point", metavar="STRATEGY:RATIO", help="The point that --ship writes, such as channels:2.")
@click.option(
    "--int8",
    is_flag=True,
    help="Also measure the unpruned networks in 8-bit integers. Their ms depends on whether this processor has "
    "instructions for products of such integers, which the report says. --ship never writes them: every bundle holds "
    "its int8 networks, for predict --precision int8.",
)
@click.option(
    "--beside",
    multiple=True,
    type=options.FOLDER,
    metavar="BUNDLE",
    help="Another bundle of the same labels to measure on CHIPS, such as one of a truncated network or a student, in a "
    "row named like its folder. It was trained on none of CHIPS, or on all: then its out-of-fold scores are taken. "
    "May be given several times.",
)
@click.option(
    "--unlabelled",
    multiple=True,
    type=options.FOLDER,
    help="A folder of chips without labels, where members of the bundle learnt from teachers on such.",
)
@backbone_options.BACKBONE_WEIGHTS
@options.SVG
@options.PAGE
@options.JSON
@options.GROUPS
@options.JOIN_ROWS
@options.BANDS
@options.LEVELS
@options.JOBS
def compress_command(
    model: str,
    chips: Path,
    table: Path,
    output: Path,
    ratios: tuple[float, ...],
    strategies: tuple[str, ...],
    seeds: int,
    epochs: int,
    ship: Path | None,
    point: str | None,
    int8: bool,
    beside: tuple[Path, ...],
    unlabelled: tuple[Path, ...],
    weights: tuple[str, ...],
    groups: Path | None,
    join_rows: bool,
    bands: tuple[str, ...] | None,
    levels: str,
    jobs: int,
    **files: Any,
) -> None:
    """Prune the fine-tuned networks of a bundle, and measure what that costs and saves on CHIPS with LABELS.

    Each point is a strategy at a ratio: pruned, fine-tuned with the zeros held, and scored on a held-out fold. Chips
    that the bundle was trained on are measured by networks that its recipe trains again without their fold. The same
    command resumes a run that was interrupted.

    Example: amazon_tags compress my-model train-jpg/ train_v2.csv --ratios 2,4 --strategy channels -o points.csv
    """
    starts = dict(backbone_options.parse_weights(text) for text in weights)
    need_train()
    from amazon_tags.compression.beside import read_beside
    from amazon_tags.compression.request import CompressRequest, parse_point, read_compress_data, read_compressed
    from amazon_tags.files import preflight
    from amazon_tags.training.preparation import TrainOptions, check_outputs
    from amazon_tags.training.training_data import TrainingSource
    from features.images.layout import Layout

    if point and not ship:
        raise click.UsageError("--point names what --ship writes; add --ship BUNDLE, or leave it out.")
    wanted = parse_point(point) if point else None
    if wanted and (wanted[0] not in strategies or wanted[1] not in ratios):
        raise click.UsageError(f"--point {point} is not measured; add it to --strategy and --ratios.")
    request = CompressRequest(
        ratios, strategies, seeds, epochs, TrainOptions(starts, jobs=jobs), Layout(bands, levels), ship, wanted, int8
    )
    preflight.refuse_outputs([path for path in (output, files["svg"], files["page"]) if path], [table])
    if ship:
        check_outputs(ship)
    source = TrainingSource(chips, table, unlabelled=unlabelled, groups=groups, join_rows=join_rows)
    found = read_compressed(model, request)
    data, trained = read_compress_data(source, found, request)
    others = read_beside(beside, data, request)

    def measure() -> Any:
        from amazon_tags.compression.compress import compress  # importing Keras takes seconds; errors come before

        return compress(data, trained, output, request, others)

    report(measure, output=output, inputs=[table], **files)
