"""Engines that run a bundle's members: OpenVINO on a CPU in three precisions, or Keras on a GPU in two."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from amazon_tags.model import decision_file
from amazon_tags.model.manifest import Manifest
from ensemble.heads.fitted import HEAD_FILES, Head, LinearHead
from ensemble.heads.head_files import parse_head
from features.arrays import ChipBatch, NetworkOutput
from features.networks import openvino_runtime
from features.networks.extract import Network
from features.networks.foreign_settings import is_foreign

HINTS = {"f32": "f32", "bf16": "bf16", "int8": "f32"}  # each precision, and the float type of its networks
NETWORK = {
    "f32": ("network.xml", "network.bin"),
    "bf16": ("network.xml", "network.bin"),
    "int8": ("int8.xml", "int8.bin"),
}
POLICIES = {"f32": "float32", "bf16": "mixed_bfloat16"}  # of Keras
SLOW_MILLISECONDS = 10  # of one core for a chip; networks below do not win back the start of a GPU, some 40 s
DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))  # of NVIDIA and AMD; importing Keras to find out takes seconds

ReadFile = Callable[[str], bytes]  # returns a bundle's file, by its path there, once its hash is checked


@dataclass(frozen=True)
class CompiledMember:
    """A compiled network, and the head on its vectors; None if the network already ends with its head.

    On a CPU a linear head becomes the network's last layer.
    """

    name: str
    network: Network
    head: Head | None


class PassedVectors:
    """Takes the place of the network of a member that takes vectors: returns the vectors (chips, width) it is given.

    The attributes are those of `extract.Network`; a vector is like a chip of one pixel.
    """

    def __init__(self, width: int) -> None:
        self.batch = openvino_runtime.BATCH
        self.chip_shape: tuple[int, int, int] = (1, 1, width)
        self.dtype = np.dtype(np.float32)

    def __call__(self, chips: ChipBatch) -> NetworkOutput:
        """Return the vectors.

        Raises:
            ValueError: they have another width.
        """
        if chips.ndim != 2 or chips.shape[1] != self.chip_shape[2]:
            raise ValueError(f"got vectors of shape {chips.shape}, needed (chips, {self.chip_shape[2]}).")
        return chips.astype(np.float32)

    def start(self, batch: ChipBatch) -> Callable[[], NetworkOutput]:
        """Return a function that returns the vectors."""
        return lambda: self(batch)


@dataclass(frozen=True)
class Engine:
    """A device, `cpu` or `gpu`, and a precision."""

    device: str
    precision: str


def choose(manifest: Manifest, *, device: str, precision: str) -> Engine:
    """Return the engine for a bundle.

    Args:
        manifest: the bundle's manifest.
        device: `cpu`, `gpu`, or `auto`: a GPU if there is one, Keras is installed and the networks are slow on a CPU.
        precision: a key of `HINTS`, or `auto`: on a CPU the fastest that the processor supports and whose measured
            loss of F2 is within the manifest's limit, on a GPU bf16.

    Raises:
        ValueError: the bundle was not measured in this precision, or the processor or the GPU is not available.
    """
    if manifest.vectors:  # heads alone run in numpy
        return Engine("cpu", "f32")
    costs = manifest.precision.costs
    is_slow = min(cost.milliseconds for cost in costs.values()) > SLOW_MILLISECONDS
    if device == "gpu" or (device == "auto" and is_slow and any(path.exists() for path in DRIVERS)):
        missing = _missing_for_gpu()
        if device == "gpu" and missing:
            raise ValueError(f"{missing}; use --device cpu, or run, in the checkout: pip install '.[gpu]'")
        own = "" if missing else _member_from_file(manifest)
        if device == "gpu" and own:
            raise ValueError(f"{own} has a backbone from a file, which Keras cannot run on a GPU; use --device cpu.")
        if not missing and not own:
            if precision == "int8":
                raise ValueError("a GPU computes in f32 or bf16; name one of these, or use --device cpu.")
            return Engine("gpu", "bf16" if precision == "auto" else precision)
    if precision == "auto":
        return Engine("cpu", min(affordable_precisions(manifest), key=lambda name: costs[name].milliseconds))
    if precision not in costs:
        raise ValueError(f"this model was not measured in {precision}, only in {', '.join(costs)}; name one of these.")
    supported = [name for name in costs if openvino_runtime.supports(HINTS[name])]
    if precision not in supported:
        raise ValueError(f"this processor does not compute in {precision}; use --precision {' or '.join(supported)}.")
    return Engine("cpu", precision)


def affordable_precisions(manifest: Manifest) -> list[str]:
    """Return the precisions that `auto` chooses from: supported by this processor, with a loss within the limit."""
    report = manifest.precision
    return [
        name
        for name, cost in report.costs.items()
        if cost.loss <= report.limit and openvino_runtime.supports(HINTS[name])
    ]


def cpu_member(read: ReadFile, files: Collection[str], name: str, precision: str, *, jobs: int = 1) -> CompiledMember:
    """Compile a member for the CPU.

    Args:
        read: returns a file's bytes.
        files: the paths of all files of the bundle.
        name: the member's folder.
        precision: a key of `HINTS`.
        jobs: threads.
    """
    xml, weights = (read(f"members/{name}/{part}") for part in NETWORK[precision])
    head = read_head(read, files, name)
    last, head = (head.layer(), None) if isinstance(head, LinearHead) else (None, head)
    network = openvino_runtime.load(xml, weights, jobs=jobs, hint=HINTS[precision], last=last)
    return CompiledMember(name, network, head)


def vector_member(read: ReadFile, files: Collection[str], name: str, width: int) -> CompiledMember:
    """Return the head of a member that takes vectors of a width; the other arguments are those of `cpu_member`.

    Raises:
        ValueError: the member has no head, or is no member of frozen vectors.
    """
    head = read_head(read, files, name)
    if head is None:
        raise ValueError(f"{name} has no head on vectors")
    return CompiledMember(name, PassedVectors(width), head)


def gpu_member(read: ReadFile, folder: Path, manifest: Manifest, name: str, precision: str) -> CompiledMember:
    """Rebuild a member in Keras for the GPU.

    Raises:
        ValueError: the member cannot be rebuilt.
    """
    from ensemble.networks.rebuild import RebuildTarget, rebuild_network  # noqa: PLC0415  needs the train extra

    file = f"members/{name}/network.weights.h5"
    read(file)  # checks its hash; Keras then reads the file itself
    settings = next(entry for entry in manifest.read_recipe().members if entry.name == name.partition("-")[2])
    space = manifest.space
    target = RebuildTarget(manifest.spec, len(space.names), decision_file.rules(space).groups, POLICIES[precision])
    network = rebuild_network(settings, folder / file, target)
    return CompiledMember(name, network, read_head(read, manifest.files, name))


def _member_from_file(manifest: Manifest) -> str:
    """Return the name of the first member whose backbone is a file of the user's own; empty if there is none."""
    names = [name.partition("-")[2] for name in manifest.members]
    own = [entry.name for entry in manifest.read_recipe().members if is_foreign(entry.backbone)]
    return next((name for name in own if name in names), "")


def _missing_for_gpu() -> str:
    """What a GPU needs and this machine lacks, for a message; empty if nothing."""
    if find_spec("keras") is None:
        return "a GPU needs Keras"
    from features.networks import devices  # noqa: PLC0415  needs the train extra

    return "" if devices.count_accelerators() else "Keras sees no GPU here"


def read_head(read: ReadFile, files: Collection[str], name: str) -> Head | None:
    """Return the head on a member's vectors; None if its network gives scores. Arguments are those of `cpu_member`."""
    names = [file for file in HEAD_FILES if f"members/{name}/{file}" in files]
    return parse_head(names[0], read(f"members/{name}/{names[0]}")) if names else None
