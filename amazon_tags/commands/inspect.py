"""`amazon_tags inspect`."""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amazon_tags.commands import options
from amazon_tags.errors import emit, need_train
from amazon_tags.signals import catch_signals

if TYPE_CHECKING:
    from amazon_tags.inspection.diversity import By
    from amazon_tags.inspection.findings import Findings
    from amazon_tags.training.compared_backbones import ComparisonOptions
    from amazon_tags.training.training_data import TrainingSource

CSV = click.option("-o", "--output", type=options.OUTPUT, help="Also write the table to this CSV file.")
BATCH = click.option(
    "--batch",
    type=click.IntRange(8, 2048),  # 2048 take 32 MB a layer
    default=256,
    show_default=True,
    help="Chips in a minibatch, which is what the memory holds.",
)
SEED = click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the chips' order.")


@click.group("inspect")
def inspect_command() -> None:
    """Measure what the vectors of backbones and layers know about tags, before anything is trained.

    Each measure prints a table and a sentence that says what to do.

    Example: amazon_tags inspect separation train-jpg/ train_v2.csv --backbones mobilenet_v3_small,mobilenet_v2
    """


def _of_backbones(command: Callable[..., None]) -> Callable[..., None]:
    """Add the arguments and options of a measure that compares backbones on labelled chips."""
    decorators = (
        click.argument("chips", type=options.EXISTING),
        click.argument("table", metavar="LABELS", type=options.EXISTING),
        options.BACKBONES,
        options.BACKBONE_WEIGHTS,
        options.SIDE,
        options.BANK,
        CSV,
        options.SVG,
        options.PAGE,
        options.JSON,
        options.GROUPS,
        options.JOIN_ROWS,
        options.LABELS,
        options.BANDS,
        options.LEVELS,
        options.ON_ERROR,
        options.ERRORS,
        options.JOBS,
    )
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


@inspect_command.command("separation")
@_of_backbones
def separation_command(**values: Any) -> None:
    """Measure how tightly the chips with each tag of LABELS lie together, by backbone.

    Also probes each backbone, and warns where the one that separates most is not the better feature extractor.

    Example: amazon_tags inspect separation train-jpg/ train_v2.csv --backbones mobilenet_v3_small,mobilenet_v2
    """
    from amazon_tags.inspection.separation import inspect_separation

    _inspect(inspect_separation, **values)


@inspect_command.command("alignment")
@_of_backbones
def alignment_command(**values: Any) -> None:
    """Rank backbones and layers by how fast linear heads learn the tags of LABELS, without training any.

    Example: amazon_tags inspect alignment train-jpg/ train_v2.csv --backbones mobilenet_v2,mobilenet_v2@block_13_expand
    """
    from amazon_tags.inspection.alignment import inspect_alignment

    _inspect(inspect_alignment, **values)


@inspect_command.command("diversity")
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


@inspect_command.command("cka")
@click.argument("chips", type=options.EXISTING)
@click.argument("models", metavar="MODEL [MODEL]", nargs=-1, required=True)
@options.BACKBONE_WEIGHTS
@click.option(
    "--measure",
    type=click.Choice(["debiased", "linear", "rbf"]),
    default="debiased",
    show_default=True,
    help="debiased compares layers of any width fairly; linear is as in many publications, and rbf compares by near "
    "chips: both need more chips in a minibatch than a layer has columns.",
)
@BATCH
@SEED
@options.SIDE
@CSV
@options.SVG
@options.PAGE
@options.JSON
@options.BANDS
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
    starts = dict(options.parse_weights(text) for text in weights)
    from amazon_tags.inspection.cka import inspect_cka
    from amazon_tags.inspection.layered_model import ModelOptions
    from amazon_tags.inspection.minibatches import BatchOptions
    from features.images.layout import Layout

    need_train()
    chosen = ModelOptions(starts, side, Layout(bands, levels))
    _report(lambda: inspect_cka(chips, models, measure, chosen, BatchOptions(batch, seed, jobs)), **files)


@inspect_command.command("members")
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
    _report(lambda: inspect_members(chips, bundle, layout, BatchOptions(batch, seed, jobs)), **files)


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
    files = dict(options.parse_weights(text) for text in weights)
    from amazon_tags.training.compared_backbones import ComparisonOptions, needs_keras
    from amazon_tags.training.training_data import TrainingSource
    from features.images.layout import Layout

    if any(map(needs_keras, backbones)):
        need_train()
    unusable = errors if on_error == "skip" else None
    source = TrainingSource(chips, table, space, groups=groups, join_rows=join_rows)
    chosen = ComparisonOptions(files, side, Layout(bands, levels), bank, jobs, unusable)
    _report(
        lambda: measure(source, backbones, chosen),
        output=output,
        svg=svg,
        page=page,
        as_json=as_json,
        others=[unusable] if unusable else [],
        inputs=[table],
    )


def _report(
    measure: "Callable[[], Findings]",
    *,
    output: Path | None,
    svg: Path | None,
    page: Path | None,
    as_json: bool,
    others: Sequence[Path] = (),
    inputs: Sequence[Path] = (),
) -> None:
    """Run a measure, write its files and print it; it reads `inputs`, and writes `others` itself."""
    from amazon_tags.files import atomic, preflight
    from amazon_tags.inspection.findings import findings_csv, findings_page, findings_text

    catch_signals()
    outputs = {path: write for path, write in ((output, findings_csv), (svg, _picture), (page, findings_page)) if path}
    preflight.refuse_outputs([*outputs, *others], inputs)
    with redirect_stdout(sys.stderr):  # Keras prints its downloads to stdout
        findings = measure()
    for path, write in outputs.items():
        atomic.write_text(path, write(findings))
    emit(json.dumps(findings.to_json(), indent=2) + "\n" if as_json else findings_text(findings))


def _picture(findings: "Findings") -> str:
    return findings.picture
