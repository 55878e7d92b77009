"""Remove haze from a chip by its dark channel (He, Sun and Tang 2009), inside a Keras network.

Most patches of clear land have some pixel that is dark in some colour; haze brightens it. So the darkest value of a
patch estimates the haze over it. The transmission is refined by a guided filter (He, Sun and Tang 2010) instead of the
paper's matting, which solves a large linear system.
"""

from typing import Any

from keras import layers, ops

PATCH_PIXELS = 15  # side of a patch, section 4.3
REMOVED_PART = 0.95  # omega of equation 12: a little haze is left so that distance still shows
MIN_TRANSMISSION = 0.1  # equation 16
CANDIDATE_PART = 1000  # the atmosphere's colour is chosen among a thousandth of the pixels, section 4.4
WINDOW_PIXELS = 41  # side of the guided filter's window
FLAT_VARIANCE = 1e-3  # epsilon of the guided filter: areas of less variance are smoothed


def remove_haze(pixels: Any) -> Any:
    """Return the pixels (batch, height, width, 3), 0..255, without haze: J = (I - A) / t + A."""
    image = pixels / 255
    atmosphere = _atmosphere(image)
    clear = 1 - REMOVED_PART * _dark_channel(image / ops.maximum(atmosphere, MIN_TRANSMISSION))
    transmission = ops.maximum(_guided_filter(ops.mean(image, axis=-1, keepdims=True), clear), MIN_TRANSMISSION)
    return 255 * ops.clip((image - atmosphere) / transmission + atmosphere, 0, 1)


def _dark_channel(image: Any) -> Any:
    """Return the least value of any colour in the patch around each pixel, (batch, height, width, 1)."""
    negative = -ops.min(image, axis=-1, keepdims=True)
    for window in ((PATCH_PIXELS, 1), (1, PATCH_PIXELS)):
        negative = layers.MaxPooling2D(window, strides=1, padding="same", dtype="float32")(negative)
    return -negative


def _atmosphere(image: Any) -> Any:
    """Return the colour (batch, 1, 1, 3) of the lightest pixel among those with the brightest dark channel."""
    height, width = image.shape[1:3]
    dark = ops.reshape(_dark_channel(image), (-1, height * width))
    light = ops.reshape(ops.mean(image, axis=-1), (-1, height * width))
    bound = ops.min(ops.top_k(dark, max(1, height * width // CANDIDATE_PART))[0], axis=1, keepdims=True)
    candidates = ops.where(dark >= bound, light, -1.0)

    lightest = ops.cast(candidates >= ops.max(candidates, axis=1, keepdims=True), image.dtype)
    weights = ops.expand_dims(lightest / ops.sum(lightest, axis=1, keepdims=True), -1)  # equal pixels are averaged
    colour = ops.sum(weights * ops.reshape(image, (-1, height * width, 3)), axis=1)
    return ops.reshape(colour, (-1, 1, 1, 3))


def _guided_filter(guide: Any, values: Any) -> Any:
    """Smooth the values except at edges of the guide (He, Sun and Tang 2010, equations 5, 6 and 8)."""
    mean_guide, mean_values = _window_mean(guide), _window_mean(values)
    covariance = _window_mean(guide * values) - mean_guide * mean_values
    variance = _window_mean(guide * guide) - mean_guide**2
    slope = covariance / (variance + FLAT_VARIANCE)
    return _window_mean(slope) * guide + _window_mean(mean_values - slope * mean_guide)


def _window_mean(image: Any) -> Any:
    for window in ((WINDOW_PIXELS, 1), (1, WINDOW_PIXELS)):
        image = layers.AveragePooling2D(window, strides=1, padding="same", dtype="float32")(image)
    return image
