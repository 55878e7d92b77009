"""ImageNet weights of a recipe's backbones, one file each, for machines without a network.

By itself: python kaggle/weights.py default offline/weights
"""

from pathlib import Path

import click

from amazon_tags import progress
from amazon_tags.errors import need_train, run_command_line
from amazon_tags.files import atomic
from amazon_tags.model.recipe import Recipe, choose_recipe
from amazon_tags.signals import catch_signals


def write(plan: Recipe, out: Path) -> list[str]:
    """Fetch what is not in Keras' cache, and write `BACKBONE.weights.h5` for each backbone; returns their names."""
    from features.networks import backbones  # noqa: PLC0415  Keras takes seconds

    names = sorted({member.backbone for member in plan.members if member.weights == "imagenet"})
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        progress.say(name)
        network = backbones.BACKBONES[name].make(include_top=False, weights="imagenet")
        part = out / f".{name}.weights.h5"
        network.save_weights(part)
        atomic.write_bytes(out / f"{name}.weights.h5", part.read_bytes())
        part.unlink()
    return names


@click.command()
@click.argument("plan", metavar="RECIPE")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
def main(plan: str, out: Path) -> None:
    """Write the weights that RECIPE of amazon_tags train starts from into OUT.

    Example: python kaggle/weights.py default offline/weights
    """
    need_train()
    catch_signals()
    write(choose_recipe(plan), out)


if __name__ == "__main__":
    run_command_line(main, "weights.py")
