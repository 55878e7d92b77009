"""`amazon_tags models`."""

import json
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import emit
from amazon_tags.signals import catch_signals


@click.group("models")
def models_command() -> None:
    """Show the models of a registry, and choose which of them is the current one.

    Example: amazon_tags models list models/
    """


@models_command.command("list")
@click.argument("folder", metavar="REGISTRY", type=options.FOLDER)
@options.JSON
def list_models(folder: Path, as_json: bool) -> None:
    """List the models of REGISTRY, oldest first, and the log of promotions and rollbacks.

    Example: amazon_tags models list models/
    """
    from amazon_tags.model import registry_list

    listing = registry_list.list_models(folder)
    emit(json.dumps(listing.to_json(), indent=2) + "\n" if as_json else registry_list.registry_text(listing))


@models_command.command("show")
@click.argument("folder", metavar="REGISTRY", type=options.FOLDER)
@click.argument("name", required=False)
def show_model(folder: Path, name: str | None) -> None:
    """Print the card of model NAME in REGISTRY; without NAME, of the current model.

    Example: amazon_tags models show models/
    """
    from amazon_tags.model import bundle, registry

    if name:
        emit(bundle.read_card(registry.find(folder, name)))
        return
    with registry.hold_model(folder) as current:
        emit(bundle.read_card(current))


@models_command.command("promote")
@click.argument("folder", metavar="REGISTRY", type=options.OUTPUT)
@click.argument("model", metavar="NAME|BUNDLE")
@options.WHY
def promote_model(folder: Path, model: str, why: str) -> None:
    """Make a model the current one of REGISTRY: a model of the registry by NAME, or a BUNDLE, which is copied in.

    The models are not compared; amazon_tags retrain does that.

    Example: amazon_tags models promote models/ model
    """
    from amazon_tags.model import registry

    catch_signals()
    name = model if registry.NAME.fullmatch(model) else registry.add(folder, Path(model))
    pointers = registry.promote(folder, name, why=why)
    emit(f"current: {pointers.current}, previous: {pointers.previous or 'none'}\n")


@models_command.command("rollback")
@click.argument("folder", metavar="REGISTRY", type=options.FOLDER)
@options.WHY
def roll_back(folder: Path, why: str) -> None:
    """Exchange the current and the previous model of REGISTRY.

    Example: amazon_tags models rollback models/
    """
    from amazon_tags.model import registry

    catch_signals()
    pointers = registry.rollback(folder, why=why)
    emit(f"current: {pointers.current}, previous: {pointers.previous}\n")
