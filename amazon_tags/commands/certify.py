"""`amazon_tags certify`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.signals import catch_signals


@click.command("certify")
@click.argument("scores", type=options.FILE)
@options.CHIPS
@click.option("-o", "--output", "page", required=True, type=options.OUTPUT, help="The page; its plan is beside it.")
@click.option("--sample", type=click.IntRange(10, 1000), default=200, show_default=True, help="How many chips to draw.")
@click.option(
    "--each-tag",
    type=click.IntRange(0, 1000),
    default=0,
    show_default=True,
    help="Draw further chips, so that each predicted tag is on at least so many: they measure its precision.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed draws other chips.")
@click.option("--decision", type=options.FILE, help="How SCORES became tags; without it, by the model's decision.")
@options.MODEL
@options.BANDS
@options.LEVELS
@options.JOBS
def certify_command(
    scores: Path,
    chips: tuple[Path, ...],
    page: Path,
    sample: int,
    each_tag: int,
    seed: int,
    decision: Path | None,
    model: Path | None,
    bands: tuple[str, ...] | None,
    levels: str,
    jobs: int,
) -> None:
    """Draw CHIPS at random, to measure by a few of them how right the tags of all are, and write a page to answer.

    Answer every tag of each chip, export, and pass the answers to amazon_tags certify-answers.

    Example: amazon_tags certify scores.csv chips/ --sample 200 -o sample.html
    """
    from amazon_tags.review.certify import SampleSource, write_sample
    from amazon_tags.review.sample_plan import SampleOptions
    from features.images.layout import Layout

    catch_signals()
    source = SampleSource(decision, model, Layout(bands, levels), jobs)
    write_sample(scores, chips, page, options=SampleOptions(sample, each_tag, seed), source=source)
