"""Make a network from integer chips to vectors of a backbone of the user's own.

Scaling, the order of bands and axes, and pooling become part of the graph, so it takes chips like the networks of
`backbones`. Nothing here needs Keras.
"""

from pathlib import Path
from typing import Any

import numpy as np

from features.images.spec import ChipSpec
from features.networks import openvino_runtime  # before openvino, because it disables openvino's telemetry
from features.networks.band_lines import has_lines, lines_of
from features.networks.foreign import CHANNEL_AXES, ForeignBackbone, name_of, no_shape, read_graph, refusing
from features.networks.foreign_settings import ForeignSettings
from features.networks.openvino_runtime import OpenvinoNetwork

import openvino  # isort: skip
import openvino.opset13 as operations  # isort: skip

IMAGE_TYPES = ("f32", "f16", "u8")
CHECKED_CHIPS = openvino_runtime.CHIPS_A_REQUEST  # that a network must take at once


def build(backbone: ForeignBackbone, spec: ChipSpec, *, shrink: int = 1) -> Any:
    """Build a graph from integer chips (batch, side, side, bands) to vectors (batch, width).

    Args:
        backbone: From `read_backbone`.
        spec: The chips' bands, type and side; the network takes no others.
        shrink: The side is divided by this number first, by averaging.

    Raises:
        ValueError: The network does not fit the chips, or it is not what its TOML file says.
    """
    path, settings = backbone.path, backbone.settings
    _refuse_other_chips(backbone, spec, shrink)
    model = read_graph(path)
    image = _image(path, model, settings)
    output = _named_output(path, model, settings)

    chips = operations.parameter([-1, spec.side, spec.side, len(spec.bands)], np.dtype(spec.dtype))
    pixels = _scaled(chips, spec, settings, shrink)
    with refusing(path, "does not take batches of images of this side; export it with a batch of any size"):
        image.output(0).replace(operations.convert(pixels, image.get_element_type().to_string()).output(0))
        vectors = _pooled(path, output, settings)
        graph = openvino.Model([operations.result(operations.convert(vectors, "f32"))], [chips], "backbone")
        sample = graph.clone()
        sample.reshape([CHECKED_CHIPS, spec.side, spec.side, len(spec.bands)])
    shape = sample.output(0).partial_shape
    if shape.is_dynamic or list(shape.to_shape()) != [CHECKED_CHIPS, settings.width]:
        raise ValueError(
            f"{path} gives vectors of shape {shape} for {CHECKED_CHIPS} chips, but its TOML file says width "
            f"{settings.width}; correct width or pool, or export it with a batch of any size."
        )
    return graph


def load(backbone: ForeignBackbone, spec: ChipSpec, folder: Path, *, jobs: int = 1) -> OpenvinoNetwork:
    """Export a network into a folder and compile it for the CPU; arguments and errors are those of `build`."""
    export(backbone, spec, folder)
    xml, weights = ((folder / name).read_bytes() for name in ("network.xml", "network.bin"))
    return openvino_runtime.load(xml, weights, jobs=jobs)


def export(backbone: ForeignBackbone, spec: ChipSpec, folder: Path, *, shrink: int = 1) -> None:
    """Write `network.xml` and `network.bin` (OpenVINO IR) into an existing folder; see `build`."""
    openvino_runtime.save(build(backbone, spec, shrink=shrink), folder / "network.xml")


def _refuse_other_chips(backbone: ForeignBackbone, spec: ChipSpec, shrink: int) -> None:
    """Raise ValueError if the chips lack a band of the network's images, or are of another side."""
    path, settings = backbone.path, backbone.settings
    missing = [band for band in settings.bands if band not in spec.bands]
    if missing:
        raise ValueError(
            f"{path} takes the bands {', '.join(settings.bands)}, but the chips have {', '.join(spec.bands)}; "
            f"add {', '.join(missing)} to the chips."
        )
    if spec.side != settings.side * shrink:
        shrunk = f", shrunk {shrink} times" if shrink > 1 else ""
        raise ValueError(
            f"{path} takes images of side {settings.side}, but the chips have side {spec.side}{shrunk}; "
            f"use side {settings.side * shrink}, or export the network for another side."
        )


def _image(path: Path, model: Any, settings: ForeignSettings) -> Any:
    """Return the parameter that takes images, or raise ValueError if it cannot take those of the settings."""
    image = model.inputs[0].get_node()
    shape, kind = image.get_partial_shape(), image.get_element_type().to_string()
    if shape.rank.is_dynamic:
        raise ValueError(no_shape(path))
    if len(shape) != 4 or kind not in IMAGE_TYPES:
        raise ValueError(
            f"{path} takes {kind} of shape {shape}, which is no batch of images; a backbone takes {settings.layout} of "
            f"{' or '.join(IMAGE_TYPES)}."
        )
    axis = CHANNEL_AXES[settings.layout]
    if not _fits(shape[axis], len(settings.bands)):
        other = next(name for name in CHANNEL_AXES if name != settings.layout)
        swapped = _fits(shape[CHANNEL_AXES[other]], len(settings.bands))
        raise ValueError(
            f"{path} takes images of shape {shape}, which with layout {settings.layout} are {shape[axis]} bands, but "
            f"its TOML file names {len(settings.bands)}; write "
            f"{f'layout = {chr(34)}{other}{chr(34)}' if swapped else 'the bands that it takes'}."
        )
    places = [dimension for place, dimension in enumerate(shape) if place not in (0, axis)]
    if not all(_fits(dimension, settings.side) for dimension in places):
        raise ValueError(
            f"{path} takes images of shape {shape}, but its TOML file says side {settings.side}; correct side, or "
            "export the network for that side."
        )
    return image


def _fits(dimension: Any, length: int) -> bool:
    return bool(dimension.is_dynamic or dimension.get_length() == length)


def _named_output(path: Path, model: Any, settings: ForeignSettings) -> Any:
    """Return what the output of the settings reads, or raise ValueError if there is none, or none of several named."""
    names = [name_of(port) for port in model.outputs]
    ports = [port for port in model.outputs if settings.output in (name_of(port), *port.get_names())]
    if settings.output and not ports:
        raise ValueError(f"{path} has no output named {settings.output}; its outputs are {', '.join(names)}.")
    if not settings.output and len(model.outputs) > 1:
        raise ValueError(
            f"{path} has {len(model.outputs)} outputs ({', '.join(names)}); name one in its TOML file: output = "
            f'"{names[0]}".'
        )
    return (ports or model.outputs)[0].get_node().input_value(0)


def _scaled(chips: Any, spec: ChipSpec, settings: ForeignSettings, shrink: int) -> Any:
    """Return images of the settings' bands and layout, scaled, of integer chips."""
    pixels = operations.convert(chips, "f32")
    if has_lines(spec):
        gains, offsets = (np.array(values, np.float32) for values in lines_of(spec))
        pixels = operations.clamp(operations.add(operations.multiply(pixels, gains), offsets), 0.0, 255.0)
    if settings.bands != spec.bands:
        # One gather a band: OpenVINO 2026.4 moves a gather or split of all into the convolution behind it, in the
        # inverse order, which is another one for green, blue, red.
        places = [np.array([spec.bands.index(band)]) for band in settings.bands]
        pixels = operations.concat([operations.gather(pixels, place, np.array(3)) for place in places], 3)

    mean = np.array(settings.mean or np.zeros(len(settings.bands)))
    std = np.array(settings.std or np.ones(len(settings.bands)))
    factors, offsets = (
        (value.astype(np.float32).reshape(1, 1, 1, -1)) for value in (settings.scale / std, -mean / std)
    )
    pixels = operations.add(operations.multiply(pixels, factors), offsets)

    if settings.layout == "nhwc" and shrink == 1:
        return pixels
    pixels = operations.transpose(pixels, np.array([0, 3, 1, 2]))
    if shrink > 1:
        size = [shrink, shrink]
        pixels = operations.avg_pool(pixels, size, [0, 0], [0, 0], size, exclude_pad=True)
    return pixels if settings.layout == "nchw" else operations.transpose(pixels, np.array([0, 2, 3, 1]))


def _pooled(path: Path, output: Any, settings: ForeignSettings) -> Any:
    """Return vectors (batch, width) of the network's output: vectors, feature maps or tokens."""
    rank = output.get_partial_shape().rank
    if rank.is_dynamic or rank.get_length() not in (2, 3, 4):
        raise ValueError(
            f"{path} gives an output of shape {output.get_partial_shape()}, but a backbone gives vectors (2 "
            "dimensions), tokens (3) or feature maps (4); name another output."
        )
    count = rank.get_length()
    if (count == 2) == bool(settings.pool) or ("class" in settings.pool and (count == 4 or not settings.prefix_tokens)):
        advice = {
            2: "which are vectors already; remove pool",
            3: 'which are tokens; write pool = "average", or prefix_tokens = 1 and pool = ["class", "average"]',
            4: 'which are feature maps; write pool = "average", "max" or both',
        }[count]
        raise ValueError(f"{path} gives an output of shape {output.get_partial_shape()}, {advice}.")
    if count == 2:
        return output

    axes = np.array([1] if count == 3 else [2, 3] if settings.layout == "nchw" else [1, 2])
    places = output
    if count == 3 and settings.prefix_tokens:
        ends = [np.array([value], np.int64) for value in (settings.prefix_tokens, np.iinfo(np.int64).max, 1, 1)]
        places = operations.slice(output, *ends)
    parts = {
        "class": lambda: operations.gather(output, np.array(0), np.array(1)),
        "average": lambda: operations.reduce_mean(places, axes, False),
        "max": lambda: operations.reduce_max(places, axes, False),
    }
    return operations.concat([parts[name]() for name in settings.pool], 1)
