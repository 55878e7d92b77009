"""Measure a gallery of many chips: how long it takes to write, to open, to filter and to sort, and the memory it needs.

    python -m tests.benchmarks.gallery_page [--chips 60000]

The chips are links to a few rendered ones, with scores that are drawn at random, so that a sort by score puts chips of
all sheets side by side. The page is opened from disk in headless Chromium, with no network. Times of actions are those
from the event to the second frame after it; thumbnails are all drawn when every tile in the window has its own. Memory
is the proportional set size of all processes of Chromium, the most that was found after any action.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from amazon_tags.datasets import sample
from amazon_tags.review.gallery import GalleryOptions, write_gallery
from amazon_tags.review.page_folder import folder_of
from amazon_tags.tables import labels, score_tables
from tests.benchmarks import tables
from tests.browser import open_page

FILES = 200  # rendered chips, so that a sheet is no copy of another
REPEATS = 5  # of an action
JUMPS = 40  # of the scroll bar
SIDE = 128  # pixels of a chip; those of 256 take longer to write, and no longer to filter
MAX_WAIT_MS = 300_000  # for thumbnails on a busy machine
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
ALL_DRAWN = """() => {
  const inside = [...document.querySelectorAll('.tile canvas')].filter((canvas) => {
    const box = canvas.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight;
  });
  return inside.length > 0 && inside.every((canvas) => canvas.dataset.row !== undefined);
}"""
TIMED = "async () => {{ const start = performance.now(); {}; await ({})(); return performance.now() - start; }}"


def make_chips(folder: Path, count: int) -> Path:
    """Make a folder of chips and return the table with their scores, which lies beside it."""
    folder.mkdir()
    for number in range(FILES):
        tags = sample.draw_tags(np.random.default_rng(number))
        Image.fromarray(sample.render(tags, seed=number, side=SIDE)).save(folder / f"sample_{number}.jpg")
    for number in range(FILES, count):
        (folder / f"sample_{number}.jpg").hardlink_to(folder / f"sample_{number % FILES}.jpg")
    table = folder.with_name("scores.parquet")
    drawn = np.random.default_rng(0).beta(0.3, 1.0, size=(count, len(labels.PLANET.names)))
    ids = [f"sample_{number}" for number in range(count)]
    score_tables.write_scores(table, ids, drawn.astype(np.float32), labels.PLANET)
    return table


def browser_memory() -> int:
    """Return the bytes that all processes of Chromium below this one take, each shared page divided among its users."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has ended
                continue
    ours = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in ours} - ours:
        ours |= more
    total = 0
    for process in ours:
        try:
            if "chrom" in Path(f"/proc/{process}/comm").read_text():
                rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
                total += 1024 * int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])
        except OSError:
            continue
    return total


class Session:
    """An open page, what its actions took, and the most memory that was found after one."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.rows: list[tuple[str, list[float], list[float]]] = []
        self.memory = browser_memory()

    def drawn(self) -> float:
        """Wait until all thumbnails in the window are drawn, and return the seconds since the call."""
        start = time.perf_counter()
        self.page.wait_for_function(ALL_DRAWN, polling=20, timeout=MAX_WAIT_MS)
        self.memory = max(self.memory, browser_memory())
        return time.perf_counter() - start

    def act(self, title: str, *scripts: str) -> None:
        """Run the scripts in turn, several times."""
        frames, thumbnails = [], []
        for script in scripts * REPEATS:
            seconds = self.page.evaluate(TIMED.format(script, FRAMES)) / 1000
            frames.append(seconds)
            thumbnails.append(seconds + self.drawn())
        self.rows.append((title, frames, thumbnails))


def use(page: Any) -> Session:
    """Open, filter, sort and scroll the page."""
    page.wait_for_selector(".tile")
    session = Session(page)
    session.drawn()
    opened = page.evaluate("performance.now()") / 1000
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
    session.rows.append(("open: first paint, and all thumbnails in the window", [painted], [opened]))

    click = "document.querySelectorAll('#tag-buttons button')[{}].click()"
    change = "const f = document.getElementById('{}'); f.value = '{}'; f.dispatchEvent(new Event('{}'))"
    session.act("filter by a tag: with, without, all", *[click.format(13)] * 3)
    session.act(
        "filter by a range of scores",
        change.format("score-least", 0.4, "input"),
        change.format("score-most", 0.6, "input"),
        change.format("score-least", "", "input"),
        change.format("score-most", "", "input"),
    )
    session.act("filter by a part of the name", *[change.format("name-part", text, "input") for text in ("_77", "")])
    session.act("sort by the score of a tag", *[change.format("sort-key", key, "change") for key in (13, 3)])
    session.act(
        "sort by expected F2, then name", *[change.format("sort-key", k, "change") for k in ("expected", "name")]
    )
    places = np.random.default_rng(1).random(JUMPS)
    session.act("jump to any place", *[f"scrollTo(0, {place} * document.body.scrollHeight)" for place in places[::5]])
    page.evaluate(change.format("sort-key", 13, "change"))
    session.act("the same, sorted by a score", *[f"scrollTo(0, {p} * document.body.scrollHeight)" for p in places[::5]])
    return session


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chips", type=int, default=60_000)
    tables.add_options(parser)
    options = parser.parse_args()

    data = f"{options.chips:,} rendered chips of {SIDE} pixels ({FILES} different ones), 17 labels, random scores"
    with tables.recorded(options, script="gallery_page", data=data), tempfile.TemporaryDirectory() as folder:
        chips, page = Path(folder, "chips"), Path(folder, "gallery.html")
        table = make_chips(chips, options.chips)
        start = time.perf_counter()
        write_gallery(table, [chips], page, GalleryOptions(jobs=os.cpu_count() or 1))
        seconds = time.perf_counter() - start
        files = list(folder_of(page).rglob("*.jpg"))
        with open_page(page) as shown:
            session = use(shown)

        size = sum(path.stat().st_size for path in files)
        print(f"The page of {page.stat().st_size / 1e6:.1f} MB and its {len(files)} files of {size / 1e6:,.0f} MB were")
        print(f"written in {seconds:.0f} s. Chromium took at most {session.memory / 2**20:,.0f} MiB.\n")
        print("Median (slowest) of the times, in seconds:\n")
        print("| action | to the frame | to the last thumbnail |")
        print("|---|---|---|")
        for title, *times in session.rows:
            cells = [f"{np.median(seconds):.2f} ({max(seconds):.2f})" for seconds in times]
            print(f"| {title} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
