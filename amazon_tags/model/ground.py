"""The ground that the chips of a model show, on which windows of scenes must be as large."""

from dataclasses import dataclass

from amazon_tags.model.manifest import Manifest

# For bundles that state no ground: the side of the chips that a label space was made for, in metres. The competition's
# chips have 256 pixels of Planet's 3 m.
GROUND_METRES = {"planet": 768.0}


@dataclass(frozen=True)
class Ground:
    """The side of a model's chips in metres, and who states it, as the end of a sentence."""

    metres: float
    source: str


def model_ground(manifest: Manifest) -> Ground | None:
    """Return the ground that a model's chips show, as it or else its label space states it; None if neither does."""
    if manifest.ground is not None:
        return Ground(manifest.ground, "as the chips do that the model was trained on")
    if manifest.space.name in GROUND_METRES:
        return Ground(GROUND_METRES[manifest.space.name], f"as chips of the label space {manifest.space.name} do")
    return None
