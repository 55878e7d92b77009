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
            for rows, batch, failures in _decode(pool, paths, spec, tolerant):
                turned = [views.view(batch, turn) for turn in range(turns)]
                started = [[network.start(view) for view in turned] for network in networks]
                flying.append(partial(_finish, rows, started, failures))
                if len(flying) > jobs:  # one batch a thread, and one to go on with
                    yield flying.popleft()()
            while flying:
                yield flying.popleft()()
        finally:
            pool.shutdown(cancel_futures=True)


def _finish(rows: list[int], started: list[list[Callable[[], runtime.Floats]]], failures: list[Failure]) -> Outputs:
    values = [np.stack([finish() for finish in flights]) for flights in started]
    return Outputs(np.array(rows, np.intp), values, failures)


def _decode(
    pool: ThreadPoolExecutor, paths: Sequence[listing.Place], spec: chips.ChipSpec, tolerant: bool
) -> Iterator[tuple[list[int], runtime.Batch, list[Failure]]]:
    """Batches of decoded chips, in order."""
    waiting: deque[Future[chips.Chip]] = deque()
    rows: list[int] = []
    failures: list[Failure] = []
    batch = np.zeros((runtime.BATCH, spec.side, spec.side, len(spec.bands)), spec.dtype)
    for row in range(len(paths)):
        for ahead in range(row + len(waiting), min(len(paths), row + AHEAD * runtime.BATCH)):
            waiting.append(pool.submit(chips.load, paths[ahead], spec))
        try:
            batch[len(rows)] = waiting.popleft().result()
            rows.append(row)
        except (chips.ChipError, OSError) as error:
            if not tolerant:
                raise
            failures.append((row, error))
        if len(rows) == runtime.BATCH or row + 1 == len(paths):
            yield rows, batch[: len(rows)], failures
            rows, failures = [], []
