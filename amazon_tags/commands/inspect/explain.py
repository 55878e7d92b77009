"""`amazon_tags inspect explain`, which shows where in a chip the scores of its tags come from."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from amazon_tags.commands import options
from amazon_tags.commands.inspect.findings import CSV, report

if TYPE_CHECKING:
    from amazon_tags.inspection.evidence import Method


@click.command("explain")
@options.CHIPS
@click.option("--model", type=options.FOLDER, help="A bundle or a registry; without it, the model inside the package.")
@click.option(
    "--tags",
    default="",
    metavar="NAMES",
    callback=options.parse_names,
    help="Tags to explain, separated by commas; without it, the predicted ones and the nearest misses.",
)
@click.option(
    "--method",
    type=click.Choice(["auto", "cam", "occlusion"]),
    default="auto",
    show_default=True,
    help="cam is exact, for members whose head is linear on a mean feature map; occlusion hides one part of the "
    "chip after the other, for any model; auto: cam if all members allow it.",
)
@click.option(
    "--patch",
    type=click.IntRange(2, 1024),
    help="Side of the hiding patch in pixels, for occlusion; without it, an eighth of the chip's side.",
)
@click.option(
    "--train-chips",
    type=options.EXISTING,
    help="The training chips of the model: name the nearest of them, and compare feature maps instead of scores.",
)
@CSV
@click.option("--overlays", type=options.OUTPUT, help="Also write a PNG of each chip and tag into this new folder.")
@options.PAGE
@options.JSON
@options.BANDS
@options.LEVELS
@options.JOBS
def explain_command(
    chips: tuple[Path, ...],
    model: Path | None,
    tags: tuple[str, ...],
    method: "Method",
    patch: int | None,
    train_chips: Path | None,
    output: Path | None,
    overlays: Path | None,
    page: Path | None,
    as_json: bool,
    bands: tuple[str, ...] | None,
    levels: str,
    jobs: int,
) -> None:
    """Show where in each of the CHIPS the scores of its tags come from.

    Also names the training chips that are most alike, and the change of the expected F2 by each tag.

    Example: amazon_tags inspect explain chips/ --overlays heat
    """
    from amazon_tags.files import preflight
    from amazon_tags.inspection.explain import ExplainOptions, inspect_explain
    from amazon_tags.prediction.predict import find_chips
    from features.images.layout import Layout

    if overlays:
        preflight.refuse_existing(overlays)
    paths = find_chips(chips)
    chosen = ExplainOptions(tags, method, patch, train_chips, overlays, page is not None, Layout(bands, levels), jobs)
    report(
        lambda: inspect_explain(paths, model, chosen),
        output=output,
        svg=None,
        page=page,
        as_json=as_json,
        others=[overlays] if overlays else [],
        inputs=list(paths.files()),
    )
