"""`amazon_tags decide`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.signals import catch_signals


@click.command("decide")
@click.argument("scores", type=options.FILE)
@click.option(
    "--decision", "made", required=True, type=options.FILE, help="What amazon_tags tune wrote, or a bundle's."
)
@click.option("-o", "--output", type=options.OUT, help="Write the tags here instead of to stdout.")
def decide_command(scores: Path, made: Path, output: Path | None) -> None:
    """Turn a table of SCORES (CSV or Parquet) into tags, without chips or a model.

    Example: amazon_tags decide scores.csv --decision decision.json > submission.csv
    """
    from amazon_tags.prediction.decide import decide_scores
    from amazon_tags.prediction.submission import OutputPaths, write_submission

    catch_signals()
    places = OutputPaths(output)
    places.refuse([scores, made])
    space, tagged = decide_scores(scores, made)
    write_submission(tagged, space, places)
