"""Haze taken out of a chip by its dark channel (He, Sun and Tang 2009), as part of a network.

Most patches of clear land have some pixel that is dark in some colour; haze lifts it. So the darkest value of a patch
tells how much haze lies over it. The transmission is refined by a guided filter (He, Sun and Tang 2010) instead of
the paper's matting, which takes a large linear system.
"""

from typing import Any

from keras import layers, ops

PATCH = 15  # pixels, section 4.3
KEPT = 0.95  # omega of equation 12: a little haze is left for distance
LEAST = 0.1  # the lower bound of the transmission, equation 16
BRIGHTEST = 1000  # the atmosphere is looked for in a thousandth of the pixels, section 4.4
RADIUS, SMOOTH = 41, 1e-3  # pixels of the guided filter's window, and what counts as flat there


def remove_haze(pixels: Any) -> Any:
    """The pixels (batch, height, width, 3), 0..255, as they would look without haze: J = (I - A) / t + A."""
    image = pixels / 255
    atmosphere = _atmosphere(image)
    haze = 1 - KEPT * _darkest(image / ops.maximum(atmosphere, LEAST))
    transmission = ops.maximum(_guided(ops.mean(image, axis=-1, keepdims=True), haze), LEAST)
    return 255 * ops.clip((image - atmosphere) / transmission + atmosphere, 0, 1)


def _darkest(image: Any) -> Any:
    """The dark channel (batch, height, width, 1): the least value of any colour in the patch around each pixel."""
    least = -ops.min(image, axis=-1, keepdims=True)
    for window in ((PATCH, 1), (1, PATCH)):
        least = layers.MaxPooling2D(window, strides=1, padding="same", dtype="float32")(least)
    return -least


def _atmosphere(image: Any) -> Any:
    """The colour (batch, 1, 1, 3) of the lightest pixel among those whose dark channel is brightest."""
    height, width = image.shape[1:3]
    dark = ops.reshape(_darkest(image), (-1, height * width))
    light = ops.reshape(ops.mean(image, axis=-1), (-1, height * width))
    bound = ops.min(ops.top_k(dark, max(1, height * width // BRIGHTEST))[0], axis=1, keepdims=True)
    candidates = ops.where(dark >= bound, light, -1.0)
    chosen = ops.cast(candidates >= ops.max(candidates, axis=1, keepdims=True), image.dtype)
    weights = ops.expand_dims(chosen / ops.sum(chosen, axis=1, keepdims=True), -1)  # equal lightest ones are averaged
    colour = ops.sum(weights * ops.reshape(image, (-1, height * width, 3)), axis=1)
    return ops.reshape(colour, (-1, 1, 1, 3))


def _guided(guide: Any, values: Any) -> Any:
    """The values, smooth but for the guide's edges (He, Sun and Tang 2010, equations 5, 6 and 8)."""
    mean_guide, mean_values = _mean(guide), _mean(values)
    slope = (_mean(guide * values) - mean_guide * mean_values) / (_mean(guide * guide) - mean_guide**2 + SMOOTH)
    return _mean(slope) * guide + _mean(mean_values - slope * mean_guide)


def _mean(image: Any) -> Any:
    for window in ((RADIUS, 1), (1, RADIUS)):
        image = layers.AveragePooling2D(window, strides=1, padding="same", dtype="float32")(image)
    return image
