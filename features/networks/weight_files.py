"""Refuse weights that cannot be downloaded, and files that cannot hold any, before a network is built.

`weights` reads the files.
"""

import zipfile
from pathlib import Path

from features.networks.backbone_shapes import BACKBONE_SHAPES


def refuse_download(name: str, weights: str) -> None:
    """Raise ValueError if a backbone shall start from ImageNet weights that nobody offers for download."""
    if weights == "imagenet" and not BACKBONE_SHAPES[name].download:
        raise ValueError(
            f"{name} has no weights that can be downloaded; pass a file: train --weights {name}=FILE, or embed "
            '--weights FILE (.weights.h5 or .npz). A tuned member can also be trained from nothing: init = "random".'
        )


def refuse_other_files(path: Path) -> None:
    """Raise an error unless a file is HDF5 or an `.npz` archive.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is neither.
    """
    import h5py  # noqa: PLC0415  of the train extra, without which heads on vectors can be trained

    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; weights are in a .weights.h5, .h5 or .npz file.")
    if not h5py.is_hdf5(path) and not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path} is not a readable HDF5 file or .npz archive; pass a .weights.h5 file, or an .npz of named arrays."
        )
