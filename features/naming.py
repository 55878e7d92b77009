"""What chips are called: names in tables, and their natural order."""

import re
from pathlib import Path

IMAGE_SUFFIX = re.compile(r"(\.(jpe?g|png|tiff?))+$", re.IGNORECASE)
UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, and bytes that are no UTF-8


def name(file_name: str) -> str:
    """What a chip is called in tables: its file's name without the image suffix, or suffixes.

    Example:
        >>> name("train_2.jpg"), name("b.1.tif.png"), name("train_3")
        ('train_2', 'b.1', 'train_3')
    """
    return IMAGE_SUFFIX.sub("", file_name)


def writable(file_name: str) -> bool:
    """Whether a table can hold the name."""
    return not UNWRITABLE.search(file_name)


def natural(path: Path) -> tuple[list[str | int], str, str]:
    """A key that sorts train_2 before train_10."""
    # Text and numbers take turns in every key, so that like is compared with like.
    # The whole name follows, or a/1, a/01 and b/1 would stand in this order, and the two 1 would not meet.
    whole = name(path.name)
    parts = re.split(r"(\d+)", whole)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], whole, path.as_posix()
