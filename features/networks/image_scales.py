"""Scale images, 0..255, to what the ImageNet weights of each family of backbones expect, inside the network."""

import keras
from keras import layers, ops

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's R, G, B on 0..1
CAFFE_MEAN = (103.939, 116.779, 123.68)  # of ImageNet's B, G, R on 0..255


def symmetric(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Scale to -1..1."""
    return layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)


def efficient(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Scale as EfficientNetV2-S does: to -1 and just below 1."""
    return layers.Rescaling(1 / 128.0, offset=-1.0)(pixels)


def lite(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Scale as EfficientNet-Lite does: (x - 127) / 128."""
    return layers.Rescaling(1 / 128.0, offset=-127 / 128)(pixels)


def standard(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Scale to mean 0 and standard deviation 1 over ImageNet."""
    scale = [1 / (255 * deviation) for deviation in DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
    return layers.Rescaling(_extend(scale, pixels), offset=_extend(offset, pixels))(pixels)


def caffe(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Put blue first, and subtract ImageNet's means without scaling."""
    order = [2, 1, 0, *range(3, pixels.shape[-1])]
    blue_first = ops.take(layers.Rescaling(1.0)(pixels), order, axis=-1)
    return layers.Rescaling(1.0, offset=_extend([-mean for mean in CAFFE_MEAN], pixels))(blue_first)


def _extend(values: list[float], pixels: keras.KerasTensor) -> list[float]:
    """Return one value a channel; channels after the three colours get the colours' mean."""
    return values + [sum(values) / 3] * (pixels.shape[-1] - 3)
