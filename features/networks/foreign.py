"""Backbones of the user's own: an ONNX or OpenVINO file with a TOML file beside it.

`foreign_graph` makes networks of them.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from features.networks import openvino_runtime  # noqa: F401  before openvino, because it disables openvino's telemetry
from features.networks.foreign_settings import ForeignSettings, read_settings

import openvino  # isort: skip
from openvino.frontend import FrontEndManager  # isort: skip

CHANNEL_AXES = {"nchw": 1, "nhwc": 3}
BYTE_SCALE = 0.00392156862745098  # 1 / 255, the scale of the template
# An entry of an ONNX tensor's external data: the key `location` and its value, each with its length in front.
LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])")


@dataclass(frozen=True)
class ForeignBackbone:
    """A backbone of the user's own.

    Attributes:
        path: Its `.onnx` or `.xml` file.
        settings: What the TOML file says.
        sha256: Of the file, followed by those that hold its weights, if there are any.
    """

    path: Path
    settings: ForeignSettings
    sha256: str

    @property
    def fingerprint(self) -> str:
        """A SHA-256 of all that its vectors depend on besides the chips: the network and the settings."""
        values = astuple(replace(self.settings, licence=""))
        return hashlib.sha256(repr((self.sha256, values)).encode()).hexdigest()


def read_backbone(path: Path) -> ForeignBackbone:
    """Read the TOML file beside a network, and hash the network.

    Raises:
        FileNotFoundError: There is no such file, its weights are missing, or there is no TOML file beside it; its lines
            are then in the message.
        ValueError: The network or the TOML file cannot be used.
    """
    companions = _weight_paths(path)
    toml = path.with_suffix(".toml")
    if not toml.is_file():
        raise FileNotFoundError(
            f"{path} has no {toml.name} beside it, which says how chips become its input; write that file, a line for "
            f"each key, and check the bands and the scale, which a network does not state: {_template(path)}"
        )
    digest = hashlib.sha256()
    for part in (path, *companions):
        digest.update(part.read_bytes())
    return ForeignBackbone(path, read_settings(toml), digest.hexdigest())


def _weight_paths(path: Path) -> list[Path]:
    """Return the files that hold a network's weights, apart from its own file."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; name a backbone, or an .onnx or .xml file.")
    if path.suffix.lower() == ".xml":
        names = [path.with_suffix(".bin").name]
    else:
        content = path.read_bytes()
        found = [content[match.end() :][: match[1][0]] for match in LOCATION.finditer(content)]
        names = sorted({name.decode(errors="replace") for name in found})
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{path} keeps weights in {name}, outside of its folder; save it with its weights beside.")
        if not (path.parent / name).is_file():
            raise FileNotFoundError(f"{path} keeps its weights in {name}, which is missing; put it beside {path.name}.")
    return [path.parent / name for name in names]


def read_graph(path: Path) -> Any:
    """Read a network of one input; only the reader of its own format is tried.

    Raises:
        ValueError: It cannot be read, or it has several inputs.
    """
    if path.suffix.lower() == ".xml":
        with refusing(path, "is no OpenVINO network (IR) that can be read; export it again"):
            model = openvino.Core().read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes())
    else:
        with refusing(path, "is no ONNX file that OpenVINO can read; export it again, or convert it to OpenVINO's IR"):
            frontend = FrontEndManager().load_by_framework("onnx")
            file = frontend.load(str(path))
            if any(file.get_partial_shape(place).rank.is_dynamic for place in file.get_inputs()):
                raise ValueError(no_shape(path))  # the conversion would fail without saying so
            model = frontend.convert(file)
    if len(model.inputs) != 1 or not model.outputs:
        names = ", ".join(name_of(port) for port in model.inputs) or "none"
        raise ValueError(f"{path} has {len(model.inputs)} inputs ({names}), but a backbone takes one: an image.")
    return model


def no_shape(path: Path) -> str:
    """Return the message for an input of any number of dimensions."""
    return f"{path} states no shape of its input; export it for images of four dimensions, such as (n, 3, 224, 224)."


@contextmanager
def refusing(path: Path, problem: str) -> Iterator[None]:
    """Turn what OpenVINO raises, RuntimeErrors and bare exceptions, into one ValueError with its last line."""
    try:
        yield
    except (OSError, ValueError):
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ValueError(f"{path} {problem} ({lines[-1] if lines else type(error).__name__}).") from error


def name_of(port: Any) -> str:
    """Return the first name of an input or output; that of its operation, if it has none."""
    return str(min(port.get_names(), default=port.get_node().get_friendly_name()))


def _template(path: Path) -> str:
    """Return the lines of a TOML file for a network, filled in as far as the network states it."""
    model = read_graph(path)
    image, output = model.inputs[0].partial_shape, model.outputs[0].partial_shape
    lines = {"side": "?", "bands": '["red", "green", "blue"]', "layout": '"nchw"', "width": "?"}
    if image.rank.is_static and len(image) == 4:
        layout = "nhwc" if image[3].is_static and image[3].get_length() <= 4 else "nchw"
        side = image[2]
        lines |= {"layout": f'"{layout}"', "side": str(side) if side.is_static else "?"}
        bands = image[CHANNEL_AXES[layout]]
        if bands.is_static and bands.get_length() == 4:
            lines["bands"] = '["blue", "green", "red", "nir"]'
    lines["scale"] = str(BYTE_SCALE)
    if len(model.outputs) > 1:
        lines["output"] = f'"{name_of(model.outputs[0])}"'
    if output.rank.is_static and len(output) > 1:
        axis = CHANNEL_AXES[lines["layout"].strip('"')] if len(output) == 4 else len(output) - 1
        lines["width"] = str(output[axis]) if output[axis].is_static else "?"
        if len(output) > 2:
            lines["pool"] = '"average"'
    return " | ".join(f"{key} = {value}" for key, value in lines.items())
