"""`amazon_tags embed`."""

import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import need_train
from amazon_tags.signals import catch_signals


@click.command("embed")
@options.CHIPS
@click.option("--backbone", required=True, help="A name of the table in features/backbones.py, such as mobilenet_v2.")
@click.option("-o", "--output", required=True, type=options.OUT, help="The feature bank to write, a folder.")
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    callback=options.weights,
    help="imagenet, none or a .weights.h5 file.",
)
@click.option(
    "--layer", "--cut", default="top", show_default=True, help="Where to end the backbone: top or a layer's name."
)
@click.option(
    "--side", type=click.IntRange(0, 1024), default=0, help="Pixels of the network's input; 0: the backbone's."
)
@options.VIEWS
@options.JOBS
def embed_command(
    chips: tuple[Path, ...],
    backbone: str,
    output: Path,
    weights: str,
    layer: str,
    side: int,
    views: int,
    jobs: int,
) -> None:
    """Write the vectors of CHIPS by a frozen backbone to a feature bank.

    Example: amazon_tags embed chips/ --backbone mobilenet_v2 -o bank
    """
    need_train()
    from amazon_tags.training.embed import FeatureExtractor, embed

    catch_signals()
    trunk = FeatureExtractor(backbone, layer, weights, side)
    with redirect_stdout(sys.stderr):  # Keras tells stdout of its downloads
        done = embed(chips, output, trunk, views=views, jobs=jobs)
    click.echo(f"{output}: {done}", err=True)
