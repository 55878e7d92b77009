"""The unpruned networks of the folds in 8-bit integers, quantised and scored as the precision gate of `train` does."""

from pathlib import Path

import keras
import numpy as np

from amazon_tags.compression.units import CompressionRun, Point, Unit, untrained_network, write_dense_network
from amazon_tags.files import folders
from amazon_tags.training.member_files import ViewOutputs
from amazon_tags.training.members import PlannedMember, unit_folder
from amazon_tags.training.network_files import member_network
from amazon_tags.training.precision import precision_scores, unit_network
from ensemble.compression.strategies import UNPRUNED
from features.networks.network_costs import NetworkFiles

# Flags of processors with instructions for products of 8-bit integers, on x86 and ARM, as Linux names them.
FLAGS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
CPU_INFO = Path("/proc/cpuinfo")


def write_starts(run: CompressionRun) -> list[PlannedMember]:
    """Write the networks of all folds, as they are before pruning, into the folders of units; return the members."""
    members = []
    for name, units in run.units(Point(UNPRUNED, 1), seed=0).items():
        member = PlannedMember(units[0].settings, run.work / "int8" / name)
        for unit in units:
            _write_start(unit, run, unit_folder(member, unit.fold))
        members.append(member)
    return members


def int8_scores(run: CompressionRun, members: list[PlannedMember]) -> list[ViewOutputs]:
    """Return the out-of-fold scores (1, chips, labels) of each member in int8."""
    return [precision_scores(member, run.examples, "int8")[np.newaxis] for member in members]


def int8_networks(run: CompressionRun, members: list[PlannedMember]) -> list[NetworkFiles]:
    """Return the quantised network of each member's first fold."""
    return [member_network(unit_network(member, run.examples, 0, "int8")) for member in members]


def int8_remark() -> str:
    """Return what the row says, and what its time means on this processor."""
    try:
        words = set(CPU_INFO.read_text(encoding="utf-8").split())
    except OSError:
        words = set()
    found = [flag for flag in FLAGS if flag in words]
    if found:
        processor = f"this processor has instructions for them ({', '.join(found)})"
    elif words:
        processor = "this processor has no instructions for them, so that ms says nothing of processors that have"
    else:
        processor = "whether this processor has instructions for them is not known here"
    return (
        "int8: the unpruned networks as they were, without fine-tuning, quantised with training chips of each fold; "
        "the first convolutions may stay in floats. ms is one core's time with products of 8-bit integers, and "
        f"{processor}; parameters and multiply-adds are those of the unpruned networks"
    )


def _write_start(unit: Unit, run: CompressionRun, folder: Path) -> None:
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    keras.utils.clear_session()
    network = untrained_network(unit.tuned(), run.examples)
    network.load_weights(unit.start)
    with folders.atomic_folder(folder) as part:
        write_dense_network(network, part)
