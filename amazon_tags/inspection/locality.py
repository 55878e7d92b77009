"""The call behind `amazon_tags inspect locality`: what positions of layers see, and whether they keep their place."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan
from pathlib import Path

import numpy as np

from amazon_tags.evaluation.small_maps import MapGroup, small_maps
from amazon_tags.inspection.findings import Cell, Findings
from amazon_tags.inspection.layered_model import LayeredModel, ModelOptions, read_models
from amazon_tags.inspection.minibatches import BatchOptions, draw_minibatch
from ensemble.arrays import Floats, Vectors
from ensemble.representation.locality import LEAST_SHARE, effective_side, kept_share, position_similarities
from features.images.listing import Listing
from features.initialisation.start import Start

GRID = 8  # positions along a side that are compared: 64 x 64 pairs show where a layer looks, and take a second a layer
GRADIENT_IMAGES = 8  # chips whose gradients are averaged; a network is run backwards for each layer
KEPT = 0.9  # of `kept_share`: below it, a position is often less like its own patch than like others
COLUMNS = ("layer", "places", "theoretical side", "effective side", "own patch", "other patches", "kept")
NOTES = (
    "sides in pixels of the network's input; theoretical: without a figure where a layer mixes all positions; "
    f"effective: the root of the number of pixels above {LEAST_SHARE:.2%} of the largest gradient (Luo et al. 2016), "
    f"on at most {GRADIENT_IMAGES} chips",
    "own, other patches: debiased CKA over chips of a position's vector with the pixels at its own place, and at "
    f"others (Raghu et al. 2021), on a grid of at most {GRID} x {GRID} positions; the class token is left out",
    "kept: the share of other patches that are less alike than the own: 1 where position is kept, 0.5 by chance",
)


@dataclass(frozen=True)
class LayerLocality:
    """What the positions of a layer's map see.

    Attributes:
        layer: its name.
        places: along a side of its map.
        theoretical: side in pixels, NaN if it has no bound.
        effective: side in pixels.
        similarities: (positions, positions) of vectors with patches, both row by row of a square grid.
    """

    layer: str
    places: int
    theoretical: float
    effective: float
    similarities: Floats

    def row(self) -> tuple[Cell, ...]:
        """Return the cells of the table."""
        eye = np.eye(len(self.similarities), dtype=bool)
        own, others = (_mean(self.similarities[mask]) for mask in (eye, ~eye))
        return (self.layer, self.places, self.theoretical, self.effective, own, others, kept_share(self.similarities))


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def inspect_locality(chips: Path, name: str, options: ModelOptions, batches: BatchOptions) -> Findings:
    """Measure the receptive field of each block end, and how well its positions are like their own patches.

    Args:
        chips: a folder or archive of chips; they need no tags.
        name: a model, as `read_models` takes it.
        options: of the model.
        batches: how many chips are drawn.

    Raises:
        BundleError: a bundle is damaged.
        FileNotFoundError: a file is missing.
        ValueError: the model or a chip cannot be used, no layer has a map of two places or more along a side, or there
            are fewer than four chips.
    """
    (model,) = read_models((name,), options)
    minibatch = draw_minibatch(chips, model.spec, batches)
    layers, side, notes = _measure(model, minibatch)
    return locality_findings(
        model.name, side, layers, (*NOTES, f"measured on a random minibatch of {len(minibatch)} chips", *notes)
    )


def locality_findings(name: str, side: int, layers: Sequence[LayerLocality], notes: tuple[str, ...] = ()) -> Findings:
    """Return the layers as a table and as heat maps, with what to do; `side` is that of the network's input."""
    title = f"Locality of {name}, images of {side} pixels"
    groups = []
    for one in layers:
        grid = int(np.sqrt(len(one.similarities)))
        places = {"centre": (grid // 2) * (grid + 1), "corner": 0}
        maps = {label: one.similarities[place].reshape(grid, grid) for label, place in places.items()}
        groups.append(MapGroup(one.layer, maps))
    return Findings(
        title, COLUMNS, [one.row() for one in layers], notes, _advice(name, side, layers), small_maps(title, groups)
    )


def _advice(name: str, side: int, layers: Sequence[LayerLocality]) -> str:
    widest = max(layers, key=lambda one: one.effective)
    seen = f"A position of {name} sees at most {widest.effective:.0f} of {side} pixels along a side, at {widest.layer}"
    shares = [(one.layer, kept_share(one.similarities)) for one in layers]
    known = [(layer, share) for layer, share in shares if not isnan(share)]
    if not known:
        return f"{seen}; the chips are too alike to say whether positions are kept: name others."
    kept = [layer for layer, share in known if share >= KEPT]
    if len(kept) == len(known):
        return f"{seen}; every layer keeps positions (at least {KEPT}), so any of them can show where a tag lies."
    if not kept:
        return f"{seen}; no layer keeps positions (at least {KEPT}): none of them shows where a tag lies."
    return (
        f"{seen}; {kept[-1]} is the last layer that keeps positions (at least {KEPT}): take its map to show where a "
        "tag lies."
    )


def _measure(model: LayeredModel, minibatch: Listing) -> tuple[list[LayerLocality], int, tuple[str, ...]]:
    import keras  # noqa: PLC0415  here and below: after all checks, since it takes seconds

    from amazon_tags.inspection.trunk import build_trunk  # noqa: PLC0415
    from features.networks import backbones, receptive_field, truncation  # noqa: PLC0415

    names = truncation.block_ends_up_to(backbones.architecture(model.backbone), model.layer)
    trunk, notes = build_trunk(model, Start())
    images, network = trunk.images(minibatch, model), trunk.settled.network
    outputs = {name: network.output if name == names[-1] else network.get_layer(name).output for name in names}
    maps = {name: receptive_field.as_map(output) for name, output in outputs.items()}
    outputs = {name: output for name, output in outputs.items() if min(maps[name].shape[1:3]) > 1}
    if not outputs:
        raise ValueError(
            f"no layer of {model.name} has a map of two places or more along a side for images of {model.spec.side} "
            "pixels; pass a larger --side."
        )

    places = {name: maps[name].shape[1] for name in outputs}
    grids = {name: min(count, GRID) for name, count in places.items()}
    sampled = {name: receptive_field.sample_places(maps[name], grid) for name, grid in grids.items()}
    vectors = keras.Model(network.inputs, sampled).predict(images, batch_size=32, verbose=0)
    found = [
        LayerLocality(
            name,
            places[name],
            receptive_field.theoretical_side(network, output),
            effective_side(receptive_field.central_gradients(network, output, images[:GRADIENT_IMAGES])),
            position_similarities(list(vectors[name].transpose(1, 0, 2)), _patches(images, grids[name])),
        )
        for name, output in outputs.items()
    ]
    return found, images.shape[1], notes


def _patches(images: Vectors, grid: int) -> list[Vectors]:
    """Return the pixels (chips, numbers) of each cell of a grid over the images, row by row."""
    edges = np.linspace(0, images.shape[1], grid + 1).round().astype(int)
    spans = [slice(first, last) for first, last in pairwise(edges)]
    return [images[:, rows, columns].reshape(len(images), -1) for rows in spans for columns in spans]
