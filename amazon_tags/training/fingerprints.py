"""Fingerprints of chips: SHA-256 of their files, and of many chips together."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from amazon_tags.files.hashes import sha256_bytes
from features.images import chips, listing
from features.images.date_pair import DatePair
from features.images.listing import ChipPath, ChipRow

Row = TypeVar("Row", bound=ChipRow)


def hash_chips(paths: Sequence[Row], *, jobs: int = 1) -> dict[Row, str]:
    """Return the SHA-256 of each chip file's bytes, in the order of `paths`; of a pair, that of its chips' hashes."""
    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip(paths, pool.map(_hash, paths), strict=True))


def _hash(row: ChipRow) -> str:
    if isinstance(row, DatePair):
        return sha256_bytes(f"{_hash(row.before)} {_hash(row.after)}".encode())
    return sha256_bytes(chips.bytes_of(row))


def combine_hashes(hashes: Mapping[ChipPath, str]) -> str:
    """Return one SHA-256 of chips in order, by name and content."""
    return combine_named((listing.name(path), digest) for path, digest in hashes.items())


def combine_named(pairs: Iterable[tuple[str, str]]) -> str:
    """Return one SHA-256 of chips in order, of each the name and the hash."""
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in pairs).encode()).hexdigest()


def refuse_changed_chips(hashes: Mapping[Row, str], *, jobs: int = 1) -> None:
    """Raise ValueError if the content of chips is no longer that of `hashes`."""
    now = hash_chips(list(hashes), jobs=jobs)
    changed = [path for path, digest in hashes.items() if now[path] != digest]
    if changed:
        raise ValueError(
            f"{len(changed)} of {len(hashes)} chips were changed during the run (first: {changed[0]}); "
            "start it again when no program writes to them."
        )
