"""Options of the commands that cut scenes into windows."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amazon_tags.commands import options

if TYPE_CHECKING:
    from features.scenes.remote import RemoteFile


def _check_levels(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Return what levels are, also percentiles, or raise a usage error for text that says nothing about them."""
    from features.images.layout import parse_levels

    try:
        parse_levels(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


GROUND = click.option(
    "--ground",
    type=click.FloatRange(0, min_open=True),
    help="Side of a window on the ground in metres; without it, that of the model's chips: what train --ground stated, "
    "else 768 for the label space planet.",
)
PIXELS = click.option(
    "--pixels", type=click.IntRange(1, 4096), help="Side of a window in the scene's pixels, not metres."
)
OVERLAP = click.option(
    "--overlap",
    type=click.FloatRange(0, 0.9),
    default=0.0,
    show_default=True,
    help="Share of a window's side that the next window covers again; scores are averaged over the windows at a place.",
)
EDGES = click.option(
    "--edges",
    type=click.Choice(["pad", "drop"]),
    default="pad",
    show_default=True,
    help="At the right and lower edge: let windows lie over it, where the scene is mirrored, or drop those that do not "
    "fit.",
)
MIN_VALID = click.option(
    "--min-valid",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Leave out windows of which a smaller share holds data, by nodata, masks, alpha and the scene's edge.",
)
REMOTE = click.option(
    "--remote",
    is_flag=True,
    help="Read scenes whose names are https:// or s3:// URLs from their servers, in parts; nothing else is read over a "
    "network.",
)
LEVELS = click.option(
    "--levels",
    default="auto",
    show_default=True,
    metavar="LEVELS",
    callback=_check_levels,
    help="What the levels of 16-bit scenes are, as in predict; also LOW%:HIGH%, percentiles over the whole scene that "
    "become black and white, such as 2%:98%.",
)
BANDS = click.option(
    "--bands",
    metavar="NAMES|NUMBERS",
    callback=options.check_bands,
    help="Names of the scene's bands in its order, such as blue,green,red,nir; or the numbers of the model's bands in "
    "the scene, such as 3,2,1.",
)

OF_SCENES = (  # in the order of the help
    GROUND,
    PIXELS,
    OVERLAP,
    EDGES,
    MIN_VALID,
    BANDS,
    LEVELS,
    options.VIEWS,
    options.PRECISION,
    options.DEVICE,
    options.ON_ERROR,
    options.ERRORS,
    options.JOBS,
)


def of_scenes(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how scenes are cut into windows, and how these are tagged."""
    for option in reversed(OF_SCENES):
        command = option(command)
    return command


def check_scenes(texts: Sequence[str], *, remote: bool) -> "list[Path | RemoteFile]":
    """Return the files of a scene, or raise a usage error for one that does not exist or may not be read."""
    from amazon_tags.maps.open_scenes import scene_source

    try:
        sources = [scene_source(text, is_remote_allowed=remote) for text in texts]
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return [options.FILE.convert(source, None, None) if isinstance(source, Path) else source for source in sources]


def refuse_two_sizes(ground: float | None, pixels: int | None) -> None:
    """Raise a usage error if the side of a window is stated twice."""
    if ground is not None and pixels is not None:
        raise click.UsageError("--ground and --pixels both state the side of a window; use one of them.")
