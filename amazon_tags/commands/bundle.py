"""`amazon_tags bundle`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import emit


@click.group("bundle")
def bundle_command() -> None:
    """Look at a model folder.

    Example: amazon_tags bundle verify model
    """


@bundle_command.command("verify")
@click.argument("folder", metavar="[BUNDLE]", required=False, type=options.FOLDER)
def verify_bundle(folder: Path | None) -> None:
    """Check every file of BUNDLE (default: the one inside the package) and its golden scores.

    Example: amazon_tags bundle verify model
    """
    from amazon_tags.model import bundle

    place = folder or bundle.DEFAULT
    emit(f"{place}: {bundle.verify(place).files} files as the manifest says, golden scores reproduced\n")


@bundle_command.command("show")
@click.argument("folder", metavar="[BUNDLE]", required=False, type=options.FOLDER)
def show_bundle(folder: Path | None) -> None:
    """Print the card of BUNDLE (default: the one inside the package).

    Example: amazon_tags bundle show model
    """
    from amazon_tags.model import bundle

    emit(bundle.read_card(folder or bundle.DEFAULT))
