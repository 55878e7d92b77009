"""Make the images that a backbone takes from a chip's bands, inside the network: one or several, with values 0..255."""

from collections.abc import Callable
from typing import Any

from keras import layers, ops

from features.images import haze
from features.images.spec import ChipSpec
from features.images.stored import RGB
from features.networks.backbone_shapes import NEEDED_BANDS
from features.networks.band_lines import has_lines, lines_of

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue


def scale_to_bytes(pixels: Any, spec: ChipSpec) -> Any:
    """Return the bands as floats, 0..255, in 32 bits even where the network computes in fewer.

    The four bands of a 16-bit sensor are scaled by the straight part of the curve in `sensor_colours`, more bands by
    their statistics over the training chips or by one line of reflectance; other 16-bit values use their whole range.
    """
    if has_lines(spec):
        gains, offsets = lines_of(spec)
        scaled = layers.Rescaling(gains, offset=offsets, dtype="float32")(pixels)
        return ops.clip(scaled, 0.0, 255.0)
    return layers.Rescaling(1 / 257 if spec.dtype == "uint16" else 1.0, dtype="float32")(pixels)  # 65535 / 257 = 255


def _bands(image: Any, spec: ChipSpec) -> list[Any]:
    """Return all bands in one image, red, green and blue first."""
    others = [band for band in spec.bands if band not in RGB]
    return [_select(image, spec, (*RGB, *others)) if others else image]


def _dehazed(image: Any, spec: ChipSpec) -> list[Any]:
    """Return red, green and blue with haze removed."""
    return [haze.remove_haze(_select(image, spec, RGB))]


def _streams(image: Any, spec: ChipSpec) -> list[Any]:
    """Return two images: the colours; and near infrared, NDWI (McFeeters 1996), SAVI (Huete 1988, L = 0.5)."""
    near, green, red = (_select(image, spec, (band,)) / 255 for band in ("nir", "green", "red"))
    water = (green - near) / (green + near + 1e-3)
    plants = 1.5 * (near - red) / (near + red + 0.5)
    indices = ops.concatenate([2 * near - 1, water, plants], axis=-1)
    return [_select(image, spec, RGB), 255 * ops.clip((indices + 1) / 2, 0, 1)]


def _grey(image: Any, spec: ChipSpec) -> list[Any]:
    """Return red, green, blue and their luma (ITU-R BT.601), a fourth band for quaternions."""
    colours = _select(image, spec, RGB)
    luma = ops.sum(colours * ops.convert_to_tensor(LUMA, dtype="float32"), axis=-1, keepdims=True)
    return [ops.concatenate([colours, luma], axis=-1)]


INPUTS: dict[str, Callable[[Any, ChipSpec], list[Any]]] = {
    "bands": _bands,
    "dehazed": _dehazed,
    "streams": _streams,
    "grey": _grey,
}


def network_inputs(name: str, pixels: Any, spec: ChipSpec, *, shrink: int = 1) -> list[Any]:
    """Return images (batch, side / shrink, side / shrink, 3 or more), 0..255, of integer chips.

    Args:
        name: A key of `INPUTS`.
        pixels: Chips (batch, side, side, bands) of the spec's type.
        spec: The chips' bands, type and side.
        shrink: The side is divided by this number, by averaging.

    Raises:
        ValueError: The chips lack a band, or their side is not a multiple of `shrink`.
    """
    missing = [band for band in NEEDED_BANDS[name] if band not in spec.bands]
    if missing:
        raise ValueError(
            f"{name} needs the bands {', '.join(NEEDED_BANDS[name])}, but the chips have {', '.join(spec.bands)}; "
            f"add {', '.join(missing)} or choose another input."
        )
    if spec.side % shrink:
        raise ValueError(f"chips of side {spec.side} cannot be shrunk {shrink} times; choose a divisor of the side.")
    image = scale_to_bytes(pixels, spec)
    if shrink > 1:
        image = layers.AveragePooling2D(shrink, dtype="float32")(image)
    return INPUTS[name](image, spec)


def date_images(name: str, pixels: Any, spec: ChipSpec, *, shrink: int = 1) -> list[list[Any]]:
    """Return the images of each date, of pairs of chips, as `network_inputs` makes them of single chips."""
    one, count = spec.of_one_date(), len(spec.bands)
    if spec.dates == 1:
        return [network_inputs(name, pixels, one, shrink=shrink)]
    places = [list(range(date * count, (date + 1) * count)) for date in range(spec.dates)]
    return [network_inputs(name, ops.take(pixels, bands, axis=-1), one, shrink=shrink) for bands in places]


def _select(image: Any, spec: ChipSpec, bands: tuple[str, ...]) -> Any:
    return ops.take(image, [spec.bands.index(band) for band in bands], axis=-1) if bands != spec.bands else image
