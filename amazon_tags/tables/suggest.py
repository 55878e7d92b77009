"""Suggest the right name for a mistyped one."""

import difflib
from collections.abc import Iterable

MIN_BEGINNING = 3  # letters; fewer are the beginning of a name by chance


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that `word` probably stands for, or None.

    The only choice that begins with the word comes before others that look alike.

    Example:
        >>> nearest("Artisanal_mine", ["artisinal_mine", "conventional_mine"])
        'artisinal_mine'
        >>> nearest("volcano", ["artisinal_mine", "conventional_mine"])
        >>> nearest("block6a", ["block6a_expand", "block6d_add"])
        'block6a_expand'
    """
    folded = {choice.casefold(): choice for choice in choices}
    longer = [choice for choice in folded if choice.startswith(word.casefold())]
    if len(longer) == 1 and len(word) >= MIN_BEGINNING:
        return folded[longer[0]]
    matches = difflib.get_close_matches(word.casefold(), folded, n=1)
    return folded[matches[0]] if matches else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return a clause for the end of an error message, or an empty string if no choice is near."""
    near = nearest(word, choices)
    return f" (did you mean {near}?)" if near else ""
