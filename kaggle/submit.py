"""A submission to the competition, under a message that names the model behind it.

By itself: python kaggle/submit.py out/submission.csv
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
    """What the list of submissions shall say: version, name, members and F2 out of fold of a bundle."""
    manifest = bundle.read_manifest(model)
    scores = manifest.scores
    measured = "" if scores is None else f", F2 {scores.f2:.4f} out of fold on {scores.chips:,} chips"
    members = ", ".join(name.partition("-")[2] for name in manifest.members)
    return f"amazon_tags {manifest.version}, model {manifest.name} ({members}){measured}"


def checked(submission: Path, how: str) -> str:
    """The message for a submission: what its model says of itself and, of a file that was made otherwise, how.

    Raises:
        ValueError: it has another number of rows than the competition's, or the model did not make it.
    """
    count = len(label_tables.read_ids(submission))
    if count != layout.COUNTS["test"]:
        raise ValueError(f"{submission} has {count:,} rows, but the competition asks for {layout.COUNTS['test']:,}.")
    model = submission.with_name("model")
    if how:
        return f"{how}; {message(model)}" if model.exists() else how
    if not produce.made_by(submission, bundle.read_manifest(model).sha256):
        raise ValueError(f"{submission} is not what produce.py made with {model}; say how it was made: --message TEXT")
    return message(model)


@click.command()
@click.argument("submission", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--message", "how", default="", help="How a file was made that is not by produce.py.")
@click.option("--dry-run", is_flag=True, help="Say what would be submitted, and do not.")
def main(submission: Path, how: str, dry_run: bool) -> None:
    """Submit a file that produce.py made, naming the model beside it. Each call is one of the day's submissions.

    Example: python kaggle/submit.py out/submission.csv
    """
    catch_signals()
    told = checked(submission, how)
    client.find()
    if dry_run:
        progress.say(f"would submit {submission}: {told}")
        return
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / f"{submission.name}.zip"
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.write(submission, submission.name)
        said = client.ask("submit", client.COMPETITION, "-f", str(place), "-m", told, "-q")
    progress.say(f"{said}\n{told}\nthe score: kaggle competitions submissions {client.COMPETITION}")


if __name__ == "__main__":
    run_command_line(main, "submit.py")
