"""`amazon_tags models`."""

import json
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import emit
from amazon_tags.signals import catch_signals


@click.group("models")
def models_command() -> None:
    """Look at a registry of models, and move its pointers.

    Example: amazon_tags models list models/
    """


@models_command.command("list")
@click.argument("folder", metavar="REGISTRY", type=options.FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_models(folder: Path, as_json: bool) -> None:
    """List the models of REGISTRY, the oldest first, and the moves of its pointers.

    Example: amazon_tags models list models/
    """
    from amazon_tags.model import registry_list

    listing = registry_list.list_models(folder)
    emit(json.dumps(listing.to_json(), indent=2) + "\n" if as_json else registry_list.registry_text(listing))


@models_command.command("show")
@click.argument("folder", metavar="REGISTRY", type=options.FOLDER)
@click.argument("name", required=False)
def show_model(folder: Path, name: str | None) -> None:
    """Print the card of the model NAME of REGISTRY, or of its current one.

    Example: amazon_tags models show models/
    """
    from amazon_tags.model import bundle, registry

    if name:
        emit(bundle.read_card(registry.find(folder, name)))
        return
    with registry.hold_model(folder) as current:
        emit(bundle.read_card(current))


@models_command.command("promote")
@click.argument("folder", metavar="REGISTRY", type=options.OUT)
@click.argument("model", metavar="NAME|BUNDLE")
@click.option("--why", default="by hand", show_default=True, help="What the log shall say.")
def promote_model(folder: Path, model: str, why: str) -> None:
    """Make a model the current one of REGISTRY: one that it has, by its name, or a BUNDLE, which is copied in.

    Nothing is compared: amazon_tags retrain does that.

    Example: amazon_tags models promote models/ model
    """
    from amazon_tags.model import registry

    catch_signals()
    name = model if registry.NAME.fullmatch(model) else registry.add(folder, Path(model))
    after = registry.promote(folder, name, why=why)
    emit(f"{after.current} is current; {after.previous or 'none'} was\n")


@models_command.command("rollback")
@click.argument("folder", metavar="REGISTRY", type=options.FOLDER)
@click.option("--why", default="by hand", show_default=True, help="What the log shall say.")
def roll_back(folder: Path, why: str) -> None:
    """Exchange the current and the previous model of REGISTRY.

    Example: amazon_tags models rollback models/
    """
    from amazon_tags.model import registry

    catch_signals()
    after = registry.rollback(folder, why=why)
    emit(f"{after.current} is current; {after.previous} was\n")
