"""What the scores of a checkpoint depend on: two runs may share its folder only if all of it is equal."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from amazon_tags.datasets.date_pairs import DatePairs
from amazon_tags.model.bundle import Bundle
from features.images.listing import Listing
from features.scenes.windows import Windows

RUN_FILE = "journal.json"
DIFFERENCES = {  # of a checkpoint's run and this one, by the key's field
    "version": "was written by amazon_tags {}, but this is {}",
    "model": "holds scores of a model with hash {}, but this model has {}",
    "precision": "holds scores computed in {}, but this run computes in {}",
    "views": "holds scores of {} views, but this run averages {}",
    "tolerant": "was written with --on-error skip or fill: {}, this run: {}",
    "layout": "was written with {}, but this run reads {}",
    "chips": "is for chips whose names have the hash {}, but these have {}",
}
ADVICE = "name another folder, or delete this one."
Chips = Listing | DatePairs | Windows


@dataclass(frozen=True)
class RunKey:
    """The values of `journal.json`."""

    version: str  # of amazon_tags
    model: str  # SHA-256 of the bundle
    precision: str
    views: int
    tolerant: bool
    layout: str  # how bands and levels of the files are read
    chips: str  # SHA-256 of the chips' names in order, each followed by a line feed but for the last
    count: int = 0  # of the chips; 0 in a checkpoint of an earlier version
    kind: Literal["chips", "windows"] = "chips"


def run_key(paths: Chips, model: Bundle, *, views: int, tolerant: bool) -> RunKey:
    """Return the key of a run that scores these chips."""
    layout = model.spec.layout
    return RunKey(
        version=version("amazon-tags"),
        model=model.manifest.sha256,
        precision=f"{model.engine.precision} on a {model.engine.device}",
        views=views,
        tolerant=tolerant,
        layout=f"bands {' '.join(layout.bands or ('as stated',))} and levels {layout.levels}",
        chips=hashlib.sha256("\n".join(paths.names()).encode()).hexdigest(),
        count=len(paths),
        kind="windows" if isinstance(paths, Windows) else "chips",
    )


def read_key(path: Path) -> RunKey:
    """Return the key that a journal holds.

    Raises:
        ValueError: it is not the file of a checkpoint.
    """
    with refused_as(f"{path} is not the file of a checkpoint", ADVICE):
        return RunKey(**json.loads(path.read_bytes()))


def refuse_other_run(checkpoint: str, stored: RunKey, current: RunKey, *fields: str) -> None:
    """Raise ValueError if the keys differ in one of the fields, or in any of `DIFFERENCES` if none is named."""
    for name in fields or DIFFERENCES:
        if getattr(stored, name) != getattr(current, name):
            values = (str(getattr(key, name))[:60] for key in (stored, current))
            raise ValueError(f"{checkpoint} {DIFFERENCES[name].format(*values)}; {ADVICE}")


@contextmanager
def refused_as(problem: str, advice: str) -> Iterator[None]:
    """Turn what the parsers of JSON and Parquet raise into one ValueError with the problem and what to do."""
    import pyarrow as pa  # noqa: PLC0415  0.1 s that only a run with a checkpoint should pay

    try:
        yield
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise ValueError(f"{problem} ({error}); {advice}") from error
