"""The page of a review: one chip at a time, answered by keys, kept by the browser, exported as `corrections.csv`."""

import base64
from pathlib import Path

from amazon_tags.files import atomic
from amazon_tags.pages.page import render_page
from amazon_tags.records import Json
from amazon_tags.review.queue import Queue, QueuedChip
from amazon_tags.tables.corrections import COLUMNS

SCRIPTS = ("review_answers.js", "review_view.js", "review.js")


def write_page(page: Path, queue: Queue) -> None:
    """Write the page of a queue, with its pictures."""
    html = render_page(
        "review.html",
        title=f"{'Random sample' if queue.order == 'random' else 'Review'} of {len(queue.chips):,} chips",
        styles=["review.css"],
        scripts=SCRIPTS,
        data=page_data(queue),
        has_labels=queue.has_labels,
        order=queue.order,
    )
    atomic.write_text(page, html)


def page_data(queue: Queue) -> Json:
    """Return what the page's scripts read; tags are columns of `labels`."""
    columns = {name: column for column, name in enumerate(queue.space.names)}
    return {
        "key": f"amazon_tags review {queue.digest()}",
        "labels": list(queue.space.names),
        "groups": [[columns[name] for name in group] for group in queue.space.groups],
        "hasLabels": queue.has_labels,
        "columns": list(COLUMNS),
        "chips": [_chip(chip) for chip in queue.chips],
    }


def _chip(chip: QueuedChip) -> Json:
    return {
        "name": chip.name,
        "tags": list(chip.tags),
        "asked": list(chip.asked),
        "scores": list(chip.scores),
        "picture": f"data:image/jpeg;base64,{base64.b64encode(chip.picture).decode()}",
    }
