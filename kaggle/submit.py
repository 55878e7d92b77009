"""Submit a file to the competition, with a message that names its model.

Usage: python kaggle/submit.py out/submission.csv
"""

import tempfile
import zipfile
from pathlib import Path

import click
import client
import layout
import produce

from amazon_tags import progress
from amazon_tags.errors import run_command_line
from amazon_tags.model import bundle
from amazon_tags.signals import catch_signals
from amazon_tags.tables import label_tables


def message(model: Path) -> str:
    """Return the message of a submission: version, hash, members and out-of-fold F2 of its bundle."""
    manifest = bundle.read_manifest(model)
    scores = manifest.scores
    measured = "" if scores is None else f", F2 {scores.f2:.4f} out of fold on {scores.chips:,} chips"
    members = ", ".join(name.partition("-")[2] for name in manifest.members)
    return f"amazon_tags {manifest.version}, model {manifest.name} ({members}){measured}"


def check(submission: Path, how: str) -> str:
    """Check a submission, and return its message; `how` says how a file was made that is not by produce.py.

    Raises:
        ValueError: it has another number of rows than the competition needs, or is not by the model beside it.
    """
    count = len(label_tables.read_ids(submission))
    if count != layout.COUNTS["test"]:
        raise ValueError(f"{submission} has {count:,} rows, but the competition needs {layout.COUNTS['test']:,}.")
    model = submission.with_name("model")
    if how:
        return f"{how}; {message(model)}" if model.exists() else how
    if not produce.is_by(submission, bundle.read_manifest(model).sha256):
        raise ValueError(f"{submission} is not what produce.py wrote with {model}; say how it was made: --message TEXT")
    return message(model)


@click.command()
@click.argument("submission", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--message", "how", default="", help="How the file was made, if not by produce.py.")
@click.option("--dry-run", is_flag=True, help="Print what would be submitted, and submit nothing.")
def main(submission: Path, how: str, dry_run: bool) -> None:
    """Submit a file of produce.py, with a message that names its model. Each call is one of the day's submissions.

    Example: python kaggle/submit.py out/submission.csv
    """
    catch_signals()
    text = check(submission, how)
    client.find()
    if dry_run:
        progress.say(f"would submit {submission}: {text}")
        return
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / f"{submission.name}.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.write(submission, submission.name)
        reply = client.call("submit", client.COMPETITION, "-f", str(archive), "-m", text, "-q")
    progress.say(f"{reply}\n{text}\nthe score: kaggle competitions submissions {client.COMPETITION}")


if __name__ == "__main__":
    run_command_line(main, "submit.py")
