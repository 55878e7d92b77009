"""A competition's folder, rendered: the layout and the label table's own mixture of tags, at any size.

    train-jpg/  train_v2.csv  test-jpg/  sample_submission_v2.csv  test_truth.csv  README.txt

A whole run can be rehearsed on it, and its time, memory and disk be known, by whoever has no real chips.
"""

import io
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from amazon_tags import progress
from amazon_tags.datasets import sample
from amazon_tags.files import atomic, folders
from amazon_tags.tables import label_tables, labels
from amazon_tags.tables.labels import LabelSpace

TRAIN, TEST, FILES = 40_479, 40_669, 20_522  # the competition's chips: train_N, test_N and file_N
GUESS = ("agriculture", "clear", "primary", "road", "water")  # each row of the competition's sample submission
CHUNK = 8  # chips handed to a process at a time: a signal waits for as many

Drawn = tuple[Path, list[str], int]  # where to, its tags, its seed


def write_competition(folder: Path, table: Path, count: int, *, seed: int = 0, jobs: int = 1) -> int:
    """Render `count` training chips and as many test chips as the competition has for so many; returns all of them.

    Tags are those of rows of the table, drawn without putting back as long as there are any; `test_truth.csv` holds
    those of the test chips, which the competition keeps to itself.

    Raises:
        ValueError: the table cannot be read, or has other tags than Planet's.
        FileExistsError: the folder exists and is not empty.
    """
    space = labels.PLANET
    truth = label_tables.read_labels(table, space).truth
    test, more = (round(count * part / TRAIN) for part in (TEST, FILES))
    rng = np.random.default_rng(seed)
    rounds = -(-(count + test + more) // len(truth))
    rows = np.concatenate([rng.permutation(len(truth)) for _ in range(rounds)])[: count + test + more]
    names = [
        f"{kind}_{row}" for kind, size in (("train", count), ("test", test), ("file", more)) for row in range(size)
    ]
    with folders.filled_folder(folder) as part:
        for name in ("train-jpg", "test-jpg"):
            (part / name).mkdir()
        drawn = [
            (part / ("train-jpg" if row < count else "test-jpg") / f"{name}.jpg", tags, seed * 1_000_003 + row)
            for row, (name, tags) in enumerate(zip(names, _tags(space, truth[rows]), strict=True))
        ]
        _render_all(drawn, jobs)
        guess = np.tile(labels.encode(space, GUESS), (test + more, 1))
        for file_name, which, tags in (
            ("train_v2.csv", slice(count), truth[rows[:count]]),
            ("test_truth.csv", slice(count, None), truth[rows[count:]]),
            ("sample_submission_v2.csv", slice(count, None), guess),
        ):
            with atomic.atomic_text(part / file_name) as stream:
                label_tables.write_tags(stream, names[which], tags, space)
        atomic.write_text(
            part / "README.txt", f"{sample.NOTE}\nTags as in {table.name}, chips rendered to show them.\n"
        )
    return len(drawn)


def four_components(pixels: NDArray[np.uint8]) -> bytes:
    """A JPG like the competition's: cyan, magenta and yellow are what red, green and blue lack, black is 0."""
    none = np.zeros((*pixels.shape[:2], 1), np.uint8)
    stream = io.BytesIO()
    image = Image.fromarray(np.concatenate([255 - pixels, none], axis=2), "CMYK")
    image.save(stream, "JPEG", quality=sample.QUALITY)
    return _without(_without(stream.getvalue(), b"\xff\xe0"), b"\xff\xee")  # neither JFIF nor Adobe


def _render_all(drawn: list[Drawn], jobs: int) -> None:
    with (
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_deaf) as pool,
        progress.bar("rendering", len(drawn)) as advance,
    ):
        try:
            for _ in pool.map(_render, drawn, chunksize=CHUNK):
                advance(1)
        finally:
            pool.shutdown(cancel_futures=True)


def _deaf() -> None:
    """Ctrl-C reaches all processes; the one that began the others ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _render(drawn: Drawn) -> None:
    path, tags, seed = drawn
    path.write_bytes(four_components(sample.render(tags, seed=seed)))


def _tags(space: LabelSpace, truth: NDArray[np.bool_]) -> Iterator[list[str]]:
    return ([name for name, holds in zip(space.names, row, strict=True) if holds] for row in truth)


def _without(content: bytes, marker: bytes) -> bytes:
    """A JPG without its first segment of a marker, if it has one."""
    place = content.find(marker, 0, 64)
    if place < 0:
        return content
    length = int.from_bytes(content[place + 2 : place + 4], "big")
    return content[:place] + content[place + 2 + length :]
