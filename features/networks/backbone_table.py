"""The table of backbones: architectures of `keras.applications` and of this package, and what their weights expect."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import keras
from keras import applications, layers

from features.networks import cbr, convnext_v2, dinov2, efficientnet_lite, phresnet, resnet_bit, vit
from features.networks.backbone_shapes import BACKBONE_SHAPES
from features.networks.image_scales import caffe, efficient, lite, standard, symmetric
from features.networks.weights import VARIABLE_PATHS, ArrayNames


def _toy(*, input_shape: tuple[int, int, int], include_top: bool, weights: str | None) -> keras.Model:  # noqa: ARG001
    """Build two convolutions for tests: the same interface as the others, and it runs in milliseconds."""
    pixels = keras.Input(input_shape)
    edges = layers.Conv2D(8, 5, strides=4, activation="relu", name="edges")(pixels)
    return keras.Model(pixels, layers.Conv2D(16, 3, strides=2, activation="relu", name="shapes")(edges))


@dataclass(frozen=True)
class Backbone:
    """One row of the table.

    Attributes:
        make: Builds the network; takes the arguments of `keras.applications`. Its output are feature maps, or tokens.
        side: Of the images that its weights were trained on, in pixels.
        scale: Maps pixels 0..255 to what its ImageNet weights expect.
        dim: Columns of the vectors at the top.
        truncations: Layers at which it may be truncated, each with the columns of its vectors.
        arrays: How the arrays of an `.npz` with its weights are named.
    """

    make: Callable[..., keras.Model]
    side: int
    scale: Callable[[keras.KerasTensor], keras.KerasTensor]
    dim: int
    truncations: dict[str, int] = field(default_factory=dict)
    arrays: ArrayNames = VARIABLE_PATHS


_no_scaling = {"include_preprocessing": False}  # `build` puts the scaling in front
_NETWORKS: dict[str, tuple[Callable[..., keras.Model], Callable[[keras.KerasTensor], keras.KerasTensor]]] = {
    "mobilenet_v2": (partial(applications.MobileNetV2, alpha=1.0), symmetric),
    "mobilenet_v2_035": (partial(applications.MobileNetV2, alpha=0.35), symmetric),
    "mobilenet_v3_small": (partial(applications.MobileNetV3Small, **_no_scaling), symmetric),
    "mobilenet_v3_large": (partial(applications.MobileNetV3Large, **_no_scaling), symmetric),
    "efficientnet_v2_b0": (partial(applications.EfficientNetV2B0, **_no_scaling), standard),
    "efficientnet_v2_b1": (partial(applications.EfficientNetV2B1, **_no_scaling), standard),
    "efficientnet_v2_b2": (partial(applications.EfficientNetV2B2, **_no_scaling), standard),
    "efficientnet_v2_b3": (partial(applications.EfficientNetV2B3, **_no_scaling), standard),
    "efficientnet_v2_s": (partial(applications.EfficientNetV2S, **_no_scaling), efficient),
    "efficientnet_lite0": (partial(efficientnet_lite.make, width=1.0, depth=1.0, name="efficientnet_lite0"), lite),
    "efficientnet_lite1": (partial(efficientnet_lite.make, width=1.0, depth=1.1, name="efficientnet_lite1"), lite),
    "efficientnet_lite2": (partial(efficientnet_lite.make, width=1.1, depth=1.2, name="efficientnet_lite2"), lite),
    "convnext_tiny": (partial(applications.ConvNeXtTiny, **_no_scaling), standard),
    "convnext_small": (partial(applications.ConvNeXtSmall, **_no_scaling), standard),
    "convnext_base": (partial(applications.ConvNeXtBase, **_no_scaling), standard),
    "convnext_v2_atto": (partial(convnext_v2.make, size="atto"), standard),
    "convnext_v2_femto": (partial(convnext_v2.make, size="femto"), standard),
    "convnext_v2_pico": (partial(convnext_v2.make, size="pico"), standard),
    "convnext_v2_nano": (partial(convnext_v2.make, size="nano"), standard),
    "convnext_v2_tiny": (partial(convnext_v2.make, size="tiny"), standard),
    "densenet121": (applications.DenseNet121, standard),
    "densenet169": (applications.DenseNet169, standard),
    "resnet50": (applications.ResNet50, caffe),
    "resnet101": (applications.ResNet101, caffe),
    "resnet50_v2": (applications.ResNet50V2, symmetric),
    "resnet101_v2": (applications.ResNet101V2, symmetric),
    "resnet26_bit": (partial(resnet_bit.make, depths=(2, 2, 2, 2), name="resnet26_bit"), symmetric),
    "resnet50_bit": (partial(resnet_bit.make, depths=(3, 4, 6, 3), name="resnet50_bit"), symmetric),
    "phresnet18": (partial(phresnet.make, depths=(2, 2, 2, 2), kernels=(3, 3), name="phresnet18"), symmetric),
    "phresnet50": (partial(phresnet.make, depths=(3, 4, 6, 3), kernels=(1, 3, 1), name="phresnet50"), symmetric),
    "vgg16": (applications.VGG16, caffe),
    "inception_v3": (applications.InceptionV3, symmetric),
    "xception": (applications.Xception, symmetric),
    "dinov2_vits14": (dinov2.make, standard),
    "vit_tiny": (partial(vit.make, width=192, convolutions=False, name="vit_tiny"), standard),
    "vit_small": (partial(vit.make, width=384, convolutions=False, name="vit_small"), standard),
    "vit_tiny_conv": (partial(vit.make, width=192, convolutions=True, name="vit_tiny_conv"), standard),
    "vit_small_conv": (partial(vit.make, width=384, convolutions=True, name="vit_small_conv"), standard),
    "cbr_large_t": (partial(cbr.make, channels=(32, 64, 128, 256, 512), kernel=7, name="cbr_large_t"), symmetric),
    "cbr_small": (partial(cbr.make, channels=(32, 64, 128, 256), kernel=7, name="cbr_small"), symmetric),
    "cbr_tiny": (partial(cbr.make, channels=(32, 64, 128, 256), kernel=5, name="cbr_tiny"), symmetric),
    "toy": (_toy, symmetric),
}
_ARRAYS = {"dinov2_vits14": ArrayNames(dinov2.array_name, dinov2.SPARE_ARRAYS)}
BACKBONES = {
    name: Backbone(
        _NETWORKS[name][0],
        shape.side,
        _NETWORKS[name][1],
        shape.dim,
        shape.truncations,
        _ARRAYS.get(name, VARIABLE_PATHS),
    )
    for name, shape in BACKBONE_SHAPES.items()
}
