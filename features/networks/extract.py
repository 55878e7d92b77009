"""Chips to network outputs, as a stream: decoding runs a few batches ahead of inference, never more."""

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
from features.images.chips import ChipError
from features.images.listing import ChipSource
from features.images.remarks import Remark
from features.images.spec import ChipSpec
from features.networks import openvino_runtime

BATCHES_DECODED_AHEAD = 4  # beside the batch in inference; more would only take memory
STATISTICS_STRIDE = 8  # pixels: statistics of all rows and columns would take as long as decoding the chip


class Network(Protocol):
    """`openvino_runtime.OpenvinoNetwork` on a CPU, `keras_runtime.KerasNetwork` on a GPU."""

    batch: int
    chip_shape: tuple[int, int, int]
    dtype: np.dtype[Any]

    def __call__(self, chips: ChipBatch) -> NetworkOutput:
        """Return the output for any number of chips."""

    def start(self, batch: ChipBatch) -> Callable[[], NetworkOutput]:
        """Start inference on some chips; the returned function waits for their output."""


@dataclass(frozen=True)
class Outputs:
    """The outputs of the networks for the next chips, one row for each chip of the part.

    `errors` says for each chip why it cannot be used, or None; such a chip has outputs of 0, statistics of NaN and no
    remarks.
    """

    rows: slice  # the position of this part in the list of paths
    values: list[NDArray[np.float32]]  # for each network (views, chips, dim)
    band_statistics: NDArray[np.float32]  # (chips, 2 * bands): the bands' means, then their standard deviations
    errors: list[str | None]  # (chips,)
    remarks: list[tuple[Remark, ...]]  # (chips,)


@dataclass(frozen=True)
class _DecodedPart:
    """A part's usable chips, one batch for each view, their statistics; errors and remarks of all its chips."""

    rows: slice
    batches: list[ChipBatch]
    band_statistics: NDArray[np.float32]  # (usable chips, 2 * bands)
    errors: list[str | None]
    remarks: list[tuple[Remark, ...]]


def stream_outputs(
    paths: Sequence[ChipSource],
    networks: Sequence[Network],
    spec: ChipSpec,
    *,
    turns: int = 1,
    jobs: int = 1,
    tolerant: bool = False,
) -> Iterator[Outputs]:
    """Run every network on every chip in its first `turns` dihedral views, in the order of `paths`.

    Args:
        paths: chip files.
        networks: each expects chips of `spec`.
        spec: bands, data type and size that chips are converted to.
        turns: number of views, 1 to 8.
        jobs: threads that decode.
        tolerant: return the error of a chip that cannot be used in `Outputs.errors`, instead of raising the first one.

    Raises:
        ChipError: a chip cannot be used, and `tolerant` is False.
        OSError: a chip cannot be read, and `tolerant` is False.
    """
    pending: deque[Callable[[], Outputs]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            size = max((network.batch for network in networks), default=openvino_runtime.BATCH)
            for part in _decode_parts(pool, paths, size, partial(_decode_part, spec, turns, tolerant)):
                started = [[network.start(batch) for batch in part.batches] for network in networks]
                pending.append(partial(_finish, part, started))

                if len(pending) > jobs:  # one batch for each thread, and the next one
                    yield pending.popleft()()
            while pending:
                yield pending.popleft()()
        finally:
            pool.shutdown(cancel_futures=True)


def _decode_parts(
    pool: ThreadPoolExecutor,
    paths: Sequence[ChipSource],
    size: int,
    decode: Callable[[slice, Sequence[ChipSource]], _DecodedPart],
) -> Iterator[_DecodedPart]:
    """Yield the parts of `size` paths in order, decoded a few parts ahead."""
    pending: deque[Future[_DecodedPart]] = deque()
    for first in range(0, len(paths), size):
        part = paths[first : first + size]
        pending.append(pool.submit(decode, slice(first, first + len(part)), part))
        if len(pending) > BATCHES_DECODED_AHEAD:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _decode_part(spec: ChipSpec, turns: int, tolerant: bool, rows: slice, paths: Sequence[ChipSource]) -> _DecodedPart:
    batch = np.empty((len(paths), spec.side, spec.side, len(spec.channels)), spec.dtype)
    errors: list[str | None] = []
    remarks: list[tuple[Remark, ...]] = []
    for path in paths:
        remarks.append(())
        try:
            chip = chips.load_with_remarks(path, spec)
            batch[errors.count(None)], remarks[-1] = chip.pixels, chip.remarks
            errors.append(None)
        except (ChipError, OSError) as error:
            if not tolerant:
                raise
            errors.append(str(error))

    usable = batch[: errors.count(None)]
    batches = [usable, *(views.view(usable, turn) for turn in range(1, turns))]
    return _DecodedPart(rows, batches, _band_statistics(usable), errors, remarks)


def _finish(part: _DecodedPart, started: list[list[Callable[[], NetworkOutput]]]) -> Outputs:
    """Wait for the outputs of the usable chips, and add the rows of the other chips."""
    usable = np.array([error is None for error in part.errors], np.bool_)
    values = [np.stack([finish() for finish in of_views]) for of_views in started]
    statistics = part.band_statistics
    if not usable.all():
        values = [_spread(value, usable, axis=1, fill=0) for value in values]
        statistics = _spread(statistics, usable, axis=0, fill=np.nan)
    return Outputs(part.rows, values, statistics, part.errors, part.remarks)


def _band_statistics(batch: ChipBatch) -> NDArray[np.float32]:
    """Return each band's mean and standard deviation in a chip (chips, 2 * bands), of every eighth row and column."""
    pixels = batch[:, ::STATISTICS_STRIDE, ::STATISTICS_STRIDE].astype(np.float32)
    return np.concatenate([pixels.mean(axis=(1, 2)), pixels.std(axis=(1, 2))], axis=1)


def _spread(values: NDArray[np.float32], usable: NDArray[np.bool_], *, axis: int, fill: float) -> NDArray[np.float32]:
    """Return `values` with a row of `fill` on an axis for each chip that is not usable."""
    shape = list(values.shape)
    shape[axis] = len(usable)
    spread = np.full(shape, fill, np.float32)
    np.moveaxis(spread, axis, 0)[usable] = np.moveaxis(values, axis, 0)
    return spread
