"""Convert the image backbone of a KerasHub preset into a network of the user's own, with the preset's own scaling.

Needs the extra `hub`, and Keras on TensorFlow. `foreign` reads what is written.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from features.images.stored import RGB
from features.networks import openvino_export, openvino_runtime
from features.networks.foreign import refusing
from features.networks.foreign_settings import ForeignSettings

import keras  # isort: skip  after openvino_export, which disables openvino's telemetry
import keras_hub  # isort: skip
import openvino  # isort: skip


def preset_names() -> list[str]:
    """Return the names of the presets that KerasHub can download."""
    return list(keras_hub.models.Backbone.presets)


def convert(preset: str, folder: Path, name: str) -> None:
    """Write `NAME.xml`, `NAME.bin` and `NAME.toml` into an existing folder.

    Args:
        preset: A preset's folder, or a name, which Keras downloads.
        folder: Where to write.
        name: Of the files.

    Raises:
        ValueError: The preset cannot be loaded or converted, or is none of images, or states no scaling or side.
    """
    backbone = _load(preset, keras_hub.models.Backbone, "backbone")
    converter = _load(preset, keras_hub.layers.ImageConverter, "image converter")
    network = getattr(backbone, "vision_encoder", backbone)  # of SigLIP and CLIP, which also have one for text
    inputs = network.input if isinstance(network.input, dict) else {"": network.input}
    image = next(iter(inputs.values()))
    if len(inputs) > 1 or len(image.shape) != 4 or image.shape[-1] not in (3, None):
        raise ValueError(f"{preset} is a {type(backbone).__name__}, which takes no images alone; use one that does.")

    if isinstance(network.output, dict | list):
        raise ValueError(f"{preset} is a {type(backbone).__name__}, which has several outputs; use one that has one.")

    side = _side(preset, image, converter)
    settings = _settings(preset, backbone, converter, side, network.output)
    pixels = keras.Input((side, side, 3), name="image")
    with _slices_by_padding(), refusing(Path(preset), "cannot be converted to OpenVINO; use another preset"):
        output = network({next(iter(inputs)): pixels} if isinstance(network.input, dict) else pixels)
        openvino_export.export(keras.Model(pixels, output), folder)
    _keep_first_output(folder, name)
    (folder / f"{name}.toml").write_text(_toml(settings), encoding="utf-8")


def _keep_first_output(folder: Path, name: str) -> None:
    """Rename a network's files, and remove the outputs that Keras adds after its own."""
    xml, weights = folder / "network.xml", folder / "network.bin"
    graph = openvino.Core().read_model(xml.read_bytes(), weights.read_bytes())
    first = openvino.Model([graph.output(0).get_node()], graph.get_parameters())
    openvino_runtime.save(first, folder / f"{name}.xml")
    xml.unlink()
    weights.unlink()


def _load(preset: str, kind: Any, what: str) -> Any:
    try:
        return kind.from_preset(preset, dtype="float32")
    except Exception as error:  # of many types, also those of a download
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ValueError(f"{preset} has no {what} that KerasHub can load ({(lines or ['no reason'])[0]}).") from error


def _side(preset: str, image: Any, converter: Any) -> int:
    """Return the side of the network's images; where it takes any, that of the preset's converter."""
    sizes = [image.shape[1:3], converter.image_size or (None, None)]
    height, width = next((size for size in sizes if None not in size), (None, None))
    if height is None or height != width:
        raise ValueError(f"{preset} takes images of {height} x {width} pixels; use a preset of squares of one side.")
    return int(height)


def _settings(preset: str, backbone: Any, converter: Any, side: int, output: Any) -> ForeignSettings:
    """Return what the TOML file says: scale * pixel + offset as (pixel - mean) / std."""
    scale, offset = (
        np.broadcast_to(default if value is None else value, (3,)).astype(float)
        for value, default in ((converter.scale, 1.0), (converter.offset, 0.0))
    )
    prefix = _prefix_tokens(preset, backbone) if len(output.shape) == 3 else 0
    pool = () if len(output.shape) == 2 else ("class", "average") if prefix else ("average",)
    return ForeignSettings(
        side=side,
        bands=RGB,
        layout="nhwc",
        width=int(output.shape[-1]) * max(1, len(pool)),
        scale=1.0,
        mean=tuple(-offset / scale),
        std=tuple(1 / scale),
        pool=pool,
        prefix_tokens=prefix,
        licence=f"KerasHub preset {Path(preset).name}; its page states its terms",
    )


def _prefix_tokens(preset: str, backbone: Any) -> int:
    """Return how many tokens stand before those of the patches; the first one is the class token."""
    kind = type(backbone).__name__
    counts: dict[str, Callable[[], int]] = {
        "ViTBackbone": lambda: int(backbone.use_class_token),
        "DeiTBackbone": lambda: 2,  # class and distillation
        "DINOV2Backbone": lambda: 1 + backbone.num_register_tokens,
        "DINOV3Backbone": lambda: 1 + backbone.num_register_tokens,
        "SwinTransformerBackbone": lambda: 0,
    }
    if kind not in counts:
        raise ValueError(f"{preset} is a {kind}, whose tokens are not known here; use one of {', '.join(counts)}.")
    return counts[kind]()


def _toml(settings: ForeignSettings) -> str:
    lines = {key: value for key, value in asdict(settings).items() if value not in ((), "", 0)}
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in lines.items())


@contextmanager
def _slices_by_padding() -> Iterator[None]:
    """Compute `keras.ops.slice_update` by padding, since OpenVINO cannot convert TensorFlow's operation of it.

    Swin makes its masks of attention with it, at places that are known beforehand.
    """
    original = keras.ops.slice_update

    def update(inputs: Any, start: Any, updates: Any) -> Any:
        ends = zip(start, updates.shape, inputs.shape, strict=True)
        pads = [(int(first), int(whole) - int(first) - int(part)) for first, part, whole in ends]
        is_inside = keras.ops.pad(keras.ops.ones_like(updates), pads)
        return keras.ops.where(is_inside > 0, keras.ops.pad(updates, pads), inputs)

    keras.ops.slice_update = update
    try:
        yield
    finally:
        keras.ops.slice_update = original
