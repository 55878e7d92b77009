"""Near names for a mistyped one."""

import difflib
from collections.abc import Iterable


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that `word` was probably meant to be, or None.

    Example:
        >>> nearest("Artisanal_mine", ["artisinal_mine", "conventional_mine"])
        'artisinal_mine'
        >>> nearest("volcano", ["artisinal_mine", "conventional_mine"])
    """
    folded = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(word.casefold(), folded, n=1)
    return folded[found[0]] if found else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A clause to end an error with; empty where nothing is near."""
    near = nearest(word, choices)
    return f" (did you mean {near}?)" if near else ""
