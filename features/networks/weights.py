"""Read weight files into backbones, and extend the weights of three bands to more."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import keras
import numpy as np


def load_file(part: keras.Model, whole: keras.Model, path: Path, truncations: Sequence[str]) -> None:
    """Load a weight file into the part of a backbone up to a layer or, if it holds more, into the whole backbone.

    Args:
        part: Shares its layers with `whole`.
        whole: The backbone without its classifier.
        path: A `.weights.h5` or `.h5` file.
        truncations: The layers at which the backbone may be truncated; the message of a misfit names the one that fits.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not HDF5, does not fit, or holds values that are not finite.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; --weights takes a .weights.h5 or .h5 file.")
    try:
        count = _count_values(path)
        fitting = [model for model in (part, whole) if model.count_params() == count]
        if not fitting:
            raise ValueError(_misfit(path, count, part, whole, truncations))
        fitting[0].load_weights(path)
    except (KeyError, OSError, RuntimeError) as error:
        raise ValueError(f"{path} is not a readable HDF5 file ({error}); pass a .weights.h5 file.") from error
    if not all(np.isfinite(value).all() for value in fitting[0].get_weights()):
        raise ValueError(f"{path} holds weights that are not finite numbers; download or save it again.")


def copy_to_more_channels(narrow: keras.Model, wide: keras.Model) -> None:
    """Copy the weights of a network of three channels to the same network with more.

    The first layer's weights of each further channel are the mean of the three channels' weights.
    """
    values = narrow.get_weights()
    first = next(place for place, value in enumerate(wide.get_weights()) if value.shape != values[place].shape)
    further = wide.get_weights()[first].shape[2] - values[first].shape[2]
    mean = np.repeat(values[first].mean(axis=2, keepdims=True), further, axis=2)
    values[first] = np.concatenate([values[first], mean], axis=2)
    wide.set_weights(values)


@contextmanager
def explain_download_error(name: str) -> Iterator[None]:
    """Raise FileNotFoundError, with the folder where Keras looks for a file, if ImageNet weights cannot be had."""
    try:
        yield
    except Exception as error:  # Keras raises a bare Exception when a download fails
        cache = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
        raise FileNotFoundError(
            f"the ImageNet weights of {name} are not in {cache} and could not be downloaded ({error}); "
            "put that file there under its own name, or pass --weights with a file."
        ) from error


def _misfit(path: Path, count: int, part: keras.Model, whole: keras.Model, truncations: Sequence[str]) -> str:
    """Return the message for a file of `count` weights that fits neither the part nor the whole backbone."""
    needed = f"{part.count_params():,} up to this layer"
    if whole is not part:
        needed += f" or {whole.count_params():,} as a whole"

    fitting = [
        layer
        for layer in truncations
        if keras.Model(whole.input, whole.get_layer(layer).output).count_params() == count
    ]
    advice = f"truncate it at {fitting[0]}" if fitting else "pass the weights of this backbone, saved without its top"
    return f"{path} holds {count:,} weights, but {whole.name} needs {needed}; {advice}."


def _count_values(path: Path) -> int:
    """Return the number of values in all data sets of an HDF5 file."""
    sizes: list[int] = []
    with h5py.File(path) as archive:
        archive.visititems(
            lambda _, item: sizes.append(math.prod(item.shape)) if isinstance(item, h5py.Dataset) else None
        )
    return sum(sizes)
