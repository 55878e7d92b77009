"""Members of a recipe whose backbone is the user's own, a file or a preset: read before a training, then stored."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from amazon_tags.model.recipe import Recipe
from amazon_tags.training.hub_presets import backbone_path
from ensemble.networks.settings import FrozenMember
from features.images.spec import ChipSpec
from features.networks import foreign, foreign_graph
from features.networks.foreign import ForeignBackbone
from features.networks.foreign_settings import is_foreign


def read_foreign_backbones(recipe: Recipe) -> dict[str, ForeignBackbone]:
    """Return the backbones of a recipe that are files, by the text of the recipe.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file cannot be used, or two files have one name.
    """
    names = dict.fromkeys(settings.backbone for settings in recipe.members if is_foreign(settings.backbone))
    backbones = {name: foreign.read_backbone(backbone_path(name)) for name in names}
    firsts: dict[str, Path] = {}
    for backbone in backbones.values():
        first = firsts.setdefault(backbone.path.name, backbone.path)
        if first.resolve() != backbone.path.resolve():
            raise ValueError(
                f"{first} and {backbone.path} have one name, by which a bundle stores them; give each file its own."
            )
    return backbones


def check_foreign_members(recipe: Recipe, spec: ChipSpec) -> None:
    """Refuse members whose backbone is a file that cannot be used for the recipe's chips.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: see `foreign_graph.build`.
    """
    backbones = read_foreign_backbones(recipe)
    for settings in recipe.members:
        if settings.backbone in backbones:
            foreign_graph.build(backbones[settings.backbone], spec, shrink=settings.shrink)


def write_foreign_network(settings: FrozenMember, spec: ChipSpec, folder: Path) -> None:
    """Write the network of a member whose backbone is a file into a folder, in OpenVINO's format."""
    foreign_graph.export(foreign.read_backbone(backbone_path(settings.backbone)), spec, folder, shrink=settings.shrink)


def stored_recipe(recipe: Recipe, backbones: Mapping[str, ForeignBackbone]) -> Recipe:
    """Return the recipe as a bundle stores it: files by their names, without folders."""
    members = [
        replace(settings, backbone=backbones[settings.backbone].path.name)
        if settings.backbone in backbones
        else settings
        for settings in recipe.members
    ]
    return replace(recipe, members=tuple(members))


def stored_hashes(backbones: Mapping[str, ForeignBackbone]) -> dict[str, str]:
    """Return the SHA-256 of each file by its name."""
    return {backbone.path.name: backbone.sha256 for backbone in backbones.values()}


def stored_licences(backbones: Mapping[str, ForeignBackbone]) -> dict[str, str]:
    """Return the licence note of each file by its name; those without a note are left out."""
    return {
        backbone.path.name: backbone.settings.licence for backbone in backbones.values() if backbone.settings.licence
    }
