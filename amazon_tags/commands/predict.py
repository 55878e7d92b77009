"""`amazon_tags predict`."""

import sys
from functools import partial
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import SKIPPED
from amazon_tags.signals import catch_signals


@click.command("predict")
@options.CHIPS
@click.option("--model", type=options.FOLDER, help="A bundle, or a registry; without it the bundle in the package.")
@click.option("-o", "--output", type=options.OUT, help="Write the tags here instead of to stdout.")
@click.option("--scores", "score_table", type=options.OUT, help="Also write the scores, as .csv or .parquet.")
@click.option("--like", type=options.FILE, help="A sample submission: write exactly its rows, in its order.")
@options.VIEWS
@click.option(
    "--precision",
    type=click.Choice(["auto", "f32", "bf16", "int8"]),
    default="auto",
    show_default=True,
    help="What to compute in; auto: the fastest that costs at most 0.001 of F2, by the bundle's own measure.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "gpu"]),
    default="auto",
    show_default=True,
    help="Where to compute; auto: on a GPU if there is one and the gpu extra.",
)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip", "fill"]),
    default="fail",
    show_default=True,
    help="What becomes of a chip that cannot be used; skip and fill name it in errors.jsonl.",
)
@click.option(
    "--errors", type=options.OUT, default=Path("errors.jsonl"), show_default=True, help="Where skip and fill report."
)
@click.option(
    "--journal",
    "journal_folder",
    type=options.OUT,
    help="Keep what is done in this folder: the same command goes on from it after a kill.",
)
@click.option(
    "--monitor", "log", type=options.OUT, help="Append a line to this log: what was seen, against the training chips."
)
@options.JOBS
def predict_command(
    chips: tuple[Path, ...],
    model: Path | None,
    output: Path | None,
    score_table: Path | None,
    like: Path | None,
    views: int,
    precision: str,
    device: str,
    on_error: str,
    errors: Path,
    journal_folder: Path | None,
    log: Path | None,
    jobs: int,
) -> None:
    """Tag CHIPS (a folder, files, a zip or tar): one row of image_name,tags a chip, on stdout.

    Example: amazon_tags predict chips/ > submission.csv
    """
    from amazon_tags.model import bundle, registry, training_record
    from amazon_tags.prediction.checkpoint import predict_with_checkpoint
    from amazon_tags.prediction.monitor import RunStatistics, append_line, monitor_line, watch_run
    from amazon_tags.prediction.predict import find_chips, predict_chips
    from amazon_tags.prediction.submission import OutputPaths, write_submission

    catch_signals()
    places = OutputPaths(output, score_table, errors if on_error != "fail" else None, log)
    if like and on_error == "skip":
        raise click.UsageError("--like promises a row for each of its names; use --on-error fill instead of skip.")
    paths = find_chips(chips, like)
    places.refuse(paths.files(), [like] if like else [])
    with registry.hold_model(model or bundle.DEFAULT) as folder:
        loaded = bundle.load(folder, jobs=jobs, precision=precision, device=device)
        tag = partial(predict_with_checkpoint, journal_folder) if journal_folder else predict_chips
        tagged = tag(paths, loaded, views=views, tolerant=on_error != "fail", jobs=jobs)
        if log:
            training, seen = training_record.read_required(folder), RunStatistics()
            tagged = watch_run(tagged, seen)
        bad = write_submission(tagged, loaded.space, places, fill=on_error == "fill", total=len(paths))
        if log:
            append_line(log, monitor_line(seen, loaded, training))
    if bad:
        verb = "skipped" if on_error == "skip" else "filled"
        click.echo(f"{bad} of {len(paths)} chips could not be used and were {verb}; see {errors}.", err=True)
        sys.exit(SKIPPED)
