"""The vectors of a model's layers: one network computes those at the ends of all blocks in one pass."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from amazon_tags.inspection.layered_model import LayeredModel
from amazon_tags.training.network_files import member_network
from ensemble.arrays import Rows, Vectors
from features.images.listing import ChipRow
from features.networks import backbones, extract, openvino_export, openvino_runtime, truncation
from features.networks.openvino_runtime import OpenvinoNetwork


@dataclass(frozen=True)
class LayerNetwork:
    """A network whose vectors are those of several layers.

    Attributes:
        model: that it was built from.
        layers: their names, in order.
        columns: of each layer, the columns of the network's vectors that are the layer's.
        network: compiled.
    """

    model: LayeredModel
    layers: tuple[str, ...]
    columns: tuple[Rows, ...]
    network: OpenvinoNetwork

    def vectors(self, paths: Sequence[ChipRow], *, jobs: int) -> list[Vectors]:
        """Return the vectors (chips, dim) of each layer.

        Raises:
            ChipError: a chip cannot be used.
            ValueError: a layer's vectors are not finite.
        """
        found: list[Vectors] = [np.empty((len(paths), len(columns)), np.float32) for columns in self.columns]
        for part in extract.stream_outputs(paths, [self.network], self.model.spec, jobs=jobs):
            for vectors, columns in zip(found, self.columns, strict=True):
                vectors[part.rows] = part.values[0][0][:, columns]
        for layer, values in zip(self.layers, found, strict=True):
            faulty = np.flatnonzero(~np.isfinite(values).all(axis=1))
            if len(faulty):
                raise ValueError(
                    f"{len(faulty)} of {len(values)} chips have vectors that are not finite numbers at {layer} of "
                    f"{self.model.name} (first: {paths[int(faulty[0])]}); the weights are damaged, or not those "
                    "of this backbone."
                )
        return found


def build_layers(model: LayeredModel, *, jobs: int) -> LayerNetwork:
    """Build a model with the ends of its blocks, up to its last layer, as outputs.

    Feature maps are averaged over their places; tokens give the class token and the mean of the others.

    Raises:
        FileNotFoundError: there are no ImageNet weights.
        ValueError: the weights or the chips do not fit the backbone.
    """
    keras.utils.clear_session()  # or layers would be named by what was built before
    keras.utils.set_random_seed(0)  # for random weights
    options = model.options()
    architecture = backbones.architecture(model.backbone, model.spec, options)
    layers = tuple(truncation.block_ends_up_to(architecture, model.layer))
    built = backbones.build(model.backbone, model.spec, layer=layers, weights=model.weights, options=options)
    with tempfile.TemporaryDirectory() as folder:
        openvino_export.export(built, Path(folder))
        network = openvino_runtime.load(*member_network(Path(folder)), jobs=jobs)

    owners = np.repeat(np.arange(len(layers)), [truncation.vector_width(architecture, layer) for layer in layers])
    owners = np.tile(owners, network.dim // len(owners))  # once for each image that the backbone sees
    columns = tuple(np.flatnonzero(owners == number) for number in range(len(layers)))
    return LayerNetwork(model, layers, columns, network)
