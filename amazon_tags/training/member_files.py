"""Files in the work folder of a member: its networks, what they give for chips, and cached arrays."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from amazon_tags import progress
from amazon_tags.files import atomic, preflight
from amazon_tags.model.damage import refusing_damage
from amazon_tags.training.examples import Examples
from amazon_tags.training.network_files import member_network
from ensemble.heads.fitted import HEAD_FILES, LinearHead
from ensemble.heads.head_files import load_head
from features.images.listing import ChipRow
from features.networks import extract, openvino_export, openvino_runtime
from features.networks.openvino_runtime import OutputLayer

ViewOutputs = NDArray[np.float32]  # (views, chips, labels or dim): what a network gives
WEIGHT_BYTES = 3 * 4  # a float32 parameter is written to network.bin, to network.weights.h5 and to a temporary file


class WorkFileError(ValueError):
    """A file that an earlier run left in the work folder is damaged."""


def write_network(model: keras.Model, folder: Path) -> None:
    """Write a network in OpenVINO's format, and its Keras weights."""
    preflight.refuse_full(folder, WEIGHT_BYTES * model.count_params())  # HDF5 crashes on a full disk
    openvino_export.export(model, folder)
    model.save_weights(folder / "network.weights.h5")


def copy_files(source: Path, target: Path) -> None:
    """Copy the files of one folder into another."""
    for path in source.iterdir():
        atomic.write_bytes(target / path.name, path.read_bytes())


def member_scores(
    unit: Path, examples: Examples, rows: NDArray[np.intp], *, network: Path | None = None, hint: str = "f32"
) -> ViewOutputs:
    """Return the scores (views, chips, labels) of a unit's exported network and head, as users will run them.

    Args:
        unit: the unit's folder.
        examples: all chips.
        rows: the chips to score.
        network: a folder with another network in place of the unit's.
        hint: see `openvino_runtime.load`.
    """
    paths = [examples.paths[row] for row in rows]
    head = load_head(unit) if any((unit / name).exists() for name in HEAD_FILES) else None
    last, head = (head.layer(), None) if isinstance(head, LinearHead) else (None, head)
    outputs = network_outputs(network or unit, examples, paths, examples.views, hint=hint, last=last)
    return outputs if head is None else np.stack([head.scores(view) for view in outputs])


def network_outputs(
    folder: Path,
    examples: Examples,
    paths: Sequence[ChipRow],
    views: int,
    *,
    hint: str = "f32",
    last: OutputLayer | None = None,
) -> ViewOutputs:
    """Return what the network in a folder gives for chips; `last` is a layer to put at its end."""
    network = openvino_runtime.load(*member_network(folder), jobs=examples.jobs, hint=hint, last=last)
    result = np.zeros((views, len(paths), network.dim), np.float32)
    with progress.bar(folder.parent.name, len(paths)) as advance:
        for outputs in extract.stream_outputs(paths, [network], examples.spec, turns=views, jobs=examples.jobs):
            result[:, outputs.rows] = outputs.values[0]
            advance(len(outputs.errors))
    return result


def cached_array(path: Path, make: Callable[[], ViewOutputs]) -> ViewOutputs:
    """Return the array of a file; if there is no such file, make the array and write it first."""
    if not path.exists():
        buffer = io.BytesIO()
        np.save(buffer, make())
        atomic.write_bytes(path, buffer.getvalue())
    with refusing_damaged_work(path):
        array: ViewOutputs = np.load(path, allow_pickle=False)
    return array


@contextmanager
def refusing_damaged_work(path: Path) -> Iterator[None]:
    """Turn errors of reading a file that an earlier run left into one that says which file and what to do."""
    problem, advice = f"{path}, of an earlier run, is damaged", f"delete {path.parent} and start again"
    with refusing_damage(WorkFileError, problem, advice, also=(OSError,)):
        yield
