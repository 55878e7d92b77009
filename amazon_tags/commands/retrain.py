"""`amazon_tags retrain`."""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from amazon_tags.commands import options
from amazon_tags.errors import REJECTED, emit, need_train
from amazon_tags.signals import catch_signals


@click.command("retrain")
@click.argument("config", type=options.FILE)
def retrain_command(config: Path) -> None:
    """Train a candidate if labels or chips are new, and promote it if it is not worse than the current model.

    CONFIG is a TOML file. Prints one line of JSON. Ends with 0 if a model was promoted or nothing is new, and with 20
    if the data or the candidate was rejected; the current model then stays.

    Example: amazon_tags retrain job.toml
    """
    need_train()
    from amazon_tags.retraining.retrain import retrain

    catch_signals()
    emit("")  # reports a closed stdout before the work, not after it
    with redirect_stdout(sys.stderr):  # Keras prints its downloads to stdout
        result = retrain(config)
    emit(json.dumps(result.to_json()) + "\n")
    if result.outcome == "rejected":
        sys.exit(REJECTED)
