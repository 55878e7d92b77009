"""Suggest the right name for a mistyped one."""

import difflib
from collections.abc import Iterable


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that `word` probably stands for, or None.

    Example:
        >>> nearest("Artisanal_mine", ["artisinal_mine", "conventional_mine"])
        'artisinal_mine'
        >>> nearest("volcano", ["artisinal_mine", "conventional_mine"])
    """
    folded = {choice.casefold(): choice for choice in choices}
    matches = difflib.get_close_matches(word.casefold(), folded, n=1)
    return folded[matches[0]] if matches else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return a clause for the end of an error message, or an empty string if no choice is near."""
    near = nearest(word, choices)
    return f" (did you mean {near}?)" if near else ""
