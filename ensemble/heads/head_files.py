"""Write heads to files and read them: `head.npz` for linear heads and neighbours, `head.json` for trees; no pickle."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble.heads.fitted import HEAD_FILES, Head, LinearHead, NeighboursHead, refuse_damage


def save_head(head: Head, folder: Path) -> None:
    """Write the head's file into a folder that exists."""
    name, content = head.pack()
    (folder / name).write_bytes(content)


def load_head(folder: Path) -> Head:
    """Read the head whose file is in the folder.

    Raises:
        FileNotFoundError: the folder has no head file, or more than one.
        ValueError: as `parse_head`.
    """
    names = [name for name in HEAD_FILES if (folder / name).is_file()]
    if len(names) != 1:
        raise FileNotFoundError(f"{folder} has {len(names)} head files; expected one of {' or '.join(HEAD_FILES)}.")
    return parse_head(names[0], (folder / names[0]).read_bytes())


def parse_head(name: str, content: bytes) -> Head:
    """Read a head from the name and content of its file.

    Raises:
        ValueError: the file is damaged, its parts do not fit together, or its name is not one of `HEAD_FILES`.
    """
    if name == "head.json":
        from ensemble.heads.trees import parse_trees  # noqa: PLC0415  XGBoost takes 2 s to import; few models have trees

        return parse_trees(content)
    if name != "head.npz":
        raise ValueError(f"{name} is not the name of a head file; expected {' or '.join(HEAD_FILES)}.")
    with refuse_damage(name):
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        kind = str(arrays.pop("kind"))
        return PARSERS[kind](arrays)


def _linear(arrays: dict[str, NDArray[Any]]) -> LinearHead:
    head = LinearHead(**arrays)
    _check_shapes(head.weights.shape, {"mean": head.mean, "spread": head.spread, "bias": head.bias})
    _check_values(head.mean, head.spread, head.weights, head.bias)
    return head


def _neighbours(arrays: dict[str, NDArray[Any]]) -> NeighboursHead:
    k = arrays.pop("k")
    head = NeighboursHead(**arrays, k=int(k))
    shape = (head.known.shape[1], head.truth.shape[1]) if head.known.ndim == head.truth.ndim == 2 else ()
    _check_shapes(shape, {"mean": head.mean, "spread": head.spread})
    _check_values(head.mean, head.spread, head.known)
    if head.truth.dtype != np.bool_ or len(head.truth) != len(head.known) or not 1 <= head.k <= len(head.known):
        raise ValueError(f"{len(head.known)} vectors, {len(head.truth)} rows of {head.truth.dtype} tags and k {head.k}")
    return head


PARSERS: dict[str, Callable[[dict[str, NDArray[Any]]], Head]] = {"linear": _linear, "neighbours": _neighbours}


def _check_shapes(shape: tuple[int, ...], parts: dict[str, NDArray[Any]]) -> None:
    """Raise an error unless `shape` is (dim, labels), mean and spread are (dim,) and the bias is (labels,)."""
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"shape {shape}, expected (dim, labels)")
    for name, part in parts.items():
        expected = (shape[name == "bias"],)
        if part.shape != expected:
            raise ValueError(f"{name} has shape {part.shape}, expected {expected}")


def _check_values(mean: NDArray[Any], spread: NDArray[Any], *others: NDArray[Any]) -> None:
    if any(part.dtype != np.float32 for part in (mean, spread, *others)):
        raise ValueError("numbers that are not float32")
    if not all(np.isfinite(part).all() for part in (mean, spread, *others)) or spread.min() <= 0:
        raise ValueError("numbers that are not finite, or a spread that is not positive")
