"""A checkpoint of a long run: a run that was killed resumes from it, and several machines may fill it together.

The chips in their order are divided into parts of 1,024. For each finished part the checkpoint's folder holds a Parquet
file (`part_files`). `journal.json` in the folder says which run the parts belong to.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from amazon_tags.files import atomic, folders, locks
from amazon_tags.model.bundle import Bundle
from amazon_tags.prediction import part_files
from amazon_tags.prediction.part_files import list_parts, part_count, part_name, part_of, read_part, write_part
from amazon_tags.prediction.predict import ScoredChips, TaggedChips, decide_chips, score_chips
from amazon_tags.prediction.run_key import ADVICE, RUN_FILE, Chips, RunKey, read_key, refuse_other_run, run_key
from amazon_tags.prediction.shard import Shard


def predict_with_checkpoint(
    folder: Path, paths: Chips, model: Bundle, *, views: int = 1, tolerant: bool = False, jobs: int = 2
) -> Iterator[TaggedChips]:
    """Score chips and decide their tags as `predict_chips` does, a part at a time, and keep the scores in `folder`.

    The folder is created if it does not exist. Parts that it holds already are not scored again.

    Raises:
        BlockingIOError: another run uses the checkpoint.
        ValueError: the checkpoint belongs to another run, or chips have changed; raised before the first part. Or a
            part's file is damaged.
    """
    key = run_key(paths, model, views=views, tolerant=tolerant)
    with _open(folder, key, shared=False):
        yield from decide_chips(_scored_parts(folder, paths, model, key, range(part_count(len(paths))), jobs), model)


def score_shard(
    folder: Path, paths: Chips, model: Bundle, key: RunKey, shard: Shard, *, jobs: int = 2
) -> Iterator[ScoredChips]:
    """Score the chips of one shard a part at a time, and keep the scores in `folder`; other shards may run meanwhile.

    Args:
        folder: the checkpoint, which is created if it does not exist; all shards name the same.
        paths: all chips, not those of the shard alone.
        model: an open bundle.
        key: the run, as `run_key` makes it from these chips and this model.
        shard: which parts to score.
        jobs: threads.

    Raises:
        BlockingIOError: a run that is not a shard uses the checkpoint.
        ValueError: as of `predict_with_checkpoint`.
    """
    with _open(folder, key, shared=True):
        yield from _scored_parts(folder, paths, model, key, shard.of(part_count(len(paths))), jobs)


@contextmanager
def _open(folder: Path, key: RunKey, *, shared: bool) -> Iterator[None]:
    """Hold the folder's lock, refuse one that belongs to another run, and write the run's key.

    Only a run that has the folder to itself deletes unfinished files: those of other shards are being written.
    """
    folders.make_folder(folder)
    with locks.hold_lock(folder / "lock", shared=shared):
        path = folder / RUN_FILE
        if path.exists():
            refuse_other_run(f"the checkpoint {folder}", read_key(path), key)
        elif any(map(_is_foreign, folder.iterdir())):
            raise ValueError(f"{folder} holds other files, but no checkpoint; {ADVICE}")
        if not shared:
            folders.sweep(folder)
        if not shared or not path.exists():
            atomic.write_json(path, asdict(key))
        yield


def _is_foreign(entry: Path) -> bool:
    ours = entry.name in ("lock", RUN_FILE) or entry.match(folders.UNFINISHED) or folders.is_litter(entry)
    return not ours


def _scored_parts(
    folder: Path, paths: Chips, model: Bundle, key: RunKey, numbers: range, jobs: int
) -> Iterator[ScoredChips]:
    """Yield parts in order: read the finished ones, and score and store the others."""
    labels, bands = model.space.names, len(model.spec.channels)
    with ThreadPoolExecutor(jobs) as pool:
        finished = _finished_parts(folder, paths, numbers, pool)
        missing = paths.take(_rows(len(paths), (number for number in numbers if number not in finished)))
        fresh = score_chips(missing, model, views=key.views, tolerant=key.tolerant, jobs=jobs)

        for number in numbers:
            part = part_of(paths, number)
            if number in finished:
                yield read_part(finished[number], part, labels, bands)
            else:
                scored = _collect(fresh, len(part))
                write_part(folder / part_name(number, part, pool), scored, labels, key)
                yield scored


def _finished_parts(folder: Path, paths: Chips, numbers: range, pool: ThreadPoolExecutor) -> dict[int, Path]:
    """Return the files of the finished parts by number, once their chips are known to be unchanged."""
    finished = {number: path for number, path in list_parts(folder) if number in numbers}
    for number, path in finished.items():
        if path.name != part_name(number, part_of(paths, number), pool):
            raise ValueError(f"{folder}: the chips of {path.name} have changed since it was written; {ADVICE}")
    return finished


def _rows(count: int, numbers: Iterable[int]) -> Iterator[int]:
    size = part_files.CHIPS_A_PART
    return (row for number in numbers for row in range(number * size, min((number + 1) * size, count)))


def _collect(parts: Iterator[ScoredChips], count: int) -> ScoredChips:
    """Join the next parts, which hold `count` chips together."""
    joined: list[ScoredChips] = []
    while sum(len(part.ids) for part in joined) < count:
        joined.append(next(parts))
    return ScoredChips(
        [name for part in joined for name in part.ids],
        [file for part in joined for file in part.files],
        np.concatenate([part.scores for part in joined]),
        [error for part in joined for error in part.errors],
        np.concatenate([part.band_statistics for part in joined]),
        [remarks for part in joined for remarks in part.remarks],
    )
