"""Files of recipes: those that ship with the package, and a user's own; what their members name lies beside them."""

import tomllib
from dataclasses import replace
from pathlib import Path

from amazon_tags.model.backbone_folder import is_backbone_folder, read_backbone_folder
from amazon_tags.model.recipe import MemberSettings, Recipe, is_bundle, recipe_from_json
from ensemble.networks.settings import TunedMember
from features.initialisation.start import Start
from features.networks.backbone_shapes import BACKBONE_SHAPES
from features.networks.foreign_settings import PRESET_PREFIX, is_foreign

RECIPE_FOLDER = Path(__file__).parents[1] / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that ship with the package, by name."""
    return {path.stem: path for path in sorted(RECIPE_FOLDER.glob("*.toml"))}


def choose_recipe(name_or_path: str) -> Recipe:
    """Read a recipe that ships with the package, by its name, or a TOML file.

    Raises:
        FileNotFoundError: there is neither.
        ValueError: see `read_recipe`.
    """
    path = shipped_recipes().get(name_or_path, Path(name_or_path))
    if not path.is_file():
        raise FileNotFoundError(
            f"{name_or_path} is neither a file nor one of the recipes {', '.join(shipped_recipes())}."
        )
    return read_recipe(path)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a TOML file; backbones that are files or folders are found from its folder.

    Raises:
        BackboneError: the folder of a pretrained backbone is damaged.
        ValueError: a key is unknown, missing, of another type or out of range; the message names it and the file.
    """
    try:
        recipe = recipe_from_json(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except (RecursionError, TypeError, ValueError) as error:  # both TOML and UTF-8 errors are ValueErrors
        raise ValueError(f"{path}: {error}") from error
    return replace(recipe, members=tuple(_beside(path, settings, recipe.bands) for settings in recipe.members))


def _beside(path: Path, settings: MemberSettings, bands: tuple[str, ...]) -> MemberSettings:
    """Return a member whose backbone and teachers, where they are files or folders, are found from the recipe."""
    if isinstance(settings, TunedMember):
        teachers = (str((path.parent / name).absolute()) if is_bundle(name) else name for name in settings.teachers)
        settings = replace(settings, teachers=tuple(teachers))
    if not is_foreign(settings.backbone):
        folder = path.parent / settings.backbone
        is_folder = settings.backbone not in BACKBONE_SHAPES and is_backbone_folder(str(folder))
        return _pretrained(folder, settings, bands) if is_folder else settings
    prefix = PRESET_PREFIX if settings.backbone.startswith(PRESET_PREFIX) else ""
    found = path.parent / settings.backbone.removeprefix(prefix)
    if prefix and not found.is_dir():  # the name of a preset
        return settings
    return replace(settings, backbone=f"{prefix}{found}")


def _pretrained(folder: Path, settings: MemberSettings, bands: tuple[str, ...]) -> MemberSettings:
    """Return a member with the name of the backbone in a folder that `pretrain` wrote, and with its weight file."""
    found = read_backbone_folder(folder.absolute())
    if settings.weights != "imagenet" or (
        isinstance(settings, TunedMember) and not Start(settings.init).takes_weights()
    ):
        raise ValueError(
            f"{settings.name} has the backbone {folder}, whose weights it would not use; remove weights and init."
        )
    if found.manifest.spec.bands != bands:
        raise ValueError(
            f"{settings.name} has the backbone {folder}, which takes {', '.join(found.manifest.spec.bands)}, but the "
            f"bands of the recipe are {', '.join(bands)}; write bands = {list(found.manifest.spec.bands)}."
        )
    return replace(settings, backbone=found.manifest.backbone, weights=str(found.weights))
