"""Recipes for `train_vectors`: what can be trained on given vectors, and what is trained if no recipe is named."""

from pathlib import Path

from amazon_tags.model.recipe import Recipe
from amazon_tags.model.vector_origin import VectorInput, VectorOrigin
from amazon_tags.tables.suggest import did_you_mean
from ensemble.networks.settings import HEADS, FrozenMember, TunedMember

HEAD = "ridge"  # on 771 chips within 0.001 of F2 of the logistic head, in a tenth of its time
UNNAMED = "unnamed"  # the backbone of a member on vectors whose file names none


def default_recipe(vectors: VectorInput) -> Recipe:
    """Return one head on the vectors, with one flat threshold, as in the recipe `frozen`."""
    origin = vectors.origin
    if origin is None:
        return Recipe((FrozenMember(HEAD, UNNAMED, HEAD),), decision="flat")
    weights = "none" if origin.weights == "none" else "imagenet"
    member = FrozenMember(HEAD, origin.backbone, HEAD, origin.layer, weights, pool=origin.pool)
    return Recipe((member,), side=origin.spec.side, bands=origin.spec.bands, decision="flat")


def refuse_recipe(recipe: Recipe, vectors: VectorInput, path: Path) -> None:
    """Raise ValueError for a recipe that needs more than the vectors of a file, or other ones.

    Args:
        recipe: the recipe.
        vectors: what the file states; nothing but its heads is checked if that is an unnamed backbone.
        path: the file, for messages.
    """
    tuned = [member.name for member in recipe.members if isinstance(member, TunedMember)]
    if tuned:
        raise ValueError(
            f"{len(tuned)} of {len(recipe.members)} members of the recipe are fine-tuned (first: {tuned[0]}), which "
            f"needs chips, but {path} holds vectors; name a recipe of frozen members, or train on the chips."
        )
    if recipe.budget_ms or recipe.budget_mb:
        raise ValueError(
            "the recipe has a budget of time or size, which is for networks; remove budget_ms and budget_mb, since "
            f"{path} holds vectors."
        )
    for member in recipe.members:
        if not isinstance(member, FrozenMember):
            continue
        if member.head not in HEADS:
            near = did_you_mean(member.head, HEADS)
            raise ValueError(f"there is no head named {member.head}{near}; choose from {', '.join(HEADS)}.")
        if vectors.origin is not None and (problem := _difference(recipe, member, vectors.origin)):
            raise ValueError(f"{member.name} of the recipe needs {problem}; embed the chips so, or change the recipe.")


def _difference(recipe: Recipe, member: FrozenMember, origin: VectorOrigin) -> str:
    """Return the first way in which a member needs other vectors, such as `layer top, but the vectors have ...`."""
    pairs = {
        "backbone": (Path(member.backbone).name, origin.backbone),  # of a user's own, the file's name
        "layer": (member.layer, origin.layer),
        "pool": (member.pool, origin.pool),
        "sees": (member.sees, "bands"),
        "shrink": (member.shrink, 1),
        "random weights": (member.weights == "none", origin.weights == "none"),
        "side": (recipe.side, origin.spec.side),
        "bands": (" ".join(recipe.bands), " ".join(origin.spec.bands)),
    }
    for what, (needed, given) in pairs.items():
        if needed != given:
            return f"{what} {needed}, but the vectors were made with {what} {given}"
    return ""
