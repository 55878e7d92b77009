"""What chips are called: names in tables, and their natural order."""

import re

IMAGE_SUFFIX = re.compile(r"(\.(jpe?g|png|tiff?))+$", re.IGNORECASE)
NUMBER = re.compile(r"\d{1,4000}")  # Python makes no number of more digits
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


def natural(file_name: str) -> str:
    """A key that sorts train_2 before train_10, and brings together what has one name in tables.

    Example:
        >>> sorted(["b.jpg", "a10.jpg", "a9.jpg", "a09.jpg"], key=natural)
        ['a09.jpg', 'a9.jpg', 'a10.jpg', 'b.jpg']
    """
    whole = name(file_name)
    return "\0".join((NUMBER.sub(_by_length, whole), whole, file_name))


def _by_length(found: re.Match[str]) -> str:
    """A number as text that sorts by its value: first how many digits it has, in signs that sort before all others."""
    digits = str(int(found[0]))
    return chr(1 + len(digits) // 30) + chr(1 + len(digits) % 30) + digits
