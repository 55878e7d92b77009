"""What a manifest says of a file beside it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FileEntry:
    """The size in bytes and the SHA-256 of a file."""

    size: int
    sha256: str
