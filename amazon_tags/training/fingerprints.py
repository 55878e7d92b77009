"""Fingerprints of chips: SHA-256 of their files, and of many chips together."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from amazon_tags.files.hashes import sha256_bytes
from features.images import chips, listing
from features.images.listing import ChipPath


def hash_chips(paths: Sequence[ChipPath], *, jobs: int = 1) -> dict[ChipPath, str]:
    """Return the SHA-256 of each chip file's bytes, in the order of `paths`."""
    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip(paths, pool.map(lambda path: sha256_bytes(chips.bytes_of(path)), paths), strict=True))


def combine_hashes(hashes: Mapping[ChipPath, str]) -> str:
    """Return one SHA-256 of chips in order, by name and content."""
    return combine_named((listing.name(path), digest) for path, digest in hashes.items())


def combine_named(pairs: Iterable[tuple[str, str]]) -> str:
    """Return one SHA-256 of chips in order, of each the name and the hash."""
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in pairs).encode()).hexdigest()


def refuse_changed_chips(hashes: Mapping[ChipPath, str], *, jobs: int = 1) -> None:
    """Raise ValueError if the content of chips is no longer that of `hashes`."""
    now = hash_chips(list(hashes), jobs=jobs)
    changed = [path for path, digest in hashes.items() if now[path] != digest]
    if changed:
        raise ValueError(
            f"{len(changed)} of {len(hashes)} chips were changed during the run (first: {changed[0]}); "
            "start it again when no program writes to them."
        )
