"""Render a folder in the competition's layout, of any size, with tags mixed as in a label table.

    train-jpg/  train_v2.csv  test-jpg/  sample_submission_v2.csv  test_truth.csv  README.txt

It serves to rehearse a whole run, and to measure its time, memory and disk space, without the real chips.
"""

import io
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from amazon_tags import progress
from amazon_tags.datasets import sample
from amazon_tags.files import atomic, folders
from amazon_tags.tables import label_tables, labels, truth_tables
from features.images import naming

TRAIN, TEST, FILES = 40_479, 40_669, 20_522  # numbers of the competition's chips train_N, test_N and file_N
SAMPLE_TAGS = ("agriculture", "clear", "primary", "road", "water")  # in each row of the sample submission
CHIPS_PER_TASK = 8  # sent to a process at a time; after a signal each process still renders as many

Task = tuple[Path, list[str], int]  # a chip's path, tags and seed


def write_competition(folder: Path, table: Path, count: int, *, seed: int = 0, jobs: int = 1) -> int:
    """Render `count` training chips, and test chips in the competition's proportion; return the number of all chips.

    The tags are those of random rows of the table, each used once before any is used again. `test_truth.csv` has the
    tags of the test chips, which the competition does not publish.

    Raises:
        ValueError: the table cannot be read, or has tags that are not Planet's labels.
        FileExistsError: the folder exists and is not empty.
    """
    space = labels.PLANET
    labelled = truth_tables.read_truth(table, space)
    truth = labelled.truth[sorted(range(len(labelled.ids)), key=lambda row: naming.natural(labelled.ids[row]))]
    test, files = (round(count * part / TRAIN) for part in (TEST, FILES))
    sizes = {"train": count, "test": test, "file": files}
    names = [f"{kind}_{number}" for kind, size in sizes.items() for number in range(size)]
    tags = truth[_draw_rows(len(truth), len(names), seed)]

    with folders.filled_folder(folder) as part:
        for name in ("train-jpg", "test-jpg"):
            (part / name).mkdir()
        tasks: list[Task] = []
        for number, (name, row) in enumerate(zip(names, tags, strict=True)):
            path = part / ("train-jpg" if number < count else "test-jpg") / f"{name}.jpg"
            tasks.append((path, labels.decode(space, row), seed * sample.SEEDS_PER_SAMPLE + number))
        _render_all(tasks, jobs)

        sample_tags = np.tile(labels.encode(space, SAMPLE_TAGS), (test + files, 1))
        for file_name, ids, rows in (
            ("train_v2.csv", names[:count], tags[:count]),
            ("test_truth.csv", names[count:], tags[count:]),
            ("sample_submission_v2.csv", names[count:], sample_tags),
        ):
            with atomic.atomic_text(part / file_name) as stream:
                label_tables.write_tags(stream, ids, rows, space)
        atomic.write_text(
            part / "README.txt", f"{sample.NOTE}\nTags as in {table.name}, chips rendered to show them.\n"
        )
    return len(names)


def _draw_rows(rows: int, count: int, seed: int) -> NDArray[np.int64]:
    """Return `count` random rows of a table; each is drawn once before any is drawn again."""
    rng = np.random.default_rng(seed)
    rounds = -(-count // rows)
    return np.concatenate([rng.permutation(rows) for _ in range(rounds)])[:count]


def four_components(pixels: NDArray[np.uint8]) -> bytes:
    """Return a JPG like the competition's: CMYK, with inverted red, green and blue, and black 0."""
    black = np.zeros((*pixels.shape[:2], 1), np.uint8)
    stream = io.BytesIO()
    image = Image.fromarray(np.concatenate([255 - pixels, black], axis=2), "CMYK")
    image.save(stream, "JPEG", quality=sample.JPG_QUALITY)
    return _without_segment(_without_segment(stream.getvalue(), b"\xff\xe0"), b"\xff\xee")  # no JFIF, no Adobe


def _render_all(tasks: list[Task], jobs: int) -> None:
    with (
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_ignore_interrupts) as pool,
        progress.bar("rendering", len(tasks)) as advance,
    ):
        try:
            for _ in pool.map(_render, tasks, chunksize=CHIPS_PER_TASK):
                advance(1)
        finally:
            pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ignore Ctrl-C, which reaches all processes: the main process ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _render(task: Task) -> None:
    path, tags, seed = task
    path.write_bytes(four_components(sample.render(tags, seed=seed)))


def _without_segment(content: bytes, marker: bytes) -> bytes:
    """Return a JPG without its first segment that starts with a marker, if it has one in its first 64 bytes."""
    start = content.find(marker, 0, 64)
    if start < 0:
        return content
    length = int.from_bytes(content[start + 2 : start + 4], "big")
    return content[:start] + content[start + 2 + length :]
