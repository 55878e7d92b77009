"""Find the chips of a run that can be used, and list the others: `--on-error skip` of train, embed and leaks."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.files import atomic, preflight
from ensemble.arrays import Rows
from features.images.listing import ChipPath
from features.images.spec import ChipSpec
from features.networks import extract


def usable_rows(paths: Sequence[ChipPath], spec: ChipSpec, listed: Path, *, jobs: int = 1) -> Rows:
    """Return the rows of the chips that can be used, and list the others in a file.

    Every chip is decoded once.

    Args:
        paths: the chips.
        spec: what they are decoded to.
        listed: the file, with a line of JSON for each unusable chip; it is empty where there is none.
        jobs: threads that decode.

    Raises:
        ValueError: no chip can be used, or the file is one of the chips.
    """
    files = {path if isinstance(path, Path) else path.archive.path for path in paths}
    preflight.refuse_outputs([listed], files)
    errors: list[str | None] = []
    with progress.bar("checking", len(paths)) as advance:
        for part in extract.stream_outputs(paths, [], spec, jobs=jobs, tolerant=True):
            errors += part.errors
            advance(len(part.errors))

    unusable = [{"file": str(paths[row]), "error": error} for row, error in enumerate(errors) if error is not None]
    atomic.write_text(listed, "".join(json.dumps(entry) + "\n" for entry in unusable))
    if len(unusable) == len(paths):
        raise ValueError(f"none of the {len(paths)} chips can be used (first: {unusable[0]['error']})")
    return np.flatnonzero([error is None for error in errors])
