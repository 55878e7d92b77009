"""What a bundle's members run on: a CPU by OpenVINO in one of three precisions, or a GPU by Keras in one of two."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from amazon_tags.model import decision_file
from amazon_tags.model.recipe import recipe_from_json
from amazon_tags.tables import labels
from ensemble.heads.fitted import HEAD_FILES, Head, LinearHead
from ensemble.heads.head_files import parse_head
from features.images.chips import ChipSpec
from features.networks import openvino_runtime
from features.networks.extract import Network

HINTS = {"f32": "f32", "bf16": "bf16", "int8": "f32"}  # precisions, and what their networks compute floats in
NETWORK = {
    "f32": ("network.xml", "network.bin"),
    "bf16": ("network.xml", "network.bin"),
    "int8": ("int8.xml", "int8.bin"),
}
POLICIES = {"f32": "float32", "bf16": "mixed_bfloat16"}  # of Keras
DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))  # NVIDIA's and AMD's; importing Keras to ask it takes seconds

Read = Callable[[str], bytes]  # a bundle's file, by its name there, once its hash is checked


@dataclass(frozen=True)
class CompiledMember:
    """A compiled network and, where it gives vectors, the head on these; on a CPU it ends with its linear head."""

    name: str
    network: Network
    head: Head | None


@dataclass(frozen=True)
class Engine:
    """A device, `cpu` or `gpu`, and a precision."""

    device: str
    precision: str


def choose(manifest: dict[str, Any], *, device: str, precision: str) -> Engine:
    """The engine for a bundle.

    Args:
        manifest: the bundle's.
        device: `cpu`, `gpu`, or `auto`: a GPU if there is one and Keras.
        precision: a key of `HINTS`, or `auto`: on a CPU the fastest that it computes in and whose measured price is
            within the manifest's limit, on a GPU bf16.

    Raises:
        ValueError: for what the bundle was not measured in, or what is not there.
    """
    if device == "gpu" or (device == "auto" and any(path.exists() for path in DRIVERS)):
        missing = _missing()
        if device == "gpu" and missing:
            raise ValueError(f"{missing}; use --device cpu, or run, in the checkout: pip install '.[gpu]'")
        if not missing:
            if precision == "int8":
                raise ValueError("a GPU computes in f32 or bf16; name one of these, or use --device cpu.")
            return Engine("gpu", "bf16" if precision == "auto" else precision)
    measured = precision_reports(manifest)
    here = [name for name in measured if openvino_runtime.supports(HINTS[name])]
    if precision == "auto":
        return Engine("cpu", min(affordable_precisions(manifest), key=lambda name: measured[name]["ms"]))
    if precision not in measured:
        raise ValueError(
            f"this model was not measured in {precision}, only in {', '.join(measured)}; name one of these."
        )
    if precision not in here:
        raise ValueError(f"this processor does not compute in {precision}; use --precision {' or '.join(here)}.")
    return Engine("cpu", precision)


def affordable_precisions(manifest: dict[str, Any]) -> list[str]:
    """The precisions that this processor computes in and whose price is within the limit: those `auto` chooses from."""
    limit = manifest.get("precision", {}).get("limit", 0.0)
    return [
        name
        for name, told in precision_reports(manifest).items()
        if told["loss"] <= limit and openvino_runtime.supports(HINTS[name])
    ]


def precision_reports(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What each precision costs that a bundle was measured in, f32 first; bundles of older versions know no other."""
    known: dict[str, dict[str, Any]] = manifest.get("precision", {}).get("prices", {"f32": {"loss": 0.0, "ms": 0.0}})
    return known


def cpu_member(read: Read, held: set[str], name: str, precision: str, *, jobs: int = 1) -> CompiledMember:
    """A member on the CPU.

    Args:
        read: gives a file's bytes.
        held: the names of all files of the bundle.
        name: the member's folder.
        precision: a key of `HINTS`.
        jobs: threads.
    """
    xml, weights = (read(f"members/{name}/{part}") for part in NETWORK[precision])
    head = _head(read, held, name)
    last, rest = (head.layer(), None) if isinstance(head, LinearHead) else (None, head)
    return CompiledMember(name, openvino_runtime.load(xml, weights, jobs=jobs, hint=HINTS[precision], last=last), rest)


def gpu_member(read: Read, folder: Path, manifest: dict[str, Any], name: str, precision: str) -> CompiledMember:
    """A member on the GPU.

    Raises:
        ValueError: the member cannot run there.
    """
    from ensemble.networks.rebuild import RebuildTarget, rebuild_network  # noqa: PLC0415  here begins the extra

    file = f"members/{name}/network.weights.h5"
    read(file)  # its hash
    space = labels.from_json(manifest["labels"])
    recipe = recipe_from_json(manifest["recipe"])
    settings = next(entry for entry in recipe.members if entry.name == name.partition("-")[2])
    spec = ChipSpec(tuple(manifest["chips"]["bands"]), manifest["chips"]["dtype"], manifest["chips"]["side"])
    target = RebuildTarget(spec, len(space.names), decision_file.rules(space).groups, POLICIES[precision])
    return CompiledMember(
        name, rebuild_network(settings, folder / file, target), _head(read, set(manifest["files"]), name)
    )


def _missing() -> str:
    """What is not there that a GPU needs; nothing, if all is."""
    if find_spec("keras") is None:
        return "a GPU needs Keras"
    from features.networks import devices  # noqa: PLC0415  here begins the extra

    return "" if devices.count_accelerators() else "Keras sees no GPU here"


def _head(read: Read, held: set[str], name: str) -> Head | None:
    files = [file for file in HEAD_FILES if f"members/{name}/{file}" in held]
    return parse_head(files[0], read(f"members/{name}/{files[0]}")) if files else None
