"""Options that commands share, and how the values of some are read."""

import os
from pathlib import Path

import click


def space(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """A label space, whose file must exist if it is one."""
    if value.endswith(".toml") and not Path(value).is_file():
        raise click.BadParameter(f"file {value!r} does not exist.")
    return value


def weights(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """What a backbone starts from."""
    if value not in ("imagenet", "none") and not Path(value).is_file():
        raise click.BadParameter(f"{value!r} is neither imagenet nor none nor a file that exists.")
    return value


CHIPS = click.argument("chips", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
JOBS = click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=lambda: os.cpu_count() or 1,
    show_default="all cores",
    help="Threads.",
)
VIEWS = click.option(
    "--views", type=click.IntRange(1, 8), default=1, show_default=True, help="Dihedral views of a chip to average."
)
LABELS = click.option(
    "--labels",
    "space",
    default="planet",
    show_default=True,
    callback=space,
    help="planet, table (whatever labels the table holds) or a TOML file.",
)
GROUPS = click.option(
    "--groups",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV of image_name,group, as amazon_tags leaks writes it; chips of one group stay in one fold.",
)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
OUT = click.Path(path_type=Path)


def pair(text: str) -> tuple[str, Path]:
    """A backbone and the file of its weights."""
    name, sign, path = text.partition("=")
    if not sign or not Path(path).is_file():
        raise click.BadParameter(f"{text!r} must be BACKBONE=FILE with a file that exists", param_hint="--weights")
    return name, Path(path)


def floor(text: str) -> tuple[str, float]:
    """A label and the recall that it must reach."""
    name, sign, recall = text.partition(">=")
    try:
        value = float(recall)
    except ValueError:
        value = -1
    if not sign or not 0 <= value <= 1:
        raise click.BadParameter(f"{text!r} must be LABEL>=RECALL with a recall from 0 to 1", param_hint="--recall")
    return name.strip(), value
