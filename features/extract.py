"""Chips to network outputs, streamed: decoding runs ahead of inference by a few batches, never more."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from features import chips, listing, runtime, views

Failure = tuple[int, chips.ChipError | OSError]  # a position in the list of paths, and what is wrong there

AHEAD = 4  # batches decoded or being decoded while one is inferred


@dataclass(frozen=True)
class Outputs:
    """What the networks said of the next chips: `rows` are their positions in the list of paths.

    `values` has one array (views, chips, dim) a network. `failures` are the chips in between that cannot be used.
    """

    rows: NDArray[np.intp]
    values: list[NDArray[np.float32]]
    failures: list[Failure]


def stream(
    paths: Sequence[listing.Place],
    networks: Sequence[runtime.Network],
    spec: chips.ChipSpec,
    *,
    turns: int = 1,
    jobs: int = 1,
    tolerant: bool = False,
) -> Iterator[Outputs]:
    """Run every network over every chip in its first `turns` dihedral views, in the order of `paths`.

    Args:
        paths: chip files.
        networks: all eat chips of `spec`.
        spec: what a chip is made to be before it is fed.
        turns: 1 to 8.
        jobs: threads that decode.
        tolerant: report chips that cannot be used among the outputs, instead of raising the first one's error.
    """
    flying: deque[Callable[[], Outputs]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for decoded in _decode(pool, paths, spec, turns, tolerant):
                started = [[network.start(view) for view in decoded.turned] for network in networks]
                flying.append(partial(_finish, decoded, started))
                if len(flying) > jobs:  # one batch a thread, and one to go on with
                    yield flying.popleft()()
            while flying:
                yield flying.popleft()()
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Decoded:
    """The good chips among the next ones, in each view, and the others."""

    rows: list[int]
    turned: list[runtime.Batch]
    failures: list[Failure]


def _finish(decoded: _Decoded, started: list[list[Callable[[], runtime.Floats]]]) -> Outputs:
    values = [np.stack([finish() for finish in flights]) for flights in started]
    return Outputs(np.array(decoded.rows, np.intp), values, decoded.failures)


def _decode(
    pool: ThreadPoolExecutor, paths: Sequence[listing.Place], spec: chips.ChipSpec, turns: int, tolerant: bool
) -> Iterator[_Decoded]:
    """Batches of decoded chips, in order."""
    waiting: deque[Future[_Decoded]] = deque()
    for first in range(0, len(paths), runtime.BATCH):
        rows = range(first, min(first + runtime.BATCH, len(paths)))
        waiting.append(pool.submit(_load, paths, rows, spec, turns, tolerant))
        if len(waiting) > AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _load(paths: Sequence[listing.Place], rows: range, spec: chips.ChipSpec, turns: int, tolerant: bool) -> _Decoded:
    batch = np.empty((len(rows), spec.side, spec.side, len(spec.bands)), spec.dtype)
    good: list[int] = []
    failures: list[Failure] = []
    for row in rows:
        try:
            batch[len(good)] = chips.load(paths[row], spec)
            good.append(row)
        except (chips.ChipError, OSError) as error:
            if not tolerant:
                raise
            failures.append((row, error))
    chosen = batch[: len(good)]
    return _Decoded(good, [chosen if turn == 0 else views.view(chosen, turn) for turn in range(turns)], failures)
