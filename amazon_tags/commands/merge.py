"""`amazon_tags merge`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.prediction.shard import VECTOR_SHARDS
from amazon_tags.signals import catch_signals


@click.command("merge")
@click.argument("checkpoint", type=options.FOLDER)
@options.MODEL
@options.TABLE_OUTPUT
@click.option("--scores", type=options.OUTPUT, help="Also write the scores to this .csv or .parquet file.")
@click.option("--like", type=options.FILE, help="The sample submission that the shards were run with.")
@click.option(
    "--on-error",
    type=click.Choice(["skip", "fill"]),
    default="skip",
    show_default=True,
    help="For a chip that could not be used: skip leaves it out, fill writes common tags; both list it in --errors.",
)
@options.ERRORS
@click.option(
    "--monitor", "log", type=options.OUTPUT, help="Append a line that compares this run with the training chips."
)
def merge_command(
    checkpoint: Path,
    model: Path | None,
    output: Path | None,
    scores: Path | None,
    like: Path | None,
    on_error: str,
    errors: Path,
    log: Path | None,
) -> None:
    """Print the tags of all chips whose shards `amazon_tags predict --shard` scored into CHECKPOINT.

    Writes the bytes that one machine would have written, and refuses a checkpoint that lacks a part, or holds one twice
    or of another model or other chips. The chips themselves are not needed. If CHECKPOINT holds vectors of `amazon_tags
    embed --shard`, they are written to the Parquet file of -o.

    Example: amazon_tags merge run/ -o submission.csv --scores scores.csv
    """
    from amazon_tags.prediction.merge import merge_shards, read_run
    from amazon_tags.prediction.submission import OutputPaths
    from amazon_tags.prediction.tag_chips import TagOptions

    catch_signals()
    if any(checkpoint.glob(VECTOR_SHARDS)):
        if not output or model or scores or like or log:
            raise click.UsageError(f"{checkpoint} holds vectors; pass only -o vectors.parquet.")
        from amazon_tags.training.vector_shards import merge_vectors

        click.echo(f"{output}: {merge_vectors(checkpoint, output):,} vectors", err=True)
        return
    if like and on_error == "skip":
        raise click.UsageError("--like writes a row for each of its names; use --on-error fill instead of skip.")
    outputs = OutputPaths(output, scores, errors if read_run(checkpoint).tolerant else None, log)
    summary = merge_shards(checkpoint, outputs, model=model, options=TagOptions(like, on_error=on_error))
    options.exit_after(summary.unusable, summary.chips, "skipped" if on_error == "skip" else "filled", errors)
