"""Name chips: the name of a file in tables, and the natural order of names."""

import re
import unicodedata

BLANK = r"[\s\u200b\u2060\ufeff]"  # also no-break spaces, which \s contains, and those of no width
BLANKS_AROUND = re.compile(rf"\A{BLANK}+|{BLANK}+\Z")
IMAGE_SUFFIX = re.compile(rf"{BLANK}*(\.(jpe?g|png|tiff?){BLANK}*)+\Z", re.IGNORECASE)
NUMBER = re.compile(r"\d{1,4000}")  # Python converts at most 4,300 digits to a number
UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, and bytes that are not UTF-8


def name(file_name: str) -> str:
    r"""Return a chip's name in tables: its file name without folders, image suffixes and blanks around it, in NFC.

    Files, members of archives and cells of tables are all named by it, so that one chip has one name.

    Example:
        >>> name("train_2.jpg"), name("b.1.tif.png"), name("chips/train_3 "), name(r"C:\chips\a.tif")
        ('train_2', 'b.1', 'train_3', 'a')
    """
    text = file_name if file_name.isascii() else unicodedata.normalize("NFC", file_name)
    return IMAGE_SUFFIX.sub("", BLANKS_AROUND.sub("", last_part(text)))


def last_part(path: str) -> str:
    r"""Return what follows the last `/` or `\`, which separates folders on Windows and in archives made there."""
    return path[max(path.rfind("/"), path.rfind("\\")) + 1 :]


def writable(file_name: str) -> bool:
    """Return whether a table can hold the name."""
    return not UNWRITABLE.search(file_name)


def natural(file_name: str) -> str:
    """Return a sort key that places train_2 before train_10, and files of one name in tables next to each other.

    Example:
        >>> sorted(["b.jpg", "a10.jpg", "a9.jpg", "a09.jpg"], key=natural)
        ['a09.jpg', 'a9.jpg', 'a10.jpg', 'b.jpg']
    """
    table_name = name(file_name)
    return "\0".join((NUMBER.sub(_by_length, table_name), table_name, file_name))


def _by_length(match: re.Match[str]) -> str:
    """Return a number as text that sorts by value: two characters for its count of digits, then the digits.

    These characters sort before all others that a table's name may hold.
    """
    digits = str(int(match[0]))
    return chr(1 + len(digits) // 30) + chr(1 + len(digits) % 30) + digits
