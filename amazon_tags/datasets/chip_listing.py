"""List the chips of folders, archives and files for a command, and report pictures that are left out."""

from collections.abc import Sequence
from pathlib import Path

from amazon_tags import progress
from features.images import listing
from features.images.listing import Listing


def list_chips(paths: Sequence[Path]) -> Listing:
    """Return the chips in natural order, and report pictures of other formats; raises like `listing.chips`."""
    chips = listing.chips(paths)
    if chips.left_out:
        suffixes = sorted({Path(name).suffix.lower() for name in chips.left_out})
        progress.say(
            f"{len(chips.left_out):,} pictures are left out, because their names end in {', '.join(suffixes)} (first: "
            f"{chips.left_out[0]}); convert them to {', '.join(listing.SUFFIXES)}, or rename those that are JPGs."
        )
    return chips
