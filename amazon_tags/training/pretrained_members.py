"""Members of a recipe whose backbone is a folder that `pretrain` wrote: what a bundle says of them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from amazon_tags.model.backbone_folder import read_backbone_folder
from amazon_tags.model.manifest import PretrainedStart
from amazon_tags.model.recipe import Recipe

WEIGHT_NAMES = ("imagenet", "none")  # weights that are no file


def pretrained_starts(recipe: Recipe) -> dict[str, PretrainedStart]:
    """Return what each member with such a backbone starts from, by the member's name.

    Raises:
        BackboneError: a folder is damaged.
    """
    starts = {}
    for settings in recipe.members:
        if settings.weights not in WEIGHT_NAMES:
            found = read_backbone_folder(Path(settings.weights).parent)
            manifest = found.manifest
            starts[settings.name] = PretrainedStart(found.sha256, manifest.method, manifest.chips, manifest.note)
    return starts


def weight_hashes(recipe: Recipe, starts: Mapping[str, PretrainedStart]) -> dict[str, str]:
    """Return the SHA-256 of each weight file by its path."""
    return {settings.weights: starts[settings.name].sha256 for settings in recipe.members if settings.name in starts}


def without_paths(recipe: Recipe) -> Recipe:
    """Return the recipe as a bundle stores it: without the paths of weight files."""
    members = [
        settings if settings.weights in WEIGHT_NAMES else replace(settings, weights="imagenet")
        for settings in recipe.members
    ]
    return replace(recipe, members=tuple(members))
