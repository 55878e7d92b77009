"""Decode the chips of a run before its work: find those that can be used, and report what is assumed about them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.datasets.remark_counts import RemarkCounts
from amazon_tags.files import atomic, preflight
from ensemble.arrays import Rows
from features.images import listing
from features.images.listing import ChipRow
from features.images.spec import ChipSpec
from features.networks import extract


def usable_rows(paths: Sequence[ChipRow], spec: ChipSpec, listed: Path | None, *, jobs: int = 1) -> Rows:
    """Return the rows of the chips that can be used, list the others in a file, and report remarks on the chips.

    Every chip is decoded once.

    Args:
        paths: the chips.
        spec: what they are decoded to.
        listed: the file, with a line of JSON for each unusable chip; it is empty where there is none. None raises the
            first error instead.
        jobs: threads that decode.

    Raises:
        ChipError: a chip cannot be used, and `listed` is None.
        ValueError: no chip can be used, or the file is one of the chips.
    """
    if listed:
        files = {file for path in paths for file in listing.files_of(path)}
        preflight.refuse_outputs([listed], files)

    errors, remarks = _examine(paths, spec, tolerant=listed is not None, jobs=jobs)
    unusable = [{"file": str(paths[row]), "error": error} for row, error in enumerate(errors) if error is not None]
    if listed:
        atomic.write_json_lines(listed, unusable)
    if len(unusable) == len(paths):
        raise ValueError(f"none of the {len(paths)} chips can be used (first: {unusable[0]['error']})")
    remarks.say()
    return np.flatnonzero([error is None for error in errors])


def _examine(
    paths: Sequence[ChipRow], spec: ChipSpec, *, tolerant: bool, jobs: int
) -> tuple[list[str | None], RemarkCounts]:
    """Return the error of each chip, None where there is none, and the remarks on all."""
    errors: list[str | None] = []
    remarks = RemarkCounts()
    with progress.bar("checking", len(paths)) as advance:
        for part in extract.stream_outputs(paths, [], spec, jobs=jobs, tolerant=tolerant):
            errors += part.errors
            remarks.add(map(listing.name, paths[part.rows]), part.remarks)
            advance(len(part.errors))
    return errors, remarks
