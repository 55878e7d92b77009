"""`amazon_tags inspect separation`, `alignment` and `diversity`, which compare backbones on labelled chips."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amazon_tags.commands import backbone_options, options
from amazon_tags.commands.inspect.findings import CSV, report
from amazon_tags.errors import need_train

if TYPE_CHECKING:
    from amazon_tags.inspection.diversity import By
    from amazon_tags.inspection.findings import Findings
    from amazon_tags.training.compared_backbones import ComparisonOptions
    from amazon_tags.training.training_data import TrainingSource


def _of_backbones(command: Callable[..., None]) -> Callable[..., None]:
    """Add the arguments and options of a measure that compares backbones on labelled chips."""
    decorators = (
        click.argument("chips", type=options.EXISTING),
        click.argument("table", metavar="LABELS", type=options.EXISTING),
        backbone_options.BACKBONES,
        backbone_options.BACKBONE_WEIGHTS,
        options.SIDE,
        options.BANK,
        CSV,
        options.SVG,
        options.PAGE,
        options.JSON,
        options.GROUPS,
        options.JOIN_ROWS,
        options.LABELS,
        backbone_options.BANDS,
        options.LEVELS,
        options.ON_ERROR,
        options.ERRORS,
        options.JOBS,
    )
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


@click.command("separation")
@_of_backbones
def separation_command(**values: Any) -> None:
    """Measure how tightly the chips with each tag of LABELS lie together, by backbone.

    Also probes each backbone, and warns where the one that separates most is not the better feature extractor.

    Example: amazon_tags inspect separation train-jpg/ train_v2.csv --backbones mobilenet_v3_small,mobilenet_v2
    """
    from amazon_tags.inspection.separation import inspect_separation

    _inspect(inspect_separation, **values)


@click.command("alignment")
@_of_backbones
def alignment_command(**values: Any) -> None:
    """Rank backbones and layers by how fast linear heads learn the tags of LABELS, without training any.

    Example: amazon_tags inspect alignment train-jpg/ train_v2.csv --backbones mobilenet_v2,mobilenet_v2@block_13_expand
    """
    from amazon_tags.inspection.alignment import inspect_alignment

    _inspect(inspect_alignment, **values)


@click.command("diversity")
@click.option(
    "--by",
    type=click.Choice(["tag", "fold", "group"]),
    default="tag",
    show_default=True,
    help="The tasks: each tag on all chips, or all tags on the chips of each fold or group.",
)
@_of_backbones
def diversity_command(by: "By", **values: Any) -> None:
    """Measure how unlike tags, folds or groups of CHIPS are as tasks for one backbone.

    Folds and groups are held against random divisions: are they exchangeable?

    Example: amazon_tags inspect diversity train-jpg/ train_v2.csv --backbones mobilenet_v3_small --by fold
    """
    from amazon_tags.inspection.diversity import inspect_diversity

    _inspect(partial(inspect_diversity, by=by), **values)


def _inspect(
    measure: "Callable[[TrainingSource, tuple[str, ...], ComparisonOptions], Findings]",
    *,
    chips: Path,
    table: Path,
    backbones: tuple[str, ...],
    weights: tuple[str, ...],
    side: int,
    bank: Path | None,
    output: Path | None,
    svg: Path | None,
    page: Path | None,
    as_json: bool,
    groups: Path | None,
    join_rows: bool,
    space: str,
    bands: tuple[str, ...] | None,
    levels: str,
    on_error: str,
    errors: Path,
    jobs: int,
) -> None:
    """Run a measure of backbones on labelled chips."""
    files = dict(backbone_options.parse_weights(text) for text in weights)
    from amazon_tags.training.compared_backbones import ComparisonOptions, needs_keras
    from amazon_tags.training.training_data import TrainingSource
    from features.images.layout import Layout

    if any(map(needs_keras, backbones)):
        need_train()
    unusable = errors if on_error == "skip" else None
    source = TrainingSource(chips, table, space, groups=groups, join_rows=join_rows)
    chosen = ComparisonOptions(files, side, Layout(bands, levels), bank, jobs, unusable)
    report(
        lambda: measure(source, backbones, chosen),
        output=output,
        svg=svg,
        page=page,
        as_json=as_json,
        others=[unusable] if unusable else [],
        inputs=[table],
    )
