"""Options on backbones and their weights, and the functions that read their values."""

from pathlib import Path

import click

from amazon_tags.commands.options import check_bands, parse_names


def check_weights(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Return what a backbone's weights start from, or raise a usage error for a file that does not exist."""
    if value not in ("imagenet", "none") and not Path(value).is_file():
        raise click.BadParameter(f"{value!r} is neither imagenet, none nor an existing file.")
    return value


def check_own_backbone(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Return the path of a user's own backbone, or raise a usage error for the name of one of ours."""
    from features.networks.foreign_settings import is_foreign

    if value is not None and not is_foreign(value):
        raise click.BadParameter(f"{value!r} is neither an .onnx or .xml file nor hub:PRESET; name one.")
    return value


def parse_weights(text: str) -> tuple[str, Path]:
    """Return the backbone's name and the weight file of BACKBONE=FILE.

    Raises:
        click.BadParameter: the text has no `=`, or the file does not exist.
    """
    name, sign, path = text.partition("=")
    if not sign or not Path(path).is_file():
        raise click.BadParameter(f"{text!r} must be BACKBONE=FILE with a file that exists", param_hint="--weights")
    return name, Path(path)


BANDS = click.option(
    "--bands",
    metavar="NAMES",
    callback=check_bands,
    help="5 to 16 names: the bands to take, as the files name them, such as B2,B3,B4,B8,B11. Up to four: the bands of "
    "the TIFs in their order, where the files do not state them, or wrongly; red, green and blue are taken.",
)
BACKBONES = click.option(
    "--backbones",
    required=True,
    metavar="NAMES",
    callback=parse_names,
    help="One or more, separated by commas: names from the table in features/README.md or folders that pretrain wrote, "
    "perhaps with @LAYER, .onnx or .xml files, hub:PRESET, or .parquet files of vectors of these chips.",
)
BACKBONE_WEIGHTS = click.option(
    "--weights",
    multiple=True,
    metavar="BACKBONE=FILE",
    help="Start a backbone from this file instead of the downloaded ImageNet weights.",
)
DOWNLOAD = click.option(
    "--download", is_flag=True, help="Download a backbone hub:PRESET from KerasHub, once, if it is not a folder."
)
WEIGHTS = click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    callback=check_weights,
    help="The backbone's weights: imagenet, none (random) or a .weights.h5 or .npz file.",
)
