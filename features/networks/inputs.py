"""What a network sees of a chip: one or several images of 0..255, made of its bands inside the network."""

from collections.abc import Callable
from typing import Any

from keras import layers, ops

from features.images import chips, haze, sensor_colours
from features.images.chips import ChipSpec

NIR_GAIN, NIR_OFFSET = 15.0, -20.0  # grey levels per 1000, and at 0: of 50 real TIFs a hundredth lies past 2 and 160


def scale_to_bytes(pixels: Any, spec: ChipSpec) -> Any:
    """The bands as floats, 0..255, in 32 bits also where a network computes in fewer.

    The four of a 16-bit sensor are scaled by the line under the curve of `features.visual`; other 16-bit values use
    their whole range.
    """
    if spec.dtype == "uint16" and set(spec.bands) == set(sensor_colours.BANDS):
        lines = dict(
            zip(sensor_colours.COLOURS, zip(sensor_colours.GAINS, sensor_colours.OFFSETS, strict=True), strict=True)
        )
        lines["nir"] = (NIR_GAIN, NIR_OFFSET)
        gains, offsets = zip(*(lines[band] for band in spec.bands), strict=True)
        scaled = layers.Rescaling([gain / 1000 for gain in gains], offset=list(offsets), dtype="float32")(pixels)
        return ops.clip(scaled, 0.0, 255.0)
    return layers.Rescaling(1 / 257 if spec.dtype == "uint16" else 1.0, dtype="float32")(pixels)  # 65535 / 257 = 255


def _bands(image: Any, spec: ChipSpec) -> list[Any]:
    """All bands in one image, the colours first."""
    others = [band for band in spec.bands if band not in chips.RGB]
    return [_pick(image, spec, (*chips.RGB, *others)) if others else image]


def _dehazed(image: Any, spec: ChipSpec) -> list[Any]:
    """The colours as they would look without haze."""
    return [haze.remove_haze(_pick(image, spec, chips.RGB))]


def _streams(image: Any, spec: ChipSpec) -> list[Any]:
    """The colours, and beside them near infrared, NDWI (McFeeters 1996) and SAVI (Huete 1988, L = 0.5)."""
    near, green, red = (_pick(image, spec, (band,)) / 255 for band in ("nir", "green", "red"))
    water = (green - near) / (green + near + 1e-3)
    plants = 1.5 * (near - red) / (near + red + 0.5)
    indices = ops.concatenate([2 * near - 1, water, plants], axis=-1)
    return [_pick(image, spec, chips.RGB), 255 * ops.clip((indices + 1) / 2, 0, 1)]


INPUTS: dict[str, Callable[[Any, ChipSpec], list[Any]]] = {
    "bands": _bands,
    "dehazed": _dehazed,
    "streams": _streams,
}
NEEDED_BANDS = {"bands": (), "dehazed": chips.RGB, "streams": sensor_colours.BANDS}  # bands that a chip must have


def network_inputs(name: str, pixels: Any, spec: ChipSpec, *, shrink: int = 1) -> list[Any]:
    """Images (batch, side / shrink, side / shrink, 3 or more), 0..255, of integer chips.

    Raises:
        ValueError: the chips lack a band, or their side is no multiple of `shrink`.
    """
    missing = [band for band in NEEDED_BANDS[name] if band not in spec.bands]
    if missing:
        raise ValueError(f"{name} needs {', '.join(NEEDED_BANDS[name])}, but the chips have {', '.join(spec.bands)}.")
    if spec.side % shrink:
        raise ValueError(f"chips of side {spec.side} cannot be shrunk {shrink} times; choose a divisor.")
    image = scale_to_bytes(pixels, spec)
    if shrink > 1:
        image = layers.AveragePooling2D(shrink, dtype="float32")(image)
    return INPUTS[name](image, spec)


def _pick(image: Any, spec: ChipSpec, bands: tuple[str, ...]) -> Any:
    return ops.take(image, [spec.bands.index(band) for band in bands], axis=-1) if bands != spec.bands else image
