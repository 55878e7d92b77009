"""The page to look through scored chips of `amazon_tags gallery`, `predict --html` and `TaggedList.gallery`.

Up to `MAX_INLINE` chips stand in the page itself; more lie in sheets of pictures in a folder beside it.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from amazon_tags import progress
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.files import atomic, preflight
from amazon_tags.files.system import descriptor_number
from amazon_tags.inspection.overlay_files import Overlays, find_overlays, read_overlay
from amazon_tags.pages.page import render_page
from amazon_tags.prediction.submission import OutputPaths
from amazon_tags.prediction.tag_chips import TagOptions, TagSummary, tag_chips
from amazon_tags.records import Json
from amazon_tags.review import page_folder
from amazon_tags.review.decided_chips import CollectedRun, DecidedChips, Reading, read_decided, read_decision
from amazon_tags.review.pictures import THUMBNAILS, SheetPlan, draw_pictures, draw_sheet, plan_full_view
from features.images import listing
from features.images.layout import AS_STATED, Layout
from features.images.overlays import jpeg_bytes

MAX_INLINE = 500  # chips, and overlays: of 256 pixels they make a page of 6 MB and at most 13 MB more
SCRIPTS = ("gallery_data.js", "gallery_pictures.js", "gallery_grid.js", "gallery_view.js", "gallery.js")

Keep = Callable[[str, bytes], str]  # takes the name and the bytes of a picture, returns what the page finds it by


@dataclass(frozen=True)
class GalleryOptions:
    """How to show chips; the values are those of the options of `amazon_tags gallery`.

    Attributes:
        decision: how scores become tags; None is the model's way.
        model: a bundle, or a registry, whose current model counts; None is the model inside the package.
        overlays: a folder that `amazon_tags inspect explain --overlays` wrote.
        layout: what the files do not state of their bands and levels.
        jobs: threads.
    """

    decision: Path | None = None
    model: Path | None = None
    overlays: Path | None = None
    layout: Layout = AS_STATED
    jobs: int = 1


def write_gallery(table: Path, inputs: Sequence[Path], page: Path, options: GalleryOptions | None = None) -> int:
    """Write a page with the chips of a score table, and return how many of them cannot be used.

    Args:
        table: a score table, CSV or Parquet.
        inputs: folders, files, zip or tar archives with the chips of the table.
        page: the page to write; more than `MAX_INLINE` chips also need a folder beside it.
        options: how to show them.

    Raises:
        BundleError: the model is damaged.
        FileExistsError: the folder beside the page is not one of a page.
        OSError: a file cannot be read or written.
        ValueError: table, decision or overlays are wrong, or chips and table do not belong together.
    """
    options = options or GalleryOptions()
    paths = list_chips(inputs)
    preflight.refuse_outputs([page], [table, *([options.decision] if options.decision else []), *paths.files()])
    refuse_page(page)
    reading = read_decision(options.decision, options.model, options.layout)
    decided = read_decided(table, paths, reading)
    errors = show_chips(decided, reading, page, overlays=options.overlays, jobs=options.jobs)
    unusable = [error for error in errors if error is not None]
    if unusable:
        progress.say(
            f"{len(unusable):,} of {len(errors):,} chips cannot be used and are shown without a picture (first: "
            f"{unusable[0]})"
        )
    return len(unusable)


def tag_and_show(
    inputs: Sequence[Path], outputs: OutputPaths, *, model: Path | None = None, options: TagOptions | None = None
) -> TagSummary:
    """Tag chips as `tag_chips` does, and write the page that `outputs` names with all of them.

    Raises:
        FileExistsError: the folder beside the page is not one of a page.
        ValueError: as in `tag_chips`, or the page is no file.
    """
    if outputs.page is None:
        raise ValueError("outputs names no page; name one, or call tag_chips.")
    refuse_page(outputs.page)
    options = options or TagOptions()
    run = CollectedRun()
    summary = tag_chips(inputs, outputs, model=model, options=options, watch=run.watch)
    if run.reading:
        show_chips(run.decided(listing.chips(inputs)), run.reading, outputs.page, jobs=options.jobs)
    return summary


def refuse_page(page: Path) -> None:
    """Raise, before any work, the error that a page ends in if it cannot have a folder beside it.

    Raises:
        FileExistsError: the folder is not one of a page.
        ValueError: the page is no file.
    """
    if descriptor_number(page) is not None or (page.exists() and not page.is_file()):
        raise ValueError(f"{page} is no file, beside which pictures could lie; name one, such as gallery.html.")
    if page.suffix == ".files":
        raise ValueError(f"{page} ends as the folder of its pictures does; name a page such as gallery.html.")
    page_folder.refuse_foreign(page)


def show_chips(
    decided: DecidedChips, reading: Reading, page: Path, *, overlays: Path | None = None, jobs: int = 1
) -> list[str | None]:
    """Write a page with chips whose tags are decided, and return (chips,) why one cannot be used, or None."""
    found = find_overlays(overlays, decided.names, reading.space.names) if overlays else {}
    full = plan_full_view(decided.sources)
    count = max(len(decided.names), sum(map(len, found.values())))
    if count <= MAX_INLINE:
        errors, pictures = _pictures(decided, reading, full, found, _inline, jobs)
        atomic.write_text(page, _page(decided.with_errors(errors), reading, pictures))
        page_folder.remove_pictures(page)
        return errors

    with page_folder.picture_folder(page) as part:

        def keep(name: str, content: bytes) -> str:
            (part / name).write_bytes(content)
            return name

        errors, pictures = _pictures(decided, reading, full, found, keep, jobs)
        place = page_folder.settle(part)
        root = quote(f"{place.parent.name}/{place.name}/")
        atomic.write_text(page, _page(decided.with_errors(errors), reading, pictures, root))
        page_folder.remove_pictures(page, but=place)
    return errors


def small_page(decided: DecidedChips, reading: Reading, *, jobs: int = 1) -> str:
    """Return a page of at most `MAX_INLINE` chips with thumbnails alone, a fifth of the bytes of one with full views.

    Raises:
        ValueError: there are more chips.
    """
    if len(decided.names) > MAX_INLINE:
        raise ValueError(
            f"{len(decided.names):,} chips are too many for a page inside another, which holds at most {MAX_INLINE}; "
            f"show a part such as [:{MAX_INLINE}], or write a page by amazon_tags gallery."
        )
    errors, pictures = _pictures(decided, reading, None, {}, _inline, jobs)
    return _page(decided.with_errors(errors), reading, pictures)


def _inline(_name: str, content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def _pictures(
    decided: DecidedChips, reading: Reading, full: SheetPlan | None, overlays: Overlays, keep: Keep, jobs: int
) -> tuple[list[str | None], Json]:
    """Draw all pictures and keep them; return why chips cannot be used, and what the page needs to find them."""
    errors: list[str | None] = []
    thumbnails: list[NDArray[np.uint8]] = []
    files: dict[str, list[str]] = {"thumbnails": [], "full": []}

    def keep_sheet(kind: str, content: bytes) -> None:
        files[kind].append(keep(f"{kind}-{len(files[kind]):05}.jpg", content))

    with progress.bar("drawing", len(decided.names)) as advance:
        for block in draw_pictures(decided.sources, reading.spec, full, jobs=jobs):
            errors += block.errors
            thumbnails += list(block.thumbnails)
            if block.sheet:
                keep_sheet("full", block.sheet)
            if len(thumbnails) == THUMBNAILS.per_sheet or len(errors) == len(decided.names):
                keep_sheet("thumbnails", draw_sheet(thumbnails, THUMBNAILS))
                thumbnails = []
            advance(len(block.errors))

    drawn = {
        str(row): [
            [column, keep(f"overlay-{row}-{column}.jpg", jpeg_bytes(read_overlay(path)))]
            for column, path in of_chip.items()
        ]
        for row, of_chip in overlays.items()
    }
    known = [before or now for before, now in zip(decided.errors, errors, strict=True)]
    sheets = {"thumbnails": _sheets(THUMBNAILS, files["thumbnails"]), "full": full and _sheets(full, files["full"])}
    return known, {**sheets, "overlays": drawn}


def _sheets(plan: SheetPlan, files: Sequence[str]) -> Json:
    return {**asdict(plan), "files": list(files)}


def _page(decided: DecidedChips, reading: Reading, pictures: Json, root: str = "") -> str:
    """Return the page as HTML; `root` is the folder of pictures, as the page finds it, if they are not in the page."""
    data = {
        "labels": list(reading.space.names),
        "names": decided.names,
        "scores": _base64(decided.scores.astype("<f4")),
        "tags": _base64(decided.tags.astype(np.uint8)),
        "expected": _base64(decided.expected_f.astype("<f4")),
        "beta": reading.decision.beta,
        "errors": {row: error for row, error in enumerate(decided.errors) if error is not None},
        **pictures,
        "root": root,
    }
    return render_page(
        "gallery.html",
        title=f"{len(decided.names):,} chips with their tags and scores",
        styles=["gallery.css"],
        scripts=SCRIPTS,
        data=data,
        local_images=bool(root),
        beta=f"{reading.decision.beta:g}",
    )


def _base64(values: NDArray[np.generic]) -> str:
    """Return the bytes of an array, row by row, in base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
