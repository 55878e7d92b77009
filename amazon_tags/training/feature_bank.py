"""The feature bank: vectors of chips on disk, complete or absent.

A bank is a folder of `vectors.npy` (chips, dim) float32, `chips.csv` (image_name, sha256; the rows' order) and
`bank.json` (its key). The key identifies by content what the vectors were computed from: equal keys, equal vectors.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.lib.format import open_memmap

from amazon_tags import progress, records
from amazon_tags.files import atomic, folders
from amazon_tags.files.hashes import sha256_bytes
from amazon_tags.model.damage import refusing_damage
from amazon_tags.records import json_keys
from amazon_tags.training.fingerprints import Row, refuse_changed_chips
from ensemble.arrays import Vectors
from features.images import listing
from features.images.layout import AS_STATED, Layout
from features.images.listing import ChipPath
from features.images.spec import ChipSpec
from features.images.stored import RGB
from features.networks import extract
from features.networks.openvino_runtime import OpenvinoNetwork

FORMAT = 1


class BankError(ValueError):
    """A folder that is not a feature bank, or one of another format."""


@json_keys(layer="cut", optional=("layout", "pool", "bands"))
@dataclass(frozen=True)
class BankKey:
    """Everything that the vectors depend on.

    Attributes:
        chips: one hash of the chips in order, by name and content.
        weights: `imagenet`, `none` or the hash of a weight file.
        backbone: its name.
        layer: where the backbone ends, `top` or a layer's name; in JSON `cut`.
        side: the chips' side in pixels.
        views: the number of dihedral views that a vector is averaged over.
        format: of the bank's files.
        layout: how bands and levels of the files are read.
        pool: how feature maps or tokens become a vector.
        bands: that the backbone takes.
    """

    chips: str
    weights: str
    backbone: str
    layer: str
    side: int
    views: int
    format: int = FORMAT
    layout: Layout = AS_STATED
    pool: str = "average"
    bands: tuple[str, ...] = RGB


@dataclass(frozen=True)
class FeatureBank:
    """A bank in memory: row i of `vectors` (chips, dim), a memory map, belongs to the chip `ids[i]`."""

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
    """Write the vectors of chips, each the mean over its views, into a new folder.

    Args:
        folder: the bank's folder, which must not exist.
        hashes: the chips with their hashes, from `hash_chips`.
        network: the network that computes the vectors.
        key: the bank's key, whose `bands`, `side`, `views` and `layout` are used.
        jobs: threads that decode chips.
        advance: called with the number of chips that were done since its last call.

    Raises:
        FileExistsError: `folder` exists.
        chips.ChipError: a chip cannot be used; no bank is written.
        ValueError: chips were changed in the meantime; no bank is written.
    """
    paths = list(hashes)
    spec = ChipSpec(key.bands, str(network.dtype), key.side, key.layout)
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
        atomic.write_json(part / "bank.json", records.to_json(key))


def read_bank(folder: Path) -> FeatureBank:
    """Read a bank; its vectors stay on disk until they are used.

    Raises:
        BankError: the folder is not a bank, or one of another format.
    """
    advice = "create one with amazon_tags embed"
    with refusing_damage(
        BankError, f"{folder} is no feature bank", advice, also=(FileNotFoundError, NotADirectoryError)
    ):
        key = records.from_json(BankKey, json.loads((folder / "bank.json").read_text()))
        if key.format != FORMAT:
            raise ValueError(f"format {key.format}, but this version reads {FORMAT}")
        with (folder / "chips.csv").open(newline="") as stream:
            ids = [row["image_name"] for row in csv.DictReader(stream)]
        vectors = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
        if len(ids) != len(vectors):
            raise ValueError(f"{len(ids)} names for {len(vectors)} vectors")
    return FeatureBank(ids, vectors, key)


def bank_file(folder: Path, network: tuple[bytes, bytes], spec: ChipSpec) -> Path:
    """Return where a folder keeps the vectors of a network (XML, weights) for chips of a spec, for `banked_vectors`."""
    reading = b"" if spec.layout == AS_STATED else repr(spec.layout).encode()  # the same files give other pixels
    reading += repr(spec.bands).encode() if spec.has_many_bands() else b""  # other bands may have an equal network
    return folder / f"{sha256_bytes(b''.join([*network, reading]))[:16]}.npz"


def embed_chips(
    hashes: Mapping[Row, str],
    network: OpenvinoNetwork,
    spec: ChipSpec,
    *,
    bank: Path | None,
    jobs: int,
    title: str = "embedding",
) -> Vectors:
    """Return the vectors (chips, dim) of chips, from a file of `bank_file` where it has them.

    Args:
        hashes: the chips with their hashes, from `hash_chips`.
        network: the network that computes the vectors.
        spec: the chips that it takes.
        bank: the file; None computes all vectors and keeps none.
        jobs: threads that decode chips.
        title: of the progress bar.

    Raises:
        chips.ChipError: a chip cannot be used.
        ValueError: chips were changed in the meantime.
    """
    paths = list(hashes)

    def compute(rows: Sequence[int]) -> Vectors:
        chosen = [paths[row] for row in rows]
        vectors = np.zeros((len(chosen), network.dim), np.float32)
        with progress.bar(title, len(chosen)) as advance:
            for outputs in extract.stream_outputs(chosen, [network], spec, jobs=jobs):
                vectors[outputs.rows] = outputs.values[0][0]
                advance(len(outputs.errors))
        refuse_changed_chips({path: hashes[path] for path in chosen}, jobs=jobs)
        return vectors

    return banked_vectors(bank, list(hashes.values()), compute) if bank else compute(range(len(paths)))


def banked_vectors(path: Path, hashes: Sequence[str], compute: Callable[[Sequence[int]], Vectors]) -> Vectors:
    """Return vectors (chips, dim) by content: from a file where it has them, else computed and added to the file.

    Args:
        path: a file of one network's vectors; a damaged one is replaced.
        hashes: the SHA-256 of each chip.
        compute: returns the vectors of some rows.
    """
    rows, vectors = _read_vectors(path)
    first = {digest: row for row, digest in reversed(list(enumerate(hashes)))}  # chips of equal content share a vector
    missing = sorted(row for digest, row in first.items() if digest not in rows)
    if missing or vectors is None:
        new = compute(missing)
        vectors = new if vectors is None else np.concatenate([vectors, new])
        rows |= {hashes[row]: len(vectors) - len(new) + place for place, row in enumerate(missing)}
        _write_vectors(path, rows, vectors)
    result: Vectors = vectors[[rows[digest] for digest in hashes]]
    return result


def _read_vectors(path: Path) -> tuple[dict[str, int], Vectors | None]:
    """The row of each hash, and the vectors; None if there is no sound file."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            digests, vectors = archive["sha256"], archive["vectors"]
            if len(digests) == len(vectors):  # earlier versions wrote more vectors where chips had equal content
                return {bytes(digest).hex(): row for row, digest in enumerate(digests)}, vectors
    except (BadZipFile, EOFError, KeyError, OSError, ValueError):
        pass
    return {}, None


def _write_vectors(path: Path, rows: Mapping[str, int], vectors: Vectors) -> None:
    hashes = sorted(rows, key=lambda digest: rows[digest])
    digests = np.array([list(bytes.fromhex(digest)) for digest in hashes], np.uint8)
    stream = io.BytesIO()
    np.savez(stream, sha256=digests, vectors=vectors)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, stream.getvalue())
