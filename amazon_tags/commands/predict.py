"""`amazon_tags predict`."""

from pathlib import Path

import click

from amazon_tags.commands import options, shard_options
from amazon_tags.prediction.shard import Shard
from amazon_tags.signals import catch_signals


@click.command("predict")
@click.argument("chips", nargs=-1, type=options.EXISTING)
@click.option(
    "--vectors",
    type=options.FILE,
    help="In place of CHIPS, a .parquet file of their vectors, as embed writes it; the model must take these.",
)
@options.PAIRS
@options.MODEL
@options.TABLE_OUTPUT
@click.option("--scores", type=options.OUTPUT, help="Also write the scores to this .csv or .parquet file.")
@click.option("--like", type=options.FILE, help="A sample submission: write exactly its rows, in its order.")
@options.BANDS
@options.LEVELS
@options.VIEWS
@options.PRECISION
@options.DEVICE
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip", "fill"]),
    default="fail",
    show_default=True,
    help="For a chip that cannot be read: fail stops, skip leaves it out, fill writes common tags. "
    "skip and fill list it in the --errors file.",
)
@options.ERRORS
@shard_options.CHECKPOINT
@shard_options.SHARD
@shard_options.ENGINE
@shard_options.SCHEDULER
@shard_options.INSECURE
@click.option(
    "--monitor", "log", type=options.OUTPUT, help="Append a line that compares this run with the training chips."
)
@click.option(
    "--html",
    "page",
    type=options.OUTPUT,
    help="Also write a page to look through the chips, as amazon_tags gallery does.",
)
@options.JOBS
def predict_command(
    chips: tuple[Path, ...],
    vectors: Path | None,
    pairs: Path | None,
    model: Path | None,
    output: Path | None,
    scores: Path | None,
    like: Path | None,
    bands: tuple[str, ...] | None,
    levels: str,
    views: int,
    precision: str,
    device: str,
    on_error: str,
    errors: Path,
    checkpoint: Path | None,
    shard: Shard | None,
    engine: str,
    scheduler: str | None,
    insecure: bool,
    log: Path | None,
    page: Path | None,
    jobs: int,
) -> None:
    """Tag CHIPS (folders, files, zip or tar archives) and print one row of image_name,tags per chip.

    With --vectors, chips are tagged by their vectors alone. With --pairs, pairs of chips are tagged by a model that
    train --pairs wrote. With --shard, one share of the chips is scored into --checkpoint, and `amazon_tags merge`
    writes the tags.

    Example: amazon_tags predict chips/ > submission.csv
    """
    from amazon_tags.prediction.submission import OutputPaths
    from amazon_tags.prediction.tag_chips import TagOptions, tag_chips
    from amazon_tags.review.gallery import tag_and_show
    from features.images.layout import Layout

    catch_signals()
    if bool(chips) == bool(vectors):
        raise click.UsageError("Name either CHIPS, or a file of their vectors by --vectors.")
    if vectors:
        given = {
            "--pairs": pairs,
            "--bands": bands,
            "--levels": levels != "auto",
            "--views": views > 1,
            "--precision": precision not in ("auto", "f32"),
            "--device": device == "gpu",
            "--on-error": on_error != "fail",
            "--checkpoint": checkpoint,
            "--shard": shard,
            "--engine": engine == "dask",
            "--monitor": log,
            "--html": page,
        }
        options.refuse_chip_options(given, vectors)
        from amazon_tags.prediction.tag_vectors import tag_vectors

        tag_vectors(vectors, OutputPaths(output, scores), model=model, like=like)
        return
    if like and on_error == "skip":
        raise click.UsageError("--like writes a row for each of its names; use --on-error fill instead of skip.")
    if pairs and (page or engine == "dask"):
        raise click.UsageError(
            f"{'--html' if page else '--engine dask'} is for single chips; leave it out with --pairs."
        )
    named = [
        name
        for name, path in {"-o": output, "--scores": scores, "--monitor": log, "--html": page}.items()
        if path is not None
    ]
    cluster = shard_options.read_cluster(engine, scheduler, insecure=insecure, workers=jobs, shard=shard)
    if cluster and page:
        raise click.UsageError("--engine dask writes no page; make it of the --scores by amazon_tags gallery.")
    if shard and named:
        raise click.UsageError(f"--shard writes only the checkpoint; pass {' and '.join(named)} to amazon_tags merge.")
    outputs = OutputPaths(output, scores, errors if on_error != "fail" else None, log, page)
    tag_options = TagOptions(like, views, precision, device, on_error, checkpoint, jobs, Layout(bands, levels), pairs)
    if shard:
        from amazon_tags.prediction.predict_shard import predict_shard

        predict_shard(chips, shard, shard_options.need_checkpoint(checkpoint), model=model, options=tag_options)
        return
    if cluster:
        shard_options.need_checkpoint(checkpoint, "--engine dask")
        from amazon_tags.prediction.dask_engine import predict_on_cluster

        summary = predict_on_cluster(chips, outputs, cluster, model=model, options=tag_options)
    else:
        tag = tag_and_show if page else tag_chips
        summary = tag(chips, outputs, model=model, options=tag_options)
    options.exit_after(summary.unusable, summary.chips, "skipped" if on_error == "skip" else "filled", errors)
