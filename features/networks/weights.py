"""Read weight files into backbones, and extend the weights of three bands to more."""

import math
import os
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import h5py
import keras
import numpy as np

from features.networks import weight_files


@dataclass(frozen=True)
class ArrayNames:
    """How the arrays of an `.npz` with a backbone's weights are named.

    Attributes:
        of_path: Returns the name of the variable with this path, such as `stem_conv/kernel`.
        spare: Arrays that a file may hold besides, and that are not read.
    """

    of_path: Callable[[str], str]
    spare: tuple[str, ...] = ()


TRAINED = "settled"  # Keras' name in weight files of the layers `settled.Settled`
VARIABLE_PATHS = ArrayNames(str)  # the variables' own paths


def load_file(
    part: keras.Model, whole: keras.Model, path: Path, *, name: str, truncations: Sequence[str], arrays: ArrayNames
) -> None:
    """Load a weight file into the part of a backbone up to a layer or, if it holds more, into the whole backbone.

    Args:
        part: Shares its layers with `whole`.
        whole: The backbone without its classifier.
        path: A `.weights.h5`, `.h5` or `.npz` file.
        name: The backbone's, for messages; Keras' networks have other names.
        truncations: The layers at which the backbone may be truncated; the message of a misfit names the one that fits.
        arrays: The names in an `.npz`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is neither HDF5 nor an `.npz`, does not fit, or holds values that are not finite.
    """
    weight_files.refuse_other_files(path)
    if h5py.is_hdf5(path):
        _load_hdf5(part, whole, path, name, truncations)
    else:
        _load_arrays(part, whole, path, name, arrays)
    if not all(np.isfinite(value).all() for value in part.get_weights()):
        raise ValueError(f"{path} holds weights that are not finite numbers; download or save it again.")


def is_trained_network(weights: str) -> bool:
    """Return whether weights are the file of a member of a bundle: of backbones as `backbones.build` returns them."""
    if not weights.endswith(".h5") or not h5py.is_hdf5(weights):
        return False
    with suppress(OSError), h5py.File(weights) as archive:  # `load_file` refuses a damaged file
        return f"layers/{TRAINED}" in archive
    return False


def holds_exactly(path: Path, network: keras.Model) -> bool:
    """Return whether an HDF5 file holds as many numbers as a network has; `load_file` refuses a damaged one."""
    if not h5py.is_hdf5(path):
        return False
    with suppress(OSError), h5py.File(path) as archive:
        return bool(_count_values(archive) == network.count_params())
    return False


def load_trained(model: keras.Model, path: Path, *, name: str) -> None:
    """Load the backbones of a member of a bundle; its head is not read.

    Args:
        model: From `backbones.build`.
        path: The member's `network.weights.h5`.
        name: The backbone's, for messages.

    Raises:
        ValueError: The file is damaged, is that of another backbone, or holds values that are not finite.
    """
    try:
        with h5py.File(path) as archive:
            groups = [group for key, group in archive["layers"].items() if key.startswith(TRAINED)]
            count = sum(_count_values(group) for group in groups)
        if count != model.count_params():
            raise ValueError(
                f"{path} holds backbones of {count:,} weights, but {name} has {model.count_params():,} here; pass the "
                "file of a member with the same backbone, layer and input."
            )
        model.load_weights(path)
    except (KeyError, OSError, RuntimeError) as error:
        raise ValueError(f"{path} is not a readable HDF5 file ({error}); train the bundle again.") from error
    if not all(np.isfinite(value).all() for value in model.get_weights()):
        raise ValueError(f"{path} holds weights that are not finite numbers; train the bundle again.")


def _load_hdf5(part: keras.Model, whole: keras.Model, path: Path, backbone: str, truncations: Sequence[str]) -> None:
    """Load a file that Keras wrote; it is known by its number of values."""
    try:
        with h5py.File(path) as archive:
            count = _count_values(archive)
        fitting = [model for model in (part, whole) if model.count_params() == count]
        if not fitting:
            raise ValueError(
                f"{path} holds {count:,} weights, but {backbone} needs {_misfit(count, part, whole, truncations)}."
            )
        fitting[0].load_weights(path)
    except (KeyError, OSError, RuntimeError) as error:
        raise ValueError(f"{path} is not a readable HDF5 file ({error}); pass a .weights.h5 file.") from error


def _load_arrays(part: keras.Model, whole: keras.Model, path: Path, backbone: str, arrays: ArrayNames) -> None:
    """Load the arrays of an `.npz`, floats of any precision, into the part; those of further layers may be absent."""
    variables = {arrays.of_path(variable.path): variable for variable in part.variables}
    known = {arrays.of_path(variable.path) for variable in whole.variables} | set(arrays.spare)
    with _refusing_damage(path):
        archive = np.load(path, allow_pickle=False)
    with archive:
        _refuse_other_names(path, backbone, list(variables), known, archive.files)
        for name, variable in variables.items():
            with _refusing_damage(path):
                value = archive[name]
            if value.shape != tuple(variable.shape) or value.dtype.kind != "f":
                raise ValueError(
                    f"{path} holds {name} as {value.dtype} {value.shape}, but {backbone} needs floats of shape "
                    f"{tuple(variable.shape)}; pass the weights of {backbone}."
                )
            variable.assign(value)


@contextmanager
def _refusing_damage(path: Path) -> Iterator[None]:
    """Turn the errors of reading an `.npz` into one; NumPy's ValueError is that of an array of Python objects."""
    try:
        yield
    except (BadZipFile, EOFError, OSError, ValueError, zlib.error) as error:
        raise ValueError(f"{path} is not a readable .npz archive ({error}); download or save it again.") from error


def _refuse_other_names(
    path: Path, network: str, needed: Sequence[str], known: Collection[str], found: Sequence[str]
) -> None:
    """Raise ValueError if needed arrays are missing, or some belong to nothing."""
    missing = [name for name in needed if name not in found]
    extra = [name for name in found if name not in known]
    faults = [
        f"{word} {len(names)} {'array' if len(names) == 1 else 'arrays'} (the first is {names[0]})"
        for word, names in (("lacks", missing), ("has further", extra))
        if names
    ]
    if faults:
        raise ValueError(f"{path} {' and '.join(faults)}; it must hold the weights of {network} and nothing else.")


def copy_to_more_channels(narrow: keras.Model, wide: keras.Model, *, dates: int = 1) -> None:
    """Copy the weights of a network of three channels to the same network with more.

    The first layer's weights of each further channel are the mean of the three channels' weights. Where its image shows
    several dates, each gets these weights, divided by the number of dates: two equal dates give what one alone gives.
    """
    values = narrow.get_weights()
    first = next(place for place, value in enumerate(wide.get_weights()) if value.shape != values[place].shape)
    further = wide.get_weights()[first].shape[2] // dates - values[first].shape[2]
    mean = np.repeat(values[first].mean(axis=2, keepdims=True), further, axis=2)
    values[first] = np.concatenate([values[first], mean] * dates, axis=2) / dates
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


def _misfit(count: int, part: keras.Model, whole: keras.Model, truncations: Sequence[str]) -> str:
    """Return what is needed in place of `count` weights, which fit neither the part nor the whole, and what to do."""
    needed = f"{part.count_params():,} up to this layer"
    if whole is not part:
        needed += f" or {whole.count_params():,} as a whole"

    fitting = [
        layer
        for layer in truncations
        if keras.Model(whole.input, whole.get_layer(layer).output).count_params() == count
    ]
    advice = f"truncate it at {fitting[0]}" if fitting else "pass the weights of this backbone, saved without its top"
    return f"{needed}; {advice}"


def _count_values(group: h5py.Group) -> int:
    """Return the number of values in all data sets of an HDF5 file or group."""
    sizes: list[int] = []
    group.visititems(lambda _, item: sizes.append(math.prod(item.shape)) if isinstance(item, h5py.Dataset) else None)
    return sum(sizes)
