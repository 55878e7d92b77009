"""A checkpoint of a long run of `predict`: a run that was killed resumes from it, and writes the same bytes.

The chips in their order are divided into shards of 1,024. For each finished shard the checkpoint's folder holds a
Parquet file with scores, errors, band statistics and remarks; the file is named by the shard's number and by a hash of
its chips' names and contents. `journal.json` in the folder says which run the shards belong to.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amazon_tags.files import atomic, folders, locks
from amazon_tags.files.hashes import sha256_bytes
from amazon_tags.model.bundle import Bundle
from amazon_tags.prediction.predict import ScoredChips, TaggedChips, decide_chips, score_chips
from features.images import chips, listing
from features.images.chips import ChipError
from features.images.listing import ChipSource, Listing
from features.images.remarks import Remark
from features.images.window import Window
from features.scenes.windows import Windows

CHIPS_A_SHARD = 1024  # a multiple of every batch; small enough that a kill costs little, large enough for few files
RUN_FILE = "journal.json"
ERROR, BAND_STATISTICS, REMARKS = (
    " error",
    " looks",
    " remarks",
)  # columns beside the labels, whose names do not begin with a space
DIFFERENCES = {  # of a checkpoint's run and this one, by the key's field
    "version": "was written by amazon_tags {}, but this is {}",
    "model": "holds scores of a model with hash {}, but this model has {}",
    "precision": "holds scores computed in {}, but this run computes in {}",
    "views": "holds scores of {} views, but this run averages {}",
    "tolerant": "was written with --on-error skip or fill: {}, this run: {}",
    "layout": "was written with {}, but this run reads {}",
    "chips": "is for chips whose names have the hash {}, but these have {}",
}
Chips = Listing | Windows
ADVICE = "name another folder, or delete this one."


@dataclass(frozen=True)
class RunKey:
    """The values of `journal.json`: what must be equal for a run to resume."""

    version: str  # of amazon_tags
    model: str  # SHA-256 of the bundle
    precision: str
    views: int
    tolerant: bool
    layout: str  # how bands and levels of the files are read
    chips: str  # SHA-256 of the chips' names in order


def predict_with_checkpoint(
    folder: Path, paths: Chips, model: Bundle, *, views: int = 1, tolerant: bool = False, jobs: int = 2
) -> Iterator[TaggedChips]:
    """Score chips and decide their tags as `predict_chips` does, a shard at a time, and keep the scores in `folder`.

    The folder is created if it does not exist. Shards that it holds already are not scored again.

    Raises:
        BlockingIOError: another run uses the checkpoint.
        ValueError: the checkpoint belongs to another run, or chips have changed; raised before the first part. Or a
            shard's file is damaged.
    """
    folder.mkdir(exist_ok=True)
    with locks.hold_lock(folder / "lock"), ThreadPoolExecutor(jobs) as pool:
        _open(folder, _run_key(paths, model, views, tolerant))
        finished = _finished_shards(folder, paths, pool)

        missing = paths.take(row for row in range(len(paths)) if row // CHIPS_A_SHARD not in finished)
        fresh = score_chips(missing, model, views=views, tolerant=tolerant, jobs=jobs)

        yield from decide_chips(_shards(folder, paths, finished, fresh, model, pool), model)


def _run_key(paths: Chips, model: Bundle, views: int, tolerant: bool) -> RunKey:
    layout = model.spec.layout
    return RunKey(
        version=version("amazon-tags"),
        model=model.manifest.sha256,
        precision=f"{model.engine.precision} on a {model.engine.device}",
        views=views,
        tolerant=tolerant,
        layout=f"bands {' '.join(layout.bands or ('as stated',))} and levels {layout.levels}",
        chips=hashlib.sha256("\n".join(paths.names()).encode()).hexdigest(),
    )


def _open(folder: Path, key: RunKey) -> None:
    """Refuse a folder that belongs to another run, delete unfinished files, and write the run's key."""
    path = folder / RUN_FILE
    if path.exists():
        _refuse_other_run(folder, _read_key(path), key)
    elif any(map(_is_foreign, folder.iterdir())):
        raise ValueError(f"{folder} holds other files, but no checkpoint; {ADVICE}")
    folders.sweep(folder)
    atomic.write_json(path, asdict(key))


def _is_foreign(entry: Path) -> bool:
    return entry.name != "lock" and not entry.match(folders.UNFINISHED) and not folders.is_litter(entry)


def _read_key(path: Path) -> RunKey:
    with _refused_as(f"{path} is not the file of a checkpoint", ADVICE):
        return RunKey(**json.loads(path.read_bytes()))


def _refuse_other_run(folder: Path, stored: RunKey, current: RunKey) -> None:
    for name, difference in DIFFERENCES.items():
        if getattr(stored, name) != getattr(current, name):
            values = (str(getattr(key, name))[:60] for key in (stored, current))
            raise ValueError(f"the checkpoint {folder} {difference.format(*values)}; {ADVICE}")


def _finished_shards(folder: Path, paths: Chips, pool: ThreadPoolExecutor) -> dict[int, Path]:
    """Return the files of the finished shards by number, once their chips are known to be unchanged."""
    finished = {int(path.name[:6]): path for path in sorted(folder.glob("[0-9]*-*.parquet"))}
    for number, path in finished.items():
        if path.name != _shard_name(number, _shard(paths, number), pool):
            raise ValueError(f"{folder}: the chips of {path.name} have changed since it was written; {ADVICE}")
    return finished


def _shards(
    folder: Path,
    paths: Chips,
    finished: dict[int, Path],
    fresh: Iterator[ScoredChips],
    model: Bundle,
    pool: ThreadPoolExecutor,
) -> Iterator[ScoredChips]:
    """Yield all shards in order: read the finished ones, and collect and store the others from the `fresh` scores."""
    for number in range(-(-len(paths) // CHIPS_A_SHARD)):
        shard = _shard(paths, number)
        if number in finished:
            yield _read_shard(finished[number], shard, model)
        else:
            scored = _collect(fresh, len(shard))
            _write_shard(folder / _shard_name(number, shard, pool), scored, model.space.names)
            yield scored


def _shard(paths: Chips, number: int) -> Chips:
    return paths[number * CHIPS_A_SHARD : (number + 1) * CHIPS_A_SHARD]


def _shard_name(number: int, shard: Chips, pool: ThreadPoolExecutor) -> str:
    digest = hashlib.sha256()
    for path, content in zip(shard, pool.map(_content_hash, shard), strict=True):
        digest.update(f"{listing.name(path)} {content}\n".encode())
    return f"{number:06}-{digest.hexdigest()[:32]}.parquet"


def _content_hash(path: ChipSource) -> str:
    if isinstance(path, Window):
        return f"{path.picture.sha256} {path.width} {path.height}"  # the name has the position
    try:
        return sha256_bytes(chips.bytes_of(path))
    except (ChipError, OSError) as error:  # the chip cannot be used, which is an answer too
        return f"{type(error).__name__}"


def _collect(parts: Iterator[ScoredChips], count: int) -> ScoredChips:
    """Join the next parts, which hold `count` chips together."""
    joined: list[ScoredChips] = []
    while sum(len(part.paths) for part in joined) < count:
        joined.append(next(parts))
    return ScoredChips(
        [path for part in joined for path in part.paths],
        np.concatenate([part.scores for part in joined]),
        [error for part in joined for error in part.errors],
        np.concatenate([part.band_statistics for part in joined]),
        [remarks for part in joined for remarks in part.remarks],
    )


def _write_shard(path: Path, scored: ScoredChips, labels: Sequence[str]) -> None:
    import pyarrow as pa  # noqa: PLC0415  0.1 s that only a run with a checkpoint should pay
    from pyarrow import parquet as pq  # noqa: PLC0415

    rows = zip(scored.band_statistics, scored.errors, strict=True)
    statistics = [row if error is None else None for row, error in rows]  # null, not NaN, for a chip with an error
    columns = {name: pa.array(column) for name, column in zip(labels, scored.scores.T, strict=True)}
    columns[ERROR] = pa.array(scored.errors, pa.string())
    columns[BAND_STATISTICS] = pa.array(statistics, pa.list_(pa.float32()))
    columns[REMARKS] = pa.array(
        [[[remark.text, remark.detail] for remark in remarks] for remarks in scored.remarks],
        pa.list_(pa.list_(pa.string())),
    )
    with atomic.atomic_file(path) as stream:
        pq.write_table(pa.table(columns), stream)


def _read_shard(path: Path, shard: Chips, model: Bundle) -> ScoredChips:
    from pyarrow import parquet as pq  # noqa: PLC0415  as in `_write_shard`

    with _refused_as(f"{path} is damaged", "delete it, and its chips are scored again."):
        table = pq.read_table(path)
        scores = np.stack([table.column(name).to_numpy() for name in model.space.names], axis=1)
        if scores.shape != (len(shard), len(model.space.names)) or scores.dtype != np.float32:
            raise ValueError(f"it holds scores {scores.shape} of {scores.dtype}")
        errors = table.column(ERROR).to_pylist()
        statistics = _band_statistics(table.column(BAND_STATISTICS).to_pylist(), errors, 2 * len(model.spec.bands))
        remarks = [tuple(Remark(*pair) for pair in pairs) for pairs in table.column(REMARKS).to_pylist()]
    return ScoredChips(list(shard), scores, errors, statistics, remarks)


def _band_statistics(rows: list[list[float] | None], errors: list[str | None], width: int) -> NDArray[np.float32]:
    """Return the band statistics (chips, width) of a shard's column, NaN for a chip with an error.

    Raises:
        ValueError: a row has another width, or is missing for a chip without an error.
    """
    statistics = np.full((len(rows), width), np.nan, np.float32)
    usable = [error is None for error in errors]
    statistics[usable] = np.array([row for row in rows if row is not None], np.float32).reshape(sum(usable), width)
    return statistics


@contextmanager
def _refused_as(problem: str, advice: str) -> Iterator[None]:
    """Turn what the parsers of JSON and Parquet raise into one ValueError with the problem and what to do."""
    import pyarrow as pa  # noqa: PLC0415  as in `_write_shard`

    try:
        yield
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise ValueError(f"{problem} ({error}); {advice}") from error
