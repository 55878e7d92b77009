"""The call behind `amazon_tags report`: what is known of a model, as a page on which thresholds can be moved."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from markupsafe import Markup

from amazon_tags.evaluation.curve_file import learning_curve
from amazon_tags.files import atomic
from amazon_tags.model import bundle, registry
from amazon_tags.model.manifest import Manifest
from amazon_tags.pages.page import render_page
from amazon_tags.review.history import history
from amazon_tags.review.measured import measured_values
from amazon_tags.review.member_tables import member_tables
from amazon_tags.review.out_of_fold import OutOfFold, read_out_of_fold
from amazon_tags.review.worst_chips import find_worst
from amazon_tags.training.card import DECODERS


@dataclass(frozen=True)
class ReportSources:
    """What a report shows beside the bundle; the values are those of the options of `amazon_tags report`.

    Attributes:
        chips: the training chips, which give names and pictures to the worst of them.
        curve: the CSV file of `amazon_tags curve`.
        monitor: a log of `amazon_tags predict --monitor`.
        runs: the folder of runs of a retraining job.
        jobs: threads.
    """

    chips: Path | None = None
    curve: Path | None = None
    monitor: Path | None = None
    runs: Path | None = None
    jobs: int = 1

    def files(self) -> Iterator[Path]:
        """Yield the files that a report must not overwrite."""
        yield from (path for path in (self.curve, self.monitor) if path)


def write_report(model: Path | None, output: Path, sources: ReportSources) -> None:
    """Write the report of a bundle, or of a registry's current model, as an HTML page; None is the model inside.

    Raises:
        BundleError: the bundle is damaged.
        ChipError: a training chip cannot be used.
        OSError: a file cannot be read or written.
        ValueError: the registry is damaged, or a source is not what it should be.
    """
    atomic.write_text(output, report_page(model or bundle.DEFAULT, sources))


def report_page(model: Path, sources: ReportSources) -> str:
    """Return the page; raises like `write_report`."""
    curve = Markup(learning_curve(sources.curve)) if sources.curve else None  # noqa: S704  our own SVG
    parts = history(model, sources.runs, sources.monitor)
    with registry.hold_model(model) as folder:
        manifest = bundle.read_manifest(folder)
        out_of_fold = read_out_of_fold(folder, manifest)
        worst = None
        if out_of_fold:
            worst = find_worst(folder, manifest, out_of_fold, sources.chips, jobs=sources.jobs)
        written = datetime.fromtimestamp((folder / "manifest.json").stat().st_mtime, UTC)

        return render_page(
            "report.html",
            title=f"Report of model {manifest.name}",
            styles=["tags.css", "report.css"],
            scripts=["report.js"] if out_of_fold else [],
            data=out_of_fold.threshold_data() if out_of_fold else None,
            summary=_summary(manifest, out_of_fold, f"{written:%Y-%m-%d}"),
            beta=f"{out_of_fold.decision.beta:g}" if out_of_fold else "2",
            measured=measured_values(manifest, out_of_fold) if out_of_fold else None,
            members=member_tables(manifest),
            curve=curve,
            worst=worst,
            history=parts,
        )


def _summary(manifest: Manifest, out_of_fold: OutOfFold | None, written: str) -> list[tuple[str, str]]:
    """Return names and values of the first list of the page."""
    summary = []
    if manifest.scores:
        low, high = manifest.scores.interval
        summary.append(("F2 out of fold", f"{manifest.scores.f2:.4f} ({low:.4f} to {high:.4f})"))
    if manifest.data:
        groups = f" in {manifest.data.groups} groups" if manifest.data.groups else ""
        unlabelled = f", and {manifest.data.unlabelled} without labels" if manifest.data.unlabelled else ""
        summary.append(("Training chips", f"{manifest.data.chips}{groups}{unlabelled}"))
    summary.append(("Labels", f"{len(manifest.space.names)} of the label space {manifest.space.name}"))
    summary.append(("Members", ", ".join(name.partition("-")[2] for name in manifest.members)))
    summary.append(("Decision", DECODERS[manifest.decoder]))
    if out_of_fold and out_of_fold.decision.calibration.kind != "none":
        summary.append(("Calibration", out_of_fold.decision.calibration.kind))
    summary.append(("Written", f"{written} by amazon_tags {manifest.version}"))
    if manifest.data and manifest.data.note:
        summary.append(("Data and terms", manifest.data.note))
    return summary
