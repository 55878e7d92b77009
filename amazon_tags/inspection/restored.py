"""A fine-tuned network beside its start, so that blocks of it can be set back without training."""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from amazon_tags.inspection.tuned_member import TunedModel
from amazon_tags.model import decision_file
from amazon_tags.training.network_files import member_network
from ensemble.arrays import Floats, Scores
from ensemble.networks.build import build_network, finish_network
from features.images.listing import ChipRow
from features.images.spec import ChipSpec
from features.networks import backbones, extract, openvino_export, openvino_runtime, truncation
from features.networks.weights import is_trained_network

HEAD = "labels"  # the name that `build_network` gives the last layer

LayerPair = tuple[keras.Layer, keras.Layer]  # of the trained network, and the same one of the start


@dataclass(frozen=True)
class RestorableNetwork:
    """A fine-tuned network and its start, in the same form: batch norms folded, their statistics absorbed.

    Attributes:
        trained: from chips to scores.
        start: likewise, before the first step of training.
        names: the ends of the backbone's blocks, in order.
        blocks: for each block, the layers with weights behind the end of the block before.
        head: the last layer.
    """

    trained: keras.Model
    start: keras.Model
    names: tuple[str, ...]
    blocks: tuple[tuple[LayerPair, ...], ...]
    head: LayerPair

    def drift(self, block: int) -> float:
        """Return the L2 distance of a block's trained tensors from their start, relative to the norm of the start.

        The fixed statistics of batch norms do not count. It is NaN for a block without weights or with zeros.
        """
        pairs = [
            (np.asarray(ours, np.float64), np.asarray(theirs, np.float64))
            for trained, start in self.blocks[block]
            for ours, theirs in zip(trained.trainable_weights, start.trainable_weights, strict=True)
        ]
        length = sum(float((theirs**2).sum()) for _, theirs in pairs)
        moved = sum(float(((ours - theirs) ** 2).sum()) for ours, theirs in pairs)
        return float(np.sqrt(moved / length)) if length else float("nan")

    def freeze(self, block: int) -> float:
        """Return the share of a recipe's `freeze` that keeps the layers up to the end of a block."""
        counts = [len(pairs) for pairs in self.blocks]
        return max(0, sum(counts[: block + 1]) - 1) / max(1, sum(counts) - 1)

    @contextmanager
    def restored(self, blocks: Collection[int], *, head: bool = False) -> Iterator[keras.Model]:
        """Give the trained network with the tensors of some blocks set back to their start, for as long as it lasts."""
        pairs = [pair for block in blocks for pair in self.blocks[block]] + ([self.head] if head else [])
        kept = [trained.get_weights() for trained, _ in pairs]
        for trained, start in pairs:
            trained.set_weights(start.get_weights())
        try:
            yield self.trained
        finally:
            for (trained, _), values in zip(pairs, kept, strict=True):
                trained.set_weights(values)


def build_restorable(model: TunedModel, rates: Floats) -> RestorableNetwork:
    """Build the network of a member with its trained weights, and again as it was before training.

    Redrawn batch norms of the start have no statistics yet; they stand with mean 0 and variance 1.

    Args:
        model: the member.
        rates: (labels,) of the chips, in (0, 1), at which the scores of the start's head begin.

    Raises:
        FileNotFoundError: there are no ImageNet weights.
        ValueError: the weights of the start do not fit the backbone.
    """
    settings, spec, space = model.settings, model.trained.spec, model.manifest.space
    groups = decision_file.rules(space).groups
    if settings.init != "imagenet" and is_trained_network(model.start):
        raise ValueError(
            f"{model.start} is the file of a trained member, but {settings.name} started from {settings.init}; pass "
            "the weights of the training."
        )
    seed = model.manifest.read_recipe().seed
    keras.utils.clear_session()  # or layers would be named by what was built before
    keras.utils.set_random_seed(seed)  # as in the training, for random weights
    begun = replace(settings, weights=model.start)
    start = finish_network(build_network(begun, spec, rates, groups, seed=seed), begun, spec, rates, groups)

    keras.utils.clear_session()
    unloaded = replace(settings, weights="none", init="imagenet")  # with the norms folded, as after training
    trained = build_network(unloaded, spec, rates, groups)
    trained.load_weights(model.trained.weights)

    ends = truncation.block_ends_up_to(backbones.architecture(settings.backbone), settings.layer)
    blocks: list[list[LayerPair]] = [[] for _ in ends]
    for ours, theirs in zip(*map(backbones.settled_backbones, (trained, start)), strict=True):
        pairs = list(zip(ours.network.layers, theirs.network.layers, strict=True))
        for block, places in zip(blocks, _places(ours.network, ends), strict=True):
            block += [pairs[place] for place in places]
    head = (trained.get_layer(HEAD), start.get_layer(HEAD))
    return RestorableNetwork(trained, start, tuple(ends), tuple(map(tuple, blocks)), head)


def score_chips(network: keras.Model, paths: Sequence[ChipRow], spec: ChipSpec, *, jobs: int) -> Scores:
    """Return the scores (chips, labels) of a network as it is now.

    Raises:
        ChipError: a chip cannot be used.
    """
    with tempfile.TemporaryDirectory() as folder:
        openvino_export.export(network, Path(folder))
        compiled = openvino_runtime.load(*member_network(Path(folder)), jobs=jobs)
    parts = extract.stream_outputs(paths, [compiled], spec, jobs=jobs)
    scores: Scores = np.concatenate([part.values[0][0] for part in parts])
    return scores


def _places(network: keras.Model, ends: Sequence[str]) -> list[list[int]]:
    """Return for each block the positions in `network.layers` of its layers with weights; the last end is the top."""
    outputs = [network.get_layer(end).output for end in ends[:-1]] + [network.output]
    inside = [{id(layer) for layer in keras.Model(network.input, output).layers} for output in outputs]
    first = [next(number for number, held in enumerate(inside) if id(layer) in held) for layer in network.layers]
    weighted = [place for place, layer in enumerate(network.layers) if layer.weights]
    return [[place for place in weighted if first[place] == number] for number in range(len(ends))]
