"""`amazon_tags decide`."""

from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.signals import catch_signals


@click.command("decide")
@click.argument("scores", type=options.FILE)
@click.option(
    "--decision",
    required=True,
    type=options.FILE,
    help="The decision to apply: a file that amazon_tags tune wrote, or a bundle's decision.json.",
)
@options.TABLE_OUTPUT
def decide_command(scores: Path, decision: Path, output: Path | None) -> None:
    """Turn a table of SCORES (CSV or Parquet) into tags, without chips or a model.

    Example: amazon_tags decide scores.csv --decision decision.json > submission.csv
    """
    from amazon_tags.prediction.decide import decide_scores
    from amazon_tags.prediction.submission import OutputPaths, write_submission

    catch_signals()
    outputs = OutputPaths(output)
    outputs.refuse([scores, decision])
    space, tagged = decide_scores(scores, decision)
    write_submission(tagged, space, outputs)
