"""The call behind `amazon_tags inspect explain`: where in a chip the scores of its tags come from."""

import html
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.datasets.remark_counts import RemarkCounts
from amazon_tags.files import folders
from amazon_tags.inspection.evidence import Method, gather_evidence
from amazon_tags.inspection.explained_chip import ExplainedChip, Explainer, tag_columns
from amazon_tags.inspection.findings import Cell, Findings
from amazon_tags.inspection.nearest_chips import read_training_chips
from amazon_tags.inspection.overlay_files import file_name
from amazon_tags.model import bundle, registry
from amazon_tags.records import Json
from amazon_tags.training.fingerprints import hash_chips
from ensemble.arrays import Floats
from features.arrays import Rgb
from features.images import chips, listing
from features.images.layout import AS_STATED, Layout
from features.images.listing import Listing
from features.images.overlays import data_uri, draw_overlay, png_bytes, with_caption
from features.images.visible import visible

MAX_PAGE_CHIPS = 30  # some 8 pictures each of 20 kB: a page of at most about 5 MB
CHANGE = (
    "change: of the expected F{beta:g} if a predicted tag is dropped or another one added; it is right only as far as "
    "the calibrated scores are probabilities"
)


@dataclass(frozen=True)
class ExplainOptions:
    """How to explain chips; the values are those of the options of `amazon_tags inspect explain`.

    Attributes:
        tags: the tags to explain; none are the predicted ones and the nearest misses.
        method: as of `evidence.gather_evidence`.
        patch: the side of the hiding patch in pixels; None is an eighth of the chip's side.
        train_chips: a folder of the training chips.
        overlays: a new folder for a PNG of each chip and tag.
        with_pictures: whether the findings hold the pictures, for a page.
        layout: what the files do not state of their bands and levels.
        jobs: threads.
    """

    tags: tuple[str, ...] = ()
    method: Method = "auto"
    patch: int | None = None
    train_chips: Path | None = None
    overlays: Path | None = None
    with_pictures: bool = False
    layout: Layout = AS_STATED
    jobs: int = 1


def inspect_explain(paths: Listing, model: Path | None = None, options: ExplainOptions | None = None) -> Findings:
    """Explain the tags of chips by a bundle, or a registry's current model; None is the model inside the package.

    Raises:
        BundleError: the bundle is damaged.
        ChipError: a chip cannot be used.
        FileExistsError: the folder for overlays exists.
        OSError: a file cannot be read or written.
        ValueError: the bundle takes vectors, a tag is unknown, the method is not possible, the folder of training chips
            holds none of them, or there are too many chips for a page.
    """
    options = options or ExplainOptions()
    if options.with_pictures and len(paths) > MAX_PAGE_CHIPS:
        raise ValueError(
            f"{len(paths)} chips are too many for one page, which holds at most {MAX_PAGE_CHIPS}; name fewer chips, or "
            "use --overlays."
        )
    with registry.hold_model(model or bundle.DEFAULT) as folder, _overlay_folder(options.overlays) as overlays:
        manifest = bundle.read_manifest(folder)
        bundle.refuse_vector_model(folder, manifest)
        bundle.refuse_other_dates(folder, manifest)
        loaded = bundle.load(folder, jobs=options.jobs).reading(options.layout)
        columns = tag_columns(loaded, options.tags)
        evidence = gather_evidence(loaded, options.method, patch=options.patch, jobs=options.jobs)
        training = read_training_chips(evidence, options.train_chips, jobs=options.jobs)
        explainer = Explainer(evidence, columns, training)

        explained, figures = _explain_all(paths, explainer, overlays, options)
        beta = loaded.decision.beta
        unknown = "nearest training chips: unknown, because the bundle keeps no record of them; name --train-chips"
        nearest = [training.note, *(chip.nearest_line() for chip in explained)] if training else [unknown]
        notes = (*evidence.describe(), CHANGE.format(beta=beta), *nearest)
    return _findings(explained, notes, beta, "".join(figures), evidence.to_json())


def _explain_all(
    paths: Listing, explainer: Explainer, overlays: Path | None, options: ExplainOptions
) -> tuple[list[ExplainedChip], list[str]]:
    """Return what is reported of each chip and its part of a page, and write its overlays."""
    spec = explainer.evidence.model.spec
    explained, figures, remarks = [], [], RemarkCounts()
    with progress.bar("explaining", len(paths)) as advance:
        for path in paths:
            loaded = chips.load_with_remarks(path, spec)
            name = listing.name(path)
            remarks.add([name], [loaded.remarks])
            chip, heat = explainer.explain(name, loaded.pixels, hash_chips([path])[path])
            explained.append(chip)
            picture = visible(loaded.pixels, spec)
            if overlays:
                _write_overlays(overlays, chip, picture, heat)
            if options.with_pictures:
                figures.append(_figure(chip, picture, heat))
            advance(1)
    remarks.say()
    return explained, figures


@contextmanager
def _overlay_folder(path: Path | None) -> Iterator[Path | None]:
    """Yield a folder that appears at `path`, complete, when the block ends; None without a path."""
    if path is None:
        yield None
        return
    with folders.atomic_folder(path) as folder:
        yield folder


def _write_overlays(folder: Path, chip: ExplainedChip, picture: Rgb, heat: Floats) -> None:
    for tag, values in zip(chip.tags, heat, strict=True):
        drawn = draw_overlay(picture, values, tag.caption())
        (folder / file_name(chip.name, tag.tag)).write_bytes(png_bytes(drawn))


def _figure(chip: ExplainedChip, picture: Rgb, heat: Floats) -> str:
    """Return a chip's part of a page: the chip itself, and its overlays."""
    captions = ["the chip", *(tag.caption() for tag in chip.tags)]
    overlays = [draw_overlay(picture, *pair) for pair in zip(heat, captions[1:], strict=True)]
    images = "".join(
        f'<img src="{data_uri(image)}" alt="{html.escape(f"{chip.name}: {caption}")}"> '
        for image, caption in zip([with_caption(picture, captions[0]), *overlays], captions, strict=True)
    )
    return f"<h2>{html.escape(chip.name)}</h2><p>{images}</p><p>{html.escape(chip.nearest_line())}</p>\n"


def _findings(
    explained: Sequence[ExplainedChip], notes: tuple[str, ...], beta: float, figures: str, methods: Json
) -> Findings:
    columns = ("chip", "tag", "predicted", "score", "change", "quarter", "share", "x", "y")
    rows: list[tuple[Cell, ...]] = [(chip.name, *tag.row()) for chip in explained for tag in chip.tags]
    details = {**methods, "chips": [chip.to_json() for chip in explained]}
    title = f"Where the scores of {len(explained)} chips come from"
    return Findings(title, columns, rows, notes, _advice(explained, beta), figures, details)


def _advice(explained: Sequence[ExplainedChip], beta: float) -> str:
    """Return the change of tags that would raise the expected F-beta most, or that there is none."""
    pairs = [(tag, chip) for chip in explained for tag in chip.tags]
    tag, chip = pairs[int(np.argmax([tag.change for tag, _ in pairs]))]
    if tag.change <= 0:
        return (
            f"Dropping or adding any one of these tags would lower the expected F{beta:g} of its chip: keep them, and "
            "look at the pictures of those whose heat is not where the tag is to be seen."
        )
    action = f"dropping {tag.tag} from" if tag.predicted else f"adding {tag.tag} to"
    count = sum(tag.change > 0 for tag, _ in pairs)
    return (
        f"{count} of {len(pairs)} tags would raise the expected F{beta:g} of their chip if they were dropped or added, "
        f"most of all {action} {chip.name} ({tag.change:+.3f}): look at these first."
    )
