"""A journal of a long run: a run that was killed goes on from it, and ends in the same bytes.

The chips in their order are cut into shards of 1,024. Of each that is done the journal holds the scores and looks, in a
Parquet file that is named by the shard's number and by its chips' names and contents; `journal.json` says what was
asked.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from amazon_tags.files import atomic, folders, locks
from amazon_tags.files.hashes import sha256_bytes
from amazon_tags.model.bundle import Bundle
from amazon_tags.prediction.predict import ScoredChips, TaggedChips, decide_chips, score_chips
from features.images import chips, listing
from features.images.chips import ChipError
from features.images.listing import ChipPath, Listing

CHIPS_A_SHARD = 1024  # chips; a multiple of a network's batch
DIFFERENCES = {
    "version": "was written by version {} of amazon_tags, and this is {}",
    "model": "holds scores of a model with the hash {}, and this one has {}",
    "precision": "holds scores in {}, and this run computes in {}",
    "views": "holds scores of {} views, and this run takes {}",
    "tolerant": "is of a run whose --on-error is skip or fill: {}, of this one: {}",
    "chips": "is of chips with names of the hash {}, and these have {}",
}
ERROR, LOOKS = " error", " looks"  # columns beside the labels, which do not begin with a space
ADVICE = "name another folder, or delete this one."


@dataclass(frozen=True)
class RunKey:
    """What must be the same for a run to go on: values of `journal.json`."""

    version: str
    model: str
    precision: str
    views: int
    tolerant: bool
    chips: str  # SHA-256 of their names in order


def predict_with_checkpoint(
    folder: Path, paths: Listing, model: Bundle, *, views: int = 1, on_error: str = "fail", jobs: int = 2
) -> Iterator[TaggedChips]:
    """As `predict.run`, a shard at a time, with a journal in `folder`, which is made if it is not there.

    Raises:
        BlockingIOError: another run holds the journal.
        ValueError: it is of another run, or of chips that have changed. No tag has been given then.
    """
    tolerant = on_error != "fail"
    names = hashlib.sha256("\n".join(paths.names()).encode()).hexdigest()
    asked = RunKey(
        version("amazon-tags"),
        model.manifest.sha256,
        f"{model.engine.precision} on a {model.engine.device}",
        views,
        tolerant,
        names,
    )
    folder.mkdir(exist_ok=True)
    with locks.hold_lock(folder / "lock"), ThreadPoolExecutor(jobs) as pool:
        _refuse_other(folder, asked)
        folders.sweep(folder)
        atomic.write_json(folder / "journal.json", asdict(asked))
        held = _held(folder, paths, pool)
        missing = (row for row in range(len(paths)) if row // CHIPS_A_SHARD not in held)
        made = score_chips(paths.take(missing), model, views=views, tolerant=tolerant, jobs=jobs)
        yield from decide_chips(_shards(folder, paths, made, held, pool, model), model, on_error=on_error)


def _shards(
    folder: Path,
    paths: Listing,
    made: Iterator[ScoredChips],
    held: dict[int, Path],
    pool: ThreadPoolExecutor,
    model: Bundle,
) -> Iterator[ScoredChips]:
    """The scores of all shards in order: those that the journal holds, and those that are made and put into it."""
    for number in range(-(-len(paths) // CHIPS_A_SHARD)):
        shard = paths[number * CHIPS_A_SHARD : (number + 1) * CHIPS_A_SHARD]
        if number in held:
            yield _read(held[number], shard, model)
        else:
            scored = _joined(made, len(shard))
            _write(folder / _name(number, shard, pool), scored, model.space.names)
            yield scored


def _held(folder: Path, paths: Listing, pool: ThreadPoolExecutor) -> dict[int, Path]:
    """The journal's shards by number, their chips being what they were."""
    held = {int(path.name[:6]): path for path in folder.glob("[0-9]*-*.parquet")}
    for number, path in sorted(held.items()):
        if path.name != _name(number, paths[number * CHIPS_A_SHARD : (number + 1) * CHIPS_A_SHARD], pool):
            raise ValueError(f"{folder}: the chips of {path.name} are not what they were when it was written; {ADVICE}")
    return held


def _joined(parts: Iterator[ScoredChips], count: int) -> ScoredChips:
    """The next parts that hold so many chips."""
    taken: list[ScoredChips] = []
    while sum(len(part.places) for part in taken) < count:
        taken.append(next(parts))
    return ScoredChips(
        [place for part in taken for place in part.places],
        np.concatenate([part.scores for part in taken]),
        [error for part in taken for error in part.errors],
        np.concatenate([part.band_statistics for part in taken]),
    )


def _name(number: int, shard: Listing, pool: ThreadPoolExecutor) -> str:
    digest = hashlib.sha256()
    for place, content in zip(shard, pool.map(_fingerprint, shard), strict=True):
        digest.update(f"{listing.name(place)} {content}\n".encode())
    return f"{number:06}-{digest.hexdigest()[:32]}.parquet"


def _fingerprint(place: ChipPath) -> str:
    try:
        return sha256_bytes(chips.bytes_of(place))
    except (ChipError, OSError) as error:
        return f"{type(error).__name__}"


def _write(path: Path, scored: ScoredChips, labels: Sequence[str]) -> None:
    import pyarrow as pa  # noqa: PLC0415  0.1 s that only a run with a journal should pay
    from pyarrow import parquet as pq  # noqa: PLC0415

    columns = {name: pa.array(column) for name, column in zip(labels, scored.scores.T, strict=True)}
    band_statistics = iter(scored.band_statistics)
    seen = [next(band_statistics) if error is None else None for error in scored.errors]  # a bad chip has no looks
    columns[ERROR] = pa.array(scored.errors, pa.string())
    columns[LOOKS] = pa.array(seen, pa.list_(pa.float32()))
    with atomic.atomic_file(path) as stream:
        pq.write_table(pa.table(columns), stream)


def _read(path: Path, shard: Listing, model: Bundle) -> ScoredChips:
    import pyarrow as pa  # noqa: PLC0415  as in `_write`
    from pyarrow import parquet as pq  # noqa: PLC0415

    try:
        table = pq.read_table(path)
        scores = np.stack([table.column(name).to_numpy() for name in model.space.names], axis=1)
        errors = table.column(ERROR).to_pylist()
        seen = [row for row in table.column(LOOKS).to_pylist() if row is not None]
        band_statistics = np.array(seen, np.float32).reshape(errors.count(None), 2 * len(model.spec.bands))
        if scores.shape != (len(shard), len(model.space.names)) or scores.dtype != np.float32:
            raise ValueError(f"scores {scores.shape} of {scores.dtype}")
    except (KeyError, ValueError, pa.ArrowException) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it, and its chips are scored again.") from error
    return ScoredChips(list(shard), scores, errors, band_statistics)


def _refuse_other(folder: Path, asked: RunKey) -> None:
    path = folder / "journal.json"
    if not path.exists():
        if any(entry.name != "lock" and not entry.match(folders.UNFINISHED) for entry in folder.iterdir()):
            raise ValueError(f"{folder} holds files and is no journal; {ADVICE}")
        return
    try:
        found = RunKey(**json.loads(path.read_bytes()))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is no journal's ({error}); {ADVICE}") from error
    for name, words in DIFFERENCES.items():
        there, here = (str(getattr(key, name))[:16] for key in (found, asked))
        if getattr(found, name) != getattr(asked, name):
            raise ValueError(f"{folder} {words.format(there, here)}; {ADVICE}")
