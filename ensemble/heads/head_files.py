"""Heads to files and back: `head.npz` for linear heads and neighbours, `head.json` for trees; no pickle."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble.heads.fitted import HEAD_FILES, Head, LinearHead, NeighboursHead


def save_head(head: Head, folder: Path) -> None:
    """Write the head's file into a folder that exists."""
    name, content = head.pack()
    (folder / name).write_bytes(content)


def load_head(folder: Path) -> Head:
    """The head whose file is in the folder.

    Raises:
        ValueError: for a file whose parts do not fit together.
    """
    held = [name for name in HEAD_FILES if (folder / name).is_file()]
    if len(held) != 1:
        raise FileNotFoundError(f"{folder} holds {len(held)} head files; one of {' or '.join(HEAD_FILES)} is needed.")
    return parse_head(held[0], (folder / held[0]).read_bytes())


def parse_head(name: str, content: bytes) -> Head:
    """The head of a file's name and content, as `load`."""
    if name == "head.json":
        from ensemble.heads.trees import parse_trees  # noqa: PLC0415  XGBoost takes 2 s to import, and most models hold no trees

        return parse_trees(content)
    if name != "head.npz":
        raise ValueError(f"{name} is no head's file; {' or '.join(HEAD_FILES)} is.")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        kind = str(arrays.pop("kind"))
        return READERS[kind](arrays)
    except (KeyError, TypeError, ValueError, OSError, EOFError, NotImplementedError) as error:
        raise ValueError(f"{name} is no head ({type(error).__name__}: {error}); train the model anew.") from error


def _linear(arrays: dict[str, NDArray[Any]]) -> LinearHead:
    head = LinearHead(**arrays)
    _check_shapes(head.weights.shape, 2, {"mean": head.mean, "spread": head.spread, "bias": head.bias})
    _check_values(head.mean, head.spread, head.weights, head.bias)
    return head


def _neighbours(arrays: dict[str, NDArray[Any]]) -> NeighboursHead:
    k = arrays.pop("k")
    head = NeighboursHead(**arrays, k=int(k))
    shapes = (head.known.shape[1], head.truth.shape[1]) if head.known.ndim == head.truth.ndim == 2 else ()
    _check_shapes(shapes, 2, {"mean": head.mean, "spread": head.spread})
    _check_values(head.mean, head.spread, head.known)
    if head.truth.dtype != np.bool_ or len(head.truth) != len(head.known) or not 1 <= head.k <= len(head.known):
        raise ValueError(f"{len(head.known)} vectors, {len(head.truth)} {head.truth.dtype} tags and k {head.k}")
    return head


READERS: dict[str, Callable[[dict[str, NDArray[Any]]], Head]] = {"linear": _linear, "neighbours": _neighbours}


def _check_shapes(shape: tuple[int, ...], ndim: int, parts: dict[str, NDArray[Any]]) -> None:
    """Whether mean and spread are (dim,) and the bias (labels,), when `shape` is (dim, labels)."""
    if len(shape) != ndim or 0 in shape:
        raise ValueError(f"shape {shape}, needed (dim, labels)")
    for name, part in parts.items():
        needed = (shape[name == "bias"],)
        if part.shape != needed:
            raise ValueError(f"{name} is {part.shape}, needed {needed}")


def _check_values(mean: NDArray[Any], spread: NDArray[Any], *others: NDArray[Any]) -> None:
    if any(part.dtype != np.float32 for part in (mean, spread, *others)):
        raise ValueError("numbers that are not float32")
    if not all(np.isfinite(part).all() for part in (mean, spread, *others)) or spread.min() <= 0:
        raise ValueError("numbers that are not finite, or a spread that is not positive")
