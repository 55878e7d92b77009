"""Print the peak memory in bytes of a process that scores chips by the networks in a folder; run as a module."""

import resource
import sys
from pathlib import Path

import numpy as np

from features.networks import openvino_runtime


def main(folder: Path) -> None:
    """Load every network of a folder, let each score one batch, and print this process' peak memory."""
    graphs = sorted(folder.glob("*.xml"))
    networks = [openvino_runtime.load(path.read_bytes(), path.with_suffix(".bin").read_bytes()) for path in graphs]
    for network in networks:
        network(np.zeros((openvino_runtime.BATCH, *network.chip_shape), network.dtype))
    sys.stdout.write(f"{_peak_bytes()}\n")


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` of Linux also counts what the parent process had when it started this one
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(Path(sys.argv[1]))
