"""Backbones: networks that turn integer pixels into one vector a chip.

Each entry of `BACKBONES` names an architecture of `keras.applications` (or the two-layer `toy`), the side of
its input in pixels, the scaling that its ImageNet weights expect and the layers where it may be cut. Scaling is
part of the network that `build` returns, so it eats pixels as they come: 0..255, or 0..65535 for 16-bit chips.
"""

import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras import applications, layers, ops

from features.images.chips import ChipSpec
from features.networks import batch_norm, inputs

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's R, G, B on 0..1
CAFFE_MEAN = (103.939, 116.779, 123.68)  # of ImageNet's B, G, R on 0..255


def _symmetric(pixels: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)


def _efficient(pixels: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Rescaling(1 / 128.0, offset=-1.0)(pixels)


def _standard(pixels: keras.KerasTensor) -> keras.KerasTensor:
    scale = [1 / (255 * deviation) for deviation in DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
    return layers.Rescaling(_stretched(scale, pixels), offset=_stretched(offset, pixels))(pixels)


def _caffe(pixels: keras.KerasTensor) -> keras.KerasTensor:
    order = [2, 1, 0, *range(3, pixels.shape[-1])]
    blue_first = ops.take(layers.Rescaling(1.0)(pixels), order, axis=-1)
    return layers.Rescaling(1.0, offset=_stretched([-mean for mean in CAFFE_MEAN], pixels))(blue_first)


def _stretched(values: list[float], pixels: keras.KerasTensor) -> list[float]:
    """One value a channel; those past the colours get the colours' mean."""
    return values + [sum(values) / 3] * (pixels.shape[-1] - 3)


def _toy(*, input_shape: tuple[int, int, int], include_top: bool, weights: str | None) -> keras.Model:  # noqa: ARG001
    """Two convolutions for tests: the shape of the others, in milliseconds."""
    pixels = keras.Input(input_shape)
    edges = layers.Conv2D(8, 5, strides=4, activation="relu", name="edges")(pixels)
    return keras.Model(pixels, layers.Conv2D(16, 3, strides=2, activation="relu", name="shapes")(edges))


@dataclass(frozen=True)
class Backbone:
    """One row of the table: `dim` is the width of the vectors at the top, `cuts` maps a layer's name to its width."""

    make: Callable[..., keras.Model]
    side: int
    scale: Callable[[keras.KerasTensor], keras.KerasTensor]
    dim: int
    truncations: dict[str, int] = field(default_factory=dict)


_no_scaling = {"include_preprocessing": False}  # ours stands in front instead
BACKBONES = {
    "mobilenet_v2": Backbone(
        partial(applications.MobileNetV2, alpha=1.0),
        224,
        _symmetric,
        1280,
        {"block_6_expand_relu": 192, "block_13_expand_relu": 576},
    ),
    "mobilenet_v2_035": Backbone(
        partial(applications.MobileNetV2, alpha=0.35),
        224,
        _symmetric,
        1280,
        {"block_6_expand_relu": 96, "block_13_expand_relu": 192},
    ),
    "mobilenet_v3_small": Backbone(
        partial(applications.MobileNetV3Small, **_no_scaling),
        224,
        _symmetric,
        576,
        {"expanded_conv_3_expand_bn": 96, "expanded_conv_8_expand_bn": 288},
    ),
    "mobilenet_v3_large": Backbone(
        partial(applications.MobileNetV3Large, **_no_scaling),
        224,
        _symmetric,
        960,
        {"expanded_conv_6_expand_bn": 240, "expanded_conv_12_expand_bn": 672},
    ),
    "efficientnet_v2_b0": Backbone(
        partial(applications.EfficientNetV2B0, **_no_scaling), 224, _standard, 1280, {"block6a_expand_activation": 672}
    ),
    "efficientnet_v2_b1": Backbone(
        partial(applications.EfficientNetV2B1, **_no_scaling), 240, _standard, 1280, {"block6a_expand_activation": 672}
    ),
    "efficientnet_v2_b2": Backbone(
        partial(applications.EfficientNetV2B2, **_no_scaling), 260, _standard, 1408, {"block6a_expand_activation": 720}
    ),
    "efficientnet_v2_b3": Backbone(
        partial(applications.EfficientNetV2B3, **_no_scaling), 300, _standard, 1536, {"block6a_expand_activation": 816}
    ),
    "efficientnet_v2_s": Backbone(
        partial(applications.EfficientNetV2S, **_no_scaling), 384, _efficient, 1280, {"block6a_expand_activation": 960}
    ),
    "convnext_tiny": Backbone(
        partial(applications.ConvNeXtTiny, **_no_scaling),
        224,
        _standard,
        768,
        {"convnext_tiny_stage_2_block_8_identity": 384},
    ),
    "convnext_small": Backbone(
        partial(applications.ConvNeXtSmall, **_no_scaling),
        224,
        _standard,
        768,
        {"convnext_small_stage_2_block_26_identity": 384},
    ),
    "convnext_base": Backbone(
        partial(applications.ConvNeXtBase, **_no_scaling),
        224,
        _standard,
        1024,
        {"convnext_base_stage_2_block_26_identity": 512},
    ),
    "densenet121": Backbone(applications.DenseNet121, 224, _standard, 1024, {"pool3_relu": 512, "pool4_relu": 1024}),
    "densenet169": Backbone(applications.DenseNet169, 224, _standard, 1664, {"pool3_relu": 512, "pool4_relu": 1280}),
    "resnet50": Backbone(applications.ResNet50, 224, _caffe, 2048, {"conv3_block4_out": 512, "conv4_block6_out": 1024}),
    "resnet101": Backbone(
        applications.ResNet101, 224, _caffe, 2048, {"conv3_block4_out": 512, "conv4_block23_out": 1024}
    ),
    "resnet50_v2": Backbone(  # of version 2 after a norm and a ReLU: between blocks it hands on raw sums
        applications.ResNet50V2,
        224,
        _symmetric,
        2048,
        {"conv4_block1_preact_relu": 512, "conv5_block1_preact_relu": 1024},
    ),
    "resnet101_v2": Backbone(
        applications.ResNet101V2,
        224,
        _symmetric,
        2048,
        {"conv4_block1_preact_relu": 512, "conv5_block1_preact_relu": 1024},
    ),
    "vgg16": Backbone(applications.VGG16, 224, _caffe, 512, {"block3_pool": 256, "block4_pool": 512}),
    "inception_v3": Backbone(applications.InceptionV3, 299, _symmetric, 2048, {"mixed2": 288, "mixed7": 768}),
    "xception": Backbone(applications.Xception, 299, _symmetric, 2048, {"block13_sepconv2_bn": 1024}),
    "toy": Backbone(_toy, 64, _symmetric, 16, {"edges": 8}),
}


class Settled(keras.Layer):  # type: ignore[misc]  # Keras has no types
    """A backbone in inference mode, also while its weights are trained.

    Its batch statistics may be folded into the weights, and batches of a fine-tuning are too small for new ones. A
    `training=False` given where the layers are joined would be overridden by `fit`; given inside a call it holds.
    """

    def __init__(self, network: keras.Model, number: int = 0) -> None:
        super().__init__(name=f"settled_{number}")
        self.network = network

    def get_config(self) -> dict[str, Any]:
        """What builds it anew."""
        return {"network": keras.saving.serialize_keras_object(self.network), "number": int(self.name.split("_")[1])}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Settled":
        """The layer of a config."""
        return cls(keras.saving.deserialize_keras_object(config["network"]), config["number"])

    def call(self, pixels: Any) -> Any:
        """Feature maps (batch, height, width, channels)."""
        return self.network(pixels, training=False)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        """The shape of the backbone's feature maps."""
        return self.network.compute_output_shape(input_shape)


@dataclass(frozen=True)
class BackboneOptions:
    """What stands around a backbone: what it sees of a chip, how many times smaller, and how its maps are pooled."""

    sees: str = "bands"  # a key of `inputs.INPUTS`
    shrink: int = 1
    pool: str = "average"  # a key of `POOLS`


POOLS: dict[str, tuple[type[keras.Layer], ...]] = {
    "average": (layers.GlobalAveragePooling2D,),
    "max": (layers.GlobalMaxPooling2D,),
    "both": (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D),
}
PLAIN = BackboneOptions()


def build(
    name: str, spec: ChipSpec, *, layer: str = "top", weights: str = "none", frame: BackboneOptions = PLAIN
) -> keras.Model:
    """A network from integer chips (batch, side, side, bands) to vectors (batch, dim), pooled at the cut.

    Batch norms are folded into the convolutions before them.

    Args:
        name: a key of `BACKBONES`.
        spec: what the chips are; its `side` is the network's.
        layer: `top` or one of the backbone's `truncations`.
        weights: `none` (random), `imagenet` (through Keras' cache, which may fetch), or a `.weights.h5` or `.h5`
            file for the whole backbone or for the part up to the cut. They are for three bands; the first layer's
            weights of a fourth are the mean of theirs.
        frame: what stands around it. Each image that it sees has a backbone of its own, their vectors stand in a row.

    Raises:
        ValueError: for an unknown name or cut, a file that does not fit, or chips that lack a band.
        FileNotFoundError: when the file is not there, or `imagenet` weights can be had neither here nor afar.
    """
    entry = BACKBONES[name]
    if layer != "top" and layer not in entry.truncations:
        raise ValueError(f"{name} has no cut named {layer}; choose one of top, {', '.join(entry.truncations)}.")
    pixels = keras.Input((spec.side, spec.side, len(spec.bands)), dtype=spec.dtype, name="pixels")
    images = inputs.network_inputs(frame.sees, pixels, spec, shrink=frame.shrink)
    vectors = []
    for number, image in enumerate(images):
        side, channels = image.shape[2:]
        network = batch_norm.fold_into_convolutions(_part(name, side, layer, weights))
        maps = Settled(network if channels == 3 else _widened(name, network, side, channels, layer), number)(
            entry.scale(image)
        )
        vectors += [make(name=f"pooled_{number}_{place}")(maps) for place, make in enumerate(POOLS[frame.pool])]
    joined = vectors[0] if len(vectors) == 1 else layers.Concatenate(name="vectors")(vectors)
    return keras.Model(pixels, joined, name=name)


def _part(name: str, side: int, layer: str, weights: str, channels: int = 3) -> keras.Model:
    """The backbone up to the cut, from scaled images to feature maps."""
    whole = _whole(name, (side, side, channels), imagenet=weights == "imagenet")
    part = whole if layer == "top" else keras.Model(whole.input, whole.get_layer(layer).output, name=name)
    if weights not in ("imagenet", "none"):
        _load(part, whole, Path(weights), BACKBONES[name])
    return part


def _widened(name: str, narrow: keras.Model, side: int, channels: int, layer: str) -> keras.Model:
    """The same network for more channels, whose first weights are the mean of the three."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This model usually expects 1 or 3 input channels")
        wide = batch_norm.fold_into_convolutions(_part(name, side, layer, "none", channels))
    held = narrow.get_weights()
    first = next(place for place, value in enumerate(wide.get_weights()) if value.shape != held[place].shape)
    others = np.repeat(held[first].mean(axis=2, keepdims=True), channels - 3, axis=2)
    held[first] = np.concatenate([held[first], others], axis=2)
    wide.set_weights(held)
    return wide


def width(name: str, layer: str = "top") -> int:
    """The number of columns of the vectors at a cut, averaged."""
    entry = BACKBONES[name]
    return entry.dim if layer == "top" else entry.truncations[layer]


def _whole(name: str, shape: tuple[int, int, int], *, imagenet: bool) -> keras.Model:
    try:
        return BACKBONES[name].make(input_shape=shape, include_top=False, weights="imagenet" if imagenet else None)
    except Exception as error:  # Keras raises a bare Exception when a download fails
        if not imagenet:
            raise
        cache = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
        raise FileNotFoundError(
            f"the ImageNet weights of {name} are not in {cache} and could not be fetched ({error}); "
            f"put that file there under its own name, or pass --weights with a file."
        ) from error


def _load(part: keras.Model, whole: keras.Model, path: Path, entry: Backbone) -> None:
    """Load `path` into the part up to the cut or, if it holds more arrays, into the whole backbone."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; --weights takes a .weights.h5 or .h5 file.")
    try:
        held = _count_values(path)
        fitting = [model for model in (part, whole) if model.count_params() == held]
        if not fitting:
            ends = {
                layer: keras.Model(whole.input, whole.get_layer(layer).output).count_params()
                for layer in entry.truncations
            }
            fits = [layer for layer, count in ends.items() if count == held]
            advice = f"cut it at {fits[0]}" if fits else "pass the weights of this backbone, saved without its top"
            raise ValueError(
                f"{path} holds {held:,} weights, but {whole.name} needs {part.count_params():,} up to this cut"
                + (f" or {whole.count_params():,} in whole; {advice}." if whole is not part else f"; {advice}.")
            )
        fitting[0].load_weights(path)
    except (KeyError, OSError, RuntimeError) as error:
        raise ValueError(f"{path} is not a readable HDF5 file ({error}); pass a .weights.h5 file.") from error
    if not all(np.isfinite(value).all() for value in fitting[0].get_weights()):
        raise ValueError(f"{path} holds weights that are no finite numbers; fetch or make it anew.")


def _count_values(path: Path) -> int:
    sizes: list[int] = []
    with h5py.File(path) as archive:
        archive.visititems(
            lambda _, item: sizes.append(math.prod(item.shape)) if isinstance(item, h5py.Dataset) else None
        )
    return sum(sizes)
