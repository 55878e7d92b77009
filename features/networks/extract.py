"""Chips to network outputs, streamed: decoding runs ahead of inference by a few batches, never more."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from features.arrays import ChipBatch, NetworkOutput
from features.images import chips, views
from features.images.chips import ChipError, ChipSpec
from features.images.listing import ChipPath
from features.networks import openvino_runtime

Failure = tuple[int, ChipError | OSError]  # a position in the list of paths, and what is wrong there

AHEAD = 4  # batches decoded or being decoded while one is inferred
SPARSE = 8  # every eighth pixel of every eighth row tells how a chip looks; all of them would take as long as decoding


class Network(Protocol):
    """`runtime.Network` on a CPU, `accelerator.Network` on a GPU."""

    batch: int
    chip_shape: tuple[int, int, int]
    dtype: np.dtype[Any]

    def __call__(self, chips: ChipBatch) -> NetworkOutput:
        """The output for any number of chips."""

    def start(self, batch: ChipBatch) -> Callable[[], NetworkOutput]:
        """Begin with some chips; the function returned waits for their output."""


@dataclass(frozen=True)
class Outputs:
    """What the networks said of the next chips: `rows` are their positions in the list of paths.

    `values` has one array (views, chips, dim) a network. `looks` (chips, 2 * bands) is each band's mean and standard
    deviation in a chip. `failures` are the chips in between that cannot be used.
    """

    rows: NDArray[np.intp]
    values: list[NDArray[np.float32]]
    band_statistics: NDArray[np.float32]
    failures: list[Failure]


def stream_outputs(
    paths: Sequence[ChipPath],
    networks: Sequence[Network],
    spec: ChipSpec,
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
            size = max((network.batch for network in networks), default=openvino_runtime.BATCH)
            for decoded in _decode(pool, _parts(paths, size), spec, turns, tolerant):
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
    turned: list[ChipBatch]
    band_statistics: NDArray[np.float32]
    failures: list[Failure]


def _finish(decoded: _Decoded, started: list[list[Callable[[], NetworkOutput]]]) -> Outputs:
    values = [np.stack([finish() for finish in flights]) for flights in started]
    return Outputs(np.array(decoded.rows, np.intp), values, decoded.band_statistics, decoded.failures)


def _parts(paths: Sequence[ChipPath], size: int) -> Iterator[tuple[int, Sequence[ChipPath]]]:
    """The paths in parts, each with the position of its first."""
    return ((first, paths[first : first + size]) for first in range(0, len(paths), size))


def _decode(
    pool: ThreadPoolExecutor,
    parts: Iterator[tuple[int, Sequence[ChipPath]]],
    spec: ChipSpec,
    turns: int,
    tolerant: bool,
) -> Iterator[_Decoded]:
    """Batches of decoded chips, in order."""
    waiting: deque[Future[_Decoded]] = deque()
    for first, part in parts:
        waiting.append(pool.submit(_load, first, part, spec, turns, tolerant))
        if len(waiting) > AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _load(first: int, part: Sequence[ChipPath], spec: ChipSpec, turns: int, tolerant: bool) -> _Decoded:
    batch = np.empty((len(part), spec.side, spec.side, len(spec.bands)), spec.dtype)
    good: list[int] = []
    failures: list[Failure] = []
    for row, place in enumerate(part, first):
        try:
            batch[len(good)] = chips.load(place, spec)
            good.append(row)
        except (ChipError, OSError) as error:
            if not tolerant:
                raise
            failures.append((row, error))
    chosen = batch[: len(good)]
    turned = [chosen if turn == 0 else views.view(chosen, turn) for turn in range(turns)]
    some = chosen[:, ::SPARSE, ::SPARSE].astype(np.float32)
    band_statistics = np.concatenate([some.mean(axis=(1, 2)), some.std(axis=(1, 2))], axis=1)
    return _Decoded(good, turned, band_statistics, failures)
