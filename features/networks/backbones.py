"""Build backbones of the table: networks that turn integer pixels into one vector a chip.

The network that `build` returns includes the scaling of pixels, so it takes them as they are stored: 0..255, or
0..65535 for 16-bit chips.
"""

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops, tree

from features.images.spec import ChipSpec
from features.initialisation import autoinit, redraw
from features.initialisation.autoinit import Moments
from features.initialisation.start import Start
from features.networks import batch_norm, inputs, truncation
from features.networks.backbone_shapes import (
    BACKBONE_SHAPES,
    BackboneOptions,
    image_channels,
    refuse_components,
    refuse_pool,
    refuse_side,
)
from features.networks.backbone_table import BACKBONES
from features.networks.image_scales import DEVIATION, MEAN
from features.networks.settled import Settled
from features.networks.weight_files import refuse_download
from features.networks.weights import (
    copy_to_more_channels,
    explain_download_error,
    holds_exactly,
    is_trained_network,
    load_file,
    load_trained,
)

# What is concatenated; `class`, the class token, is left out where the network has none. Keys as in `settings.POOLS`.
POOLS: dict[str, tuple[str, ...]] = {
    "average": ("class", "mean"),
    "max": ("class", "max"),
    "both": ("class", "mean", "max"),
    "class": ("class",),
    "patches": ("mean",),
}
DEFAULT_OPTIONS = BackboneOptions()
RGB_CHIPS = ChipSpec()
LOADED = Start()  # the weights as they were loaded
LIVE_MOMENTUM = 0.9  # of redrawn batch norms; 0.999, as in the table's networks, is for thousands of steps


def build(
    name: str,
    spec: ChipSpec,
    *,
    layer: str | Sequence[str] = "top",
    weights: str = "none",
    options: BackboneOptions = DEFAULT_OPTIONS,
    start: Start = LOADED,
) -> keras.Model:
    """Build a network from integer chips (batch, side, side, bands) to vectors (batch, dim).

    Of pairs of chips the bands are those of both, and the vectors are twice as long unless the options stack them. The
    feature maps or tokens of the top or another layer are pooled. Batch norms are folded into the convolutions
    before them. What of an image is no whole patch of the backbone is cut off at its edges, in equal parts.

    Args:
        name: A key of `BACKBONES`.
        spec: The chips' bands, type and side; the network takes no others.
        layer: `top`, or one of `ends_of`; or several, whose vectors are then concatenated in this order.
        weights: `none` (random), `imagenet` (from Keras' cache or downloaded), or a `.weights.h5`, `.h5` or `.npz` file
            for the whole backbone or for its part up to the layer. They are for three bands: a further band's weights
            in the first layer are the mean of these three. Those of a hypercomplex backbone are for chips of the same
            bands. Or the `network.weights.h5` of a bundle's member with the
            same backbone, layer and `sees`, whose backbones are loaded; it is for chips of the same bands.
        options: Input, shrinking and pooling. If the input is several images, each has a backbone of its own, and
            their vectors are concatenated.
        start: What is redrawn of the weights. Redrawn batch norms are not folded: they take the statistics of batches
            while the network is trained, and `fold_live_norms` folds them afterwards.

    Raises:
        KeyError: The name is not in the table.
        ValueError: The layer, also that of the start, is unknown, the weight file, the side or the pooling does not
            fit, there are no weights to download, or the chips lack a band.
        FileNotFoundError: The weight file does not exist, or the `imagenet` weights are not in the cache and cannot be
            downloaded.
    """
    backbone = BACKBONES[name]
    ends = (layer,) if isinstance(layer, str) else tuple(layer)
    refuse_pool(name, options.pool)
    refuse_side(name, spec.side, options.shrink)
    stacked = spec.dates if options.stacked else 1
    refuse_components(name, options.components, options.sees, spec.bands, dates=stacked)
    pixels = keras.Input((spec.side, spec.side, len(spec.channels)), dtype=spec.dtype, name="pixels")
    dates = inputs.date_images(options.sees, pixels, spec, shrink=options.shrink)
    if stacked > 1:
        dates = [[layers.Concatenate()(images) for images in zip(*dates, strict=True)]]

    trained = is_trained_network(weights)
    plan = _Plan(name, ends, options.components, stacked)
    networks = [
        _settle(plan, _image_shape(name, image), "none" if trained else weights, replace(start, stream=number))
        for number, image in enumerate(dates[0])
    ]
    vectors = []
    for date, images in enumerate(dates):
        for number, (image, network) in enumerate(zip(images, networks, strict=True)):
            over = image.shape[2] % BACKBONE_SHAPES[name].patch
            maps = tree.flatten(network(backbone.scale(_crop(image, over) if over else image)))
            vectors += _pooled(maps, options.pool, f"pooled_{number}" if date == 0 else f"pooled_later_{number}")

    joined = vectors[0] if len(vectors) == 1 else layers.Concatenate(name="vectors")(vectors)
    model = keras.Model(pixels, joined, name=name)
    if trained:
        load_trained(model, Path(weights), name=name)
    return model


def _image_shape(name: str, image: keras.KerasTensor) -> tuple[int, int, int]:
    """Return the shape of the part of an image that the backbone `name` takes: whole patches."""
    side, channels = image.shape[2:]
    whole = side - side % BACKBONE_SHAPES[name].patch
    return whole, whole, channels


def _pooled(maps: Sequence[keras.KerasTensor], pool: str, name: str) -> list[keras.KerasTensor]:
    """Return the vectors of feature maps or tokens by a key of `POOLS`; `name` begins the names of the layers."""
    parts = [(end, part) for end in maps for part in POOLS[pool] if part != "class" or len(end.shape) == 3]
    return [_pool(end, part, f"{name}_{place}") for place, (end, part) in enumerate(parts)]


def _crop(image: keras.KerasTensor, over: int) -> keras.KerasTensor:
    """Return the centre of an image: `over` rows and columns fewer."""
    edges = (over // 2, over - over // 2)
    return layers.Cropping2D((edges, edges))(image)


def _pool(maps: keras.KerasTensor, part: str, name: str) -> keras.KerasTensor:
    """Return one part of the vectors (batch, channels): the `mean` or `max` of the places, or the `class` token."""
    if len(maps.shape) == 4:  # feature maps; tokens have three dimensions
        return {"mean": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}[part](name=name)(maps)
    pool = {"max": layers.GlobalMaxPooling1D}.get(part, layers.GlobalAveragePooling1D)  # of one token, it is the token
    place = (0, maps.shape[1] - 1) if part == "class" else (1, 0)
    return pool(name=name)(layers.Cropping1D(place)(maps))


@dataclass(frozen=True)
class _Plan:
    """A backbone, its ends, the components of a hypercomplex one, and how many dates its image shows."""

    name: str
    ends: Sequence[str]
    components: int = 0
    dates: int = 1

    def pretrained_channels(self, channels: int) -> int:
        """Return the bands of images that its weights are for, of an image of these bands."""
        return channels if BACKBONE_SHAPES[self.name].hypercomplex else 3


def _settle(plan: _Plan, shape: tuple[int, int, int], weights: str, start: Start) -> Settled:
    """Build a backbone up to its ends, from scaled images to its maps or tokens, with batch norms folded."""
    side, _, channels = shape
    first = (side, side, plan.pretrained_channels(channels))
    of_one_date = (side, side, channels // plan.dates)
    if shape != first != of_one_date and start.name == "imagenet" and _holds_all_bands(plan.name, of_one_date, weights):
        first = of_one_date
    if plan.dates > 1 and (weights == "none" or not start.takes_weights()):
        first = shape  # equal random weights of both dates would hide which is the earlier one
    narrow = _build_part(plan, first, weights if start.takes_weights() else "none")
    redrawn = redraw.redraw(narrow, start, lambda: _build_part(plan, first, "none"))
    if start.name == "auto":
        autoinit.scale_kernels(narrow, _image_moments(plan.name))
    live = redraw.live_norms(narrow, redrawn)
    network = batch_norm.fold_into_convolutions(narrow, live)
    if first != shape:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="This model usually expects 1 or 3 input channels")
            wide = _build_part(plan, shape, "none")
        wide = batch_norm.fold_into_convolutions(wide, redraw.live_norms(wide, redrawn))
        copy_to_more_channels(network, wide, dates=plan.dates)
        network = wide
    for norm in live:
        network.get_layer(norm).momentum = LIVE_MOMENTUM
    return Settled(network, start.stream, live=bool(live))


def _holds_all_bands(name: str, shape: tuple[int, int, int], weights: str) -> bool:
    """Return whether weights are a file of the whole backbone for all bands of an image, as pretraining writes it."""
    if weights in ("imagenet", "none"):
        return False
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This model usually expects 1 or 3 input channels")
        whole = BACKBONES[name].make(input_shape=shape, include_top=False, weights=None)
    return holds_exactly(Path(weights), whole)


def _image_moments(name: str) -> Moments:
    """Return the moments of a backbone's input for images with the mean and the deviation of ImageNet's."""
    colours = 255 * np.array([MEAN, np.add(MEAN, DEVIATION)], np.float32).reshape(2, 1, 1, 3)
    scaled = ops.convert_to_numpy(BACKBONES[name].scale(ops.convert_to_tensor(colours))).astype(np.float64)
    means, deviations = scaled[0], scaled[1] - scaled[0]
    return Moments(float(means.mean()), float((deviations**2).mean() + means.var()))


def fold_live_norms(model: keras.Model, plain: keras.Model) -> None:
    """Copy the backbones of a trained model into the same model without live norms, in place; it computes the same.

    Args:
        model: Built by `build` with a start that redraws, and trained; it may have further layers.
        plain: Built with the same arguments but without the start; its backbones' weights are replaced.
    """
    pairs = zip(settled_backbones(model), settled_backbones(plain), strict=True)
    for trained, folded in pairs:
        folded.network.set_weights(batch_norm.fold_into_convolutions(trained.network).get_weights())


def settled_backbones(model: keras.Model) -> list[Settled]:
    """Return the backbones in a model, in order."""
    return [layer for layer in model.layers if isinstance(layer, Settled)]


def layers_to_keep(name: str, layer: str = "top") -> list[str]:
    """Return the layers of a backbone, up to `layer`, that the start `transfer:LAYER` may name, in order."""
    return redraw.named_layers(truncation.truncate(architecture(name), (layer,), name))


def ends_of(name: str) -> list[str]:
    """Return the layers at which a backbone may end, in order, beside `top`."""
    return truncation.end_layers(architecture(name))


def architecture(name: str, spec: ChipSpec = RGB_CHIPS, options: BackboneOptions = DEFAULT_OPTIONS) -> keras.Model:
    """Build a whole backbone with random weights, from scaled images of its own side to its maps.

    It is for images of three bands; a hypercomplex one, whose widths depend on them, is for those of the chips.
    """
    side, shape = BACKBONES[name].side, BACKBONE_SHAPES[name]
    channels = image_channels(options.sees, spec.bands) if shape.hypercomplex else 3
    stated = {"components": options.components} if shape.hypercomplex else {}
    return BACKBONES[name].make(input_shape=(side, side, channels), include_top=False, weights=None, **stated)


def _build_part(plan: _Plan, shape: tuple[int, int, int], weights: str) -> keras.Model:
    """Build a backbone up to its ends, as its table entry makes it, and load its weights."""
    name, backbone = plan.name, BACKBONES[plan.name]
    refuse_download(name, weights)
    imagenet = "imagenet" if weights == "imagenet" else None
    components = plan.components or (plan.dates if plan.dates > 1 else 0)
    stated = {"components": components} if BACKBONE_SHAPES[name].hypercomplex else {}
    with explain_download_error(name) if imagenet else nullcontext():
        whole = backbone.make(input_shape=shape, include_top=False, weights=imagenet, **stated)
    part = truncation.truncate(whole, plan.ends, name)
    if weights not in ("imagenet", "none"):
        truncations = tuple(backbone.truncations)
        load_file(part, whole, Path(weights), name=name, truncations=truncations, arrays=backbone.arrays)
    return part
