"""Backbones: networks that turn integer pixels into one vector a chip.

Each entry of `BACKBONES` names an architecture of `keras.applications` (or the two-layer `toy`), the side of its input
in pixels, the scaling that its ImageNet weights expect and the layers at which it may be truncated. The network that
`build` returns includes the scaling, so it takes pixels as they are stored: 0..255, or 0..65535 for 16-bit chips.
"""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras
from keras import applications, layers, ops

from features.images.spec import ChipSpec
from features.networks import batch_norm, inputs
from features.networks.weights import copy_to_more_channels, explain_download_error, load_file

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's R, G, B on 0..1
CAFFE_MEAN = (103.939, 116.779, 123.68)  # of ImageNet's B, G, R on 0..255


def _symmetric(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Scale to -1..1."""
    return layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)


def _efficient(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Scale as EfficientNetV2-S does: to -1 and just below 1."""
    return layers.Rescaling(1 / 128.0, offset=-1.0)(pixels)


def _standard(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Scale to mean 0 and standard deviation 1 over ImageNet."""
    scale = [1 / (255 * deviation) for deviation in DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
    return layers.Rescaling(_extend(scale, pixels), offset=_extend(offset, pixels))(pixels)


def _caffe(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Put blue first, and subtract ImageNet's means without scaling."""
    order = [2, 1, 0, *range(3, pixels.shape[-1])]
    blue_first = ops.take(layers.Rescaling(1.0)(pixels), order, axis=-1)
    return layers.Rescaling(1.0, offset=_extend([-mean for mean in CAFFE_MEAN], pixels))(blue_first)


def _extend(values: list[float], pixels: keras.KerasTensor) -> list[float]:
    """Return one value a channel; channels after the three colours get the colours' mean."""
    return values + [sum(values) / 3] * (pixels.shape[-1] - 3)


def _toy(*, input_shape: tuple[int, int, int], include_top: bool, weights: str | None) -> keras.Model:  # noqa: ARG001
    """Build two convolutions for tests: the same interface as the others, and it runs in milliseconds."""
    pixels = keras.Input(input_shape)
    edges = layers.Conv2D(8, 5, strides=4, activation="relu", name="edges")(pixels)
    return keras.Model(pixels, layers.Conv2D(16, 3, strides=2, activation="relu", name="shapes")(edges))


@dataclass(frozen=True)
class Backbone:
    """One row of the table.

    Attributes:
        make: Builds the network; takes the arguments of `keras.applications`.
        side: Of the images that its weights were trained on, in pixels.
        scale: Maps pixels 0..255 to what its ImageNet weights expect.
        dim: Columns of the vectors at the top.
        truncations: Layers at which it may be truncated, each with the columns of its vectors.
    """

    make: Callable[..., keras.Model]
    side: int
    scale: Callable[[keras.KerasTensor], keras.KerasTensor]
    dim: int
    truncations: dict[str, int] = field(default_factory=dict)


_no_scaling = {"include_preprocessing": False}  # `build` puts the scaling in front
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
    "resnet50_v2": Backbone(  # truncated after a norm and a ReLU: between blocks there are raw sums
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

    Its batch statistics may be folded into the weights, and the batches of fine-tuning are too small to estimate new
    ones. `fit` would override a `training=False` that is passed where layers are connected; inside `call` it holds.

    Keras writes the names of this class and of its layers into weight files, so neither may be changed.
    """

    def __init__(self, network: keras.Model, number: int = 0) -> None:
        super().__init__(name=f"settled_{number}")
        self.network = network

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that `from_config` rebuilds the layer from."""
        return {"network": keras.saving.serialize_keras_object(self.network), "number": int(self.name.split("_")[1])}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Settled":
        """Rebuild the layer."""
        return cls(keras.saving.deserialize_keras_object(config["network"]), config["number"])

    def call(self, pixels: Any) -> Any:
        """Return feature maps (batch, height, width, channels)."""
        return self.network(pixels, training=False)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        """Return the shape of the feature maps."""
        return self.network.compute_output_shape(input_shape)


@dataclass(frozen=True)
class BackboneOptions:
    """The input of a backbone and the pooling of its output.

    Attributes:
        sees: The images that it takes from a chip: a key of `inputs.INPUTS`.
        shrink: The chip's side is divided by this number first.
        pool: How feature maps become a vector: a key of `POOLS`.
    """

    sees: str = "bands"
    shrink: int = 1
    pool: str = "average"


POOLS: dict[str, tuple[type[keras.Layer], ...]] = {
    "average": (layers.GlobalAveragePooling2D,),
    "max": (layers.GlobalMaxPooling2D,),
    "both": (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D),
}
DEFAULT_OPTIONS = BackboneOptions()


def build(
    name: str, spec: ChipSpec, *, layer: str = "top", weights: str = "none", options: BackboneOptions = DEFAULT_OPTIONS
) -> keras.Model:
    """Build a network from integer chips (batch, side, side, bands) to vectors (batch, dim).

    The feature maps of the top or another layer are pooled. Batch norms are folded into the convolutions before them.

    Args:
        name: A key of `BACKBONES`.
        spec: The chips' bands, type and side; the network takes no others.
        layer: `top`, or one of the backbone's `truncations`.
        weights: `none` (random), `imagenet` (from Keras' cache or downloaded), or a `.weights.h5` or `.h5` file for the
            whole backbone or for its part up to the layer. They are for three bands: a further band's weights in the
            first layer are the mean of these three.
        options: Input, shrinking and pooling. If the input is several images, each has a backbone of its own, and
            their vectors are concatenated.

    Raises:
        KeyError: The name is not in the table.
        ValueError: The layer is unknown, the weight file does not fit, or the chips lack a band.
        FileNotFoundError: The weight file does not exist, or the `imagenet` weights are not in the cache and cannot be
            downloaded.
    """
    backbone = BACKBONES[name]
    if layer != "top" and layer not in backbone.truncations:
        names = ", ".join(["top", *backbone.truncations])
        raise ValueError(f"{name} cannot be truncated at a layer named {layer}; choose one of {names}.")
    pixels = keras.Input((spec.side, spec.side, len(spec.bands)), dtype=spec.dtype, name="pixels")
    images = inputs.network_inputs(options.sees, pixels, spec, shrink=options.shrink)

    vectors = []
    for number, image in enumerate(images):
        side, channels = image.shape[2:]
        network = Settled(_build_folded(name, side, channels, layer, weights), number)
        maps = network(backbone.scale(image))
        vectors += [pool(name=f"pooled_{number}_{place}")(maps) for place, pool in enumerate(POOLS[options.pool])]

    joined = vectors[0] if len(vectors) == 1 else layers.Concatenate(name="vectors")(vectors)
    return keras.Model(pixels, joined, name=name)


def _build_folded(name: str, side: int, channels: int, layer: str, weights: str) -> keras.Model:
    """Build a backbone up to a layer, from scaled images to feature maps, with batch norms folded."""
    network = batch_norm.fold_into_convolutions(_build_part(name, (side, side, 3), layer, weights))
    if channels == 3:
        return network
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This model usually expects 1 or 3 input channels")
        wide = batch_norm.fold_into_convolutions(_build_part(name, (side, side, channels), layer, "none"))
    copy_to_more_channels(network, wide)
    return wide


def _build_part(name: str, shape: tuple[int, int, int], layer: str, weights: str) -> keras.Model:
    """Build a backbone up to a layer, as its table entry makes it, and load its weights."""
    backbone = BACKBONES[name]
    imagenet = "imagenet" if weights == "imagenet" else None
    with explain_download_error(name) if imagenet else nullcontext():
        whole = backbone.make(input_shape=shape, include_top=False, weights=imagenet)
    part = whole if layer == "top" else keras.Model(whole.input, whole.get_layer(layer).output, name=name)
    if weights not in ("imagenet", "none"):
        load_file(part, whole, Path(weights), tuple(backbone.truncations))
    return part
