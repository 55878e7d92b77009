"""The backbone inside of a model, as a Keras network, with the images that chips become for it."""

from dataclasses import dataclass

import keras
import numpy as np

from amazon_tags.inspection.layered_model import LayeredModel
from amazon_tags.tables.suggest import did_you_mean
from features.arrays import LayerWeights
from features.images import chips
from features.images.listing import Listing
from features.initialisation.start import Start
from features.networks import backbones
from features.networks.settled import Settled


@dataclass(frozen=True)
class Trunk:
    """A backbone with its input.

    Attributes:
        settled: the network, from images to maps or tokens.
        scaling: the network from chips to its images.
    """

    settled: Settled
    scaling: keras.Model

    def images(self, paths: Listing, model: LayeredModel) -> LayerWeights:
        """Return the images (chips, side, side, channels) of the backbone.

        Raises:
            ChipError: a chip cannot be used.
        """
        pixels = np.stack([chips.load(path, model.spec) for path in paths])
        images: LayerWeights = np.asarray(self.scaling.predict(pixels, batch_size=32, verbose=0), np.float32)
        return images


def build_trunk(model: LayeredModel, start: Start) -> tuple[Trunk, tuple[str, ...]]:
    """Build a model with the weights of a start, and return its first backbone; notes say if it has more.

    Raises:
        FileNotFoundError: there are no ImageNet weights.
        ValueError: the weights or the chips do not fit the backbone, or the start cannot be.
    """
    keras.utils.clear_session()  # or layers would be named by what was built before
    keras.utils.set_random_seed(0)  # for random weights
    _refuse_unknown_layer(model, start)
    options = model.options()
    built = backbones.build(
        model.backbone, model.spec, layer=model.layer, weights=model.weights, options=options, start=start
    )
    trunks = backbones.settled_backbones(built)
    scaling = keras.Model(built.inputs, trunks[0].input)
    more = f"the first of the {len(trunks)} backbones of {model.name}, which see different bands"
    return Trunk(trunks[0], scaling), (more,) if len(trunks) > 1 else ()


def _refuse_unknown_layer(model: LayeredModel, start: Start) -> None:
    last = start.layer()
    if last is None:
        return
    names = backbones.layers_to_keep(model.backbone, model.layer)
    if last not in names:
        raise ValueError(
            f"the start is {start.name}, but {model.name} has no layer {last}{did_you_mean(last, names)}; its "
            f"{len(names)} layers begin with {names[0]} and end with {names[-1]}."
        )
