"""The list of a registry's models, for people and for programs."""

from dataclasses import dataclass
from pathlib import Path

from amazon_tags import records
from amazon_tags.model import bundle, registry
from amazon_tags.model.bundle import BundleError
from amazon_tags.model.registry import Move, Pointers
from amazon_tags.records import Json


@dataclass(frozen=True)
class ListedModel:
    """A model of a registry: its out-of-fold F2 and training chips, or its damage in a sentence."""

    name: str
    current: bool
    previous: bool
    f2: float | None
    chips: int | None
    damage: str | None


@dataclass(frozen=True)
class RegistryListing:
    """The models of a registry, the oldest first, and the log of moves."""

    models: tuple[ListedModel, ...]
    log: tuple[Move, ...]

    def to_json(self) -> Json:
        """Return the listing's JSON value."""
        return records.to_json(self)


def list_models(folder: Path) -> RegistryListing:
    """List the models of a registry and its log.

    Only manifests are read; `amazon_tags bundle verify` checks every file of a model.

    Raises:
        RegistryError: the folder is not a registry, or its pointers are damaged.
    """
    registry.refuse_other(folder)
    now = registry.pointers(folder)
    return RegistryListing(tuple(_list_model(folder / name, now) for name in registry.model_names(folder)), now.log)


def _list_model(folder: Path, now: Pointers) -> ListedModel:
    name = folder.name
    place = name, name == now.current, name == now.previous
    try:
        manifest = bundle.read_manifest(folder)
    except BundleError as error:
        return ListedModel(*place, f2=None, chips=None, damage=str(error))
    f2 = manifest.scores.f2 if manifest.scores else None
    chips = manifest.data.chips if manifest.data else None
    damage = None if manifest.name == name else f"holds another model, {manifest.name}"
    return ListedModel(*place, f2, chips, damage)


def registry_text(listing: RegistryListing) -> str:
    """Return a listing as lines of plain text."""
    lines = [f"{'model':12}  F2 out of fold   chips"]
    for model in listing.models:
        f2 = "-" if model.f2 is None else f"{model.f2:.4f}"
        pointer = "  current" if model.current else "  previous" if model.previous else ""
        damage = f"  {model.damage}" if model.damage else ""
        lines.append(f"{model.name}  {f2:>14}  {model.chips or '-':>6}{pointer}{damage}")
    moves = [f"{m.when}  {m.action:8}  {m.before or '-':12} -> {m.after}  {m.why}" for m in listing.log]
    return "\n".join([*lines, *([""] if moves else []), *moves]) + "\n"
