"""Write the ImageNet weights of a recipe's backbones, one file each, for machines without a network.

Usage: python kaggle/weights.py default offline/weights
"""

from pathlib import Path

import click

from amazon_tags import progress
from amazon_tags.errors import need_train, run_command_line
from amazon_tags.files import atomic
from amazon_tags.model.recipe import Recipe
from amazon_tags.model.recipe_file import choose_recipe
from amazon_tags.signals import catch_signals
from features.networks import weight_files
from features.networks.foreign_settings import is_foreign


def write(recipe: Recipe, output: Path) -> list[str]:
    """Write `BACKBONE.weights.h5` for each backbone, downloaded unless Keras has it in its cache; return the names."""
    from features.networks.backbone_table import BACKBONES  # noqa: PLC0415  importing Keras takes seconds

    names = sorted(
        {entry.backbone for entry in recipe.members if entry.weights == "imagenet" and not is_foreign(entry.backbone)}
    )
    for name in names:
        weight_files.refuse_download(name, "imagenet")
    output.mkdir(parents=True, exist_ok=True)
    for name in names:
        progress.say(name)
        network = BACKBONES[name].make(include_top=False, weights="imagenet")
        part = output / f".{name}.weights.h5"
        network.save_weights(part)
        atomic.write_bytes(output / f"{name}.weights.h5", part.read_bytes())
        part.unlink()
    return names


@click.command()
@click.argument("recipe")
@click.argument("output", metavar="OUT", type=click.Path(file_okay=False, path_type=Path))
def main(recipe: str, output: Path) -> None:
    """Write the weights that amazon_tags train --recipe RECIPE starts from into the folder OUT.

    Example: python kaggle/weights.py default offline/weights
    """
    need_train()
    catch_signals()
    write(choose_recipe(recipe), output)


if __name__ == "__main__":
    run_command_line(main, "weights.py")
