"""The call behind `amazon_tags review`: a page with a queue of chips, or a folder that another program imports."""

from collections.abc import Sequence
from pathlib import Path

from amazon_tags import progress
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.files import preflight
from amazon_tags.review.chips_to_review import ReviewTables
from amazon_tags.review.exports import ExportFormat, write_export
from amazon_tags.review.queue import Queue, QueueOptions, make_queue
from amazon_tags.review.review_page import write_page


def write_review(
    tables: ReviewTables,
    inputs: Sequence[Path],
    output: Path,
    *,
    options: QueueOptions | None = None,
    export_format: ExportFormat | None = None,
) -> Queue:
    """Write the page of a review, and return its queue.

    Args:
        tables: scores, and labels if there are any.
        inputs: folders, files, zip or tar archives with the chips of the tables.
        output: the page; with `export_format` a new folder.
        options: which chips to take.
        export_format: the program that shall import the folder.

    Raises:
        ChipError: a chip cannot be used.
        FileExistsError: the folder exists.
        ImportError: the order needs cleanlab, which is not installed.
        ValueError: a table is wrong, the order needs other tables, or a chip is missing.
    """
    options = options or QueueOptions()
    paths = list_chips(inputs)
    if export_format:
        preflight.refuse_filled(output)
    else:
        groups = [options.groups] if options.groups else []
        preflight.refuse_outputs([output], [*tables.paths(), *groups, *paths.files()])

    queue = make_queue(tables, paths, options)
    if export_format:
        write_export(output, queue, export_format)
    else:
        write_page(output, queue)
    progress.say(_summary(queue))
    return queue


def _summary(queue: Queue) -> str:
    """Return a sentence on the queue, with the chip that comes first."""
    first = queue.chips[0]
    doubt = queue.space.names[first.asked[0]]
    what = "labels" if queue.has_labels else "predicted tags"
    return (
        f"{len(queue.chips):,} chips by the order {queue.order!r}, with their {what}; first: {first.name}, where "
        f"{doubt} has a score of {first.scores[first.asked[0]]:.2f}"
    )
