"""Refuse files that cannot hold weights, before any network is built; `weights` reads them."""

from pathlib import Path

import h5py


def refuse_other_files(path: Path) -> None:
    """Raise an error unless a file is HDF5.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not HDF5.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; --weights takes a .weights.h5 or .h5 file.")
    if not h5py.is_hdf5(path):
        raise ValueError(f"{path} is not a readable HDF5 file; pass a .weights.h5 file.")
