"""The feature bank: vectors of chips on disk, complete or absent.

A bank is a folder of `vectors.npy` (chips, dim) float32, `chips.csv` (image_name, sha256; the rows' order) and
`bank.json` (its key). The key tells by content what the vectors were made of, so equal keys mean equal vectors.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.lib.format import open_memmap

from amazon_tags.files import atomic, folders
from amazon_tags.training.fingerprints import refuse_changed_chips
from ensemble.arrays import Vectors
from features.images import listing
from features.images.chips import ChipSpec
from features.images.listing import ChipPath
from features.networks import extract
from features.networks.openvino_runtime import OpenvinoNetwork

FORMAT = 1


@dataclass(frozen=True)
class BankKey:
    """What decides the vectors: the chips' bytes in order, the weights, where the network was cut, the views."""

    chips: str
    weights: str
    backbone: str
    layer: str
    side: int
    views: int
    format: int = FORMAT


@dataclass(frozen=True)
class FeatureBank:
    """A bank that was read: row i of `vectors` (a memory map) is the chip `ids[i]`."""

    ids: list[str]
    vectors: Vectors
    key: BankKey


def write_bank(
    folder: Path,
    hashes: Mapping[ChipPath, str],
    network: OpenvinoNetwork,
    key: BankKey,
    *,
    jobs: int = 1,
    advance: Callable[[int], None] = lambda count: None,
) -> None:
    """Stream the vectors of chips, each the mean over its views, into a new folder.

    Args:
        folder: the bank to be.
        hashes: the chips, as `fingerprints` gives them.
        network: what makes the vectors.
        key: what tells them from others; its `side` and `views` are used.
        jobs: threads that decode.
        advance: told how many chips more are done.

    Raises:
        FileExistsError: something stands at `folder`.
        chips.ChipError: a chip cannot be used; then there is no bank.
        ValueError: chips were changed in the meantime; neither is there then.
    """
    paths = list(hashes)
    spec = ChipSpec(side=key.side)
    with folders.atomic_folder(folder) as part:
        vectors = open_memmap(part / "vectors.npy", "w+", np.float32, (len(paths), network.dim))
        for outputs in extract.stream_outputs(paths, [network], spec, turns=key.views, jobs=jobs):
            vectors[outputs.rows] = outputs.values[0].mean(axis=0)
            advance(len(outputs.errors))
        vectors.flush()
        refuse_changed_chips(hashes, jobs=jobs)
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(("image_name", "sha256"))
        rows.writerows((listing.name(path), digest) for path, digest in hashes.items())
        atomic.write_text(part / "chips.csv", table.getvalue())
        atomic.write_json(part / "bank.json", _stored(key))


def _stored(key: BankKey) -> dict[str, Any]:
    """The values of `bank.json`, in which the layer is called `cut`."""
    return {"cut" if name == "layer" else name: value for name, value in asdict(key).items()}


def read_bank(folder: Path) -> FeatureBank:
    """A bank as it was written, its vectors left on disk until they are used.

    Raises:
        ValueError: if the folder is no bank, or one of another format.
    """
    try:
        values: dict[str, Any] = json.loads((folder / "bank.json").read_text())
        if values.get("format") != FORMAT:
            raise ValueError(f"format {values.get('format')}, but this version reads {FORMAT}")
        key = BankKey(layer=values.pop("cut"), **values)
        with (folder / "chips.csv").open(newline="") as stream:
            ids = [row["image_name"] for row in csv.DictReader(stream)]
        vectors = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
        if len(ids) != len(vectors):
            raise ValueError(f"{len(ids)} names for {len(vectors)} vectors")
    except (AttributeError, EOFError, FileNotFoundError, KeyError, NotADirectoryError, TypeError, ValueError) as error:
        raise ValueError(f"{folder} is no feature bank ({error}); make one by amazon_tags embed.") from error
    return FeatureBank(ids, vectors, key)


def banked_vectors(path: Path, hashes: Sequence[str], make: Callable[[Sequence[int]], Vectors]) -> Vectors:
    """Vectors (chips, dim) by content: those that a file holds, and the others made, which the file then holds too.

    Args:
        path: a file of one network's vectors; a damaged one is made anew.
        hashes: the SHA-256 of each chip.
        make: vectors of some rows.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            known = {bytes(digest).hex(): row for row, digest in enumerate(archive["sha256"])}
            held: Vectors | None = archive["vectors"]
    except (BadZipFile, EOFError, KeyError, OSError, ValueError):
        known, held = {}, None
    missing = [row for row, digest in enumerate(hashes) if digest not in known]
    if not missing and held is not None:
        found: Vectors = held[[known[digest] for digest in hashes]]
        return found
    made = make(missing)
    both = made if held is None else np.concatenate([held, made])
    known |= {hashes[row]: len(both) - len(made) + place for place, row in enumerate(missing)}
    stream = io.BytesIO()
    digests = np.array(
        [list(bytes.fromhex(digest)) for digest in sorted(known, key=lambda name: known[name])], np.uint8
    )
    np.savez(stream, sha256=digests, vectors=both)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, stream.getvalue())
    vectors: Vectors = both[[known[digest] for digest in hashes]]
    return vectors
