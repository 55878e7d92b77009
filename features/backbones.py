"""Backbones: networks that turn integer pixels into one vector a chip.

Each entry of `BACKBONES` names an architecture of `keras.applications` (or the two-layer `toy`), the side of
its input in pixels, the scaling that its ImageNet weights expect and the layers where it may be cut. Scaling is
part of the network that `build` returns, so it eats pixels as they come: 0..255, or 0..65535 for 16-bit chips.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import keras
from keras import applications, layers, ops

from features import chips

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's R, G, B on 0..1
CAFFE_MEAN = (103.939, 116.779, 123.68)  # of ImageNet's B, G, R on 0..255


def _symmetric(pixels: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)


def _efficient(pixels: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Rescaling(1 / 128.0, offset=-1.0)(pixels)


def _standard(pixels: keras.KerasTensor) -> keras.KerasTensor:
    scale = [1 / (255 * deviation) for deviation in DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
    return layers.Rescaling(scale, offset=offset)(pixels)


def _caffe(pixels: keras.KerasTensor) -> keras.KerasTensor:
    blue_first = ops.flip(layers.Rescaling(1.0)(pixels), axis=-1)
    return layers.Rescaling(1.0, offset=[-mean for mean in CAFFE_MEAN])(blue_first)


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
    cuts: dict[str, int] = field(default_factory=dict)


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

    def __init__(self, network: keras.Model) -> None:
        super().__init__(name=network.name)
        self.network = network

    def call(self, pixels: Any) -> Any:
        """Feature maps (batch, height, width, channels)."""
        return self.network(pixels, training=False)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        """The shape of the backbone's feature maps."""
        return self.network.compute_output_shape(input_shape)


def build(name: str, spec: chips.ChipSpec, *, cut: str = "top", weights: str = "none") -> keras.Model:
    """A network from integer chips (batch, side, side, bands) to vectors (batch, dim), mean-pooled at the cut.

    Args:
        name: a key of `BACKBONES`.
        spec: what the chips are; its `side` is the network's.
        cut: `top` or one of the backbone's `cuts`.
        weights: `none` (random), `imagenet` (through Keras' cache, which may fetch), or a `.weights.h5` or `.h5`
            file for the whole backbone or for the part up to the cut.

    Raises:
        ValueError: for an unknown name or cut, or a file that does not fit.
        FileNotFoundError: when the file is not there, or `imagenet` weights can be had neither here nor afar.
    """
    entry = BACKBONES[name]
    if cut != "top" and cut not in entry.cuts:
        raise ValueError(f"{name} has no cut named {cut}; choose one of top, {', '.join(entry.cuts)}.")
    bands = len(spec.bands)
    if bands != 3:
        raise ValueError(f"the chip spec has {bands} bands {spec.bands}, but {name} eats 3; name three bands.")
    whole = _whole(name, spec, imagenet=weights == "imagenet")
    part = whole if cut == "top" else keras.Model(whole.input, whole.get_layer(cut).output)
    if weights not in ("imagenet", "none"):
        _load(part, whole, Path(weights), entry)
    pixels = keras.Input((spec.side, spec.side, bands), dtype=spec.dtype, name="pixels")
    bytelike = layers.Rescaling(1 / 257 if spec.dtype == "uint16" else 1.0)(pixels)  # 65535 / 257 = 255
    maps = Settled(part)(entry.scale(bytelike))
    return keras.Model(pixels, layers.GlobalAveragePooling2D(name="vectors")(maps), name=name)


def width(name: str, cut: str = "top") -> int:
    """The number of columns of the vectors at a cut."""
    entry = BACKBONES[name]
    return entry.dim if cut == "top" else entry.cuts[cut]


def _whole(name: str, spec: chips.ChipSpec, *, imagenet: bool) -> keras.Model:
    shape = (spec.side, spec.side, 3)
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
            ends = {cut: keras.Model(whole.input, whole.get_layer(cut).output).count_params() for cut in entry.cuts}
            fits = [cut for cut, count in ends.items() if count == held]
            advice = f"cut it at {fits[0]}" if fits else "pass the weights of this backbone, saved without its top"
            raise ValueError(
                f"{path} holds {held:,} weights, but {whole.name} needs {part.count_params():,} up to this cut"
                + (f" or {whole.count_params():,} in whole; {advice}." if whole is not part else f"; {advice}.")
            )
        fitting[0].load_weights(path)
    except OSError as error:
        raise ValueError(f"{path} is not a readable HDF5 file ({error}); pass a .weights.h5 file.") from error


def _count_values(path: Path) -> int:
    sizes: list[int] = []
    with h5py.File(path) as archive:
        archive.visititems(
            lambda _, item: sizes.append(math.prod(item.shape)) if isinstance(item, h5py.Dataset) else None
        )
    return sum(sizes)
