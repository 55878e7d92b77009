"""Groups of pairs of chips that must stay in one fold, since they share chips or groups of chips."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from amazon_tags.datasets.connected import leaders
from features.images import listing
from features.images.date_pair import DatePair
from features.images.listing import ChipPath


def group_pairs(pairs: Sequence[DatePair], chip_groups: Sequence[tuple[str, str]] = ()) -> NDArray[np.str_] | None:
    """Return a group (pairs,) for pairs that must stay in one fold, or None if each could be in its own.

    Pairs that share a chip, or of which chips are of one group, are a group, and so on from pair to pair.

    Args:
        pairs: the pairs.
        chip_groups: (name, group) of chips.
    """
    links = [(f"chip {chip}", f"group {group}") for chip, group in chip_groups]
    links += [(_node(pair.before), _node(pair.after)) for pair in pairs]
    nodes = {node: number for number, node in enumerate(dict.fromkeys(node for link in links for node in link))}
    linked = leaders(len(nodes), np.array([[nodes[node] for node in link] for link in links]))

    of_pairs = [int(linked[nodes[_node(pair.before)]]) for pair in pairs]
    firsts: dict[int, str] = {}
    for pair, leader in zip(pairs, of_pairs, strict=True):
        firsts.setdefault(leader, pair.name)
    if len(firsts) == len(pairs):
        return None
    return np.array([firsts[leader] for leader in of_pairs])


def chip_names(pairs: Iterable[DatePair]) -> list[str]:
    """Return the names of the chips of pairs, each once, in the order of the pairs."""
    return list(dict.fromkeys(listing.name(chip) for pair in pairs for chip in (pair.before, pair.after)))


def _node(chip: ChipPath) -> str:
    return f"chip {listing.name(chip)}"
