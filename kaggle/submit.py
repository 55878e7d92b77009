"""A submission to the competition, under a message that names the model behind it.

By itself: python kaggle/submit.py out
"""

from pathlib import Path

import click
import client

from amazon_tags import bundle, process, progress


def message(model: Path) -> str:
    """What the list of submissions shall say: version, name, members and F2 out of fold of a bundle."""
    manifest = bundle.read_manifest(model)
    f2 = manifest.get("scores", {}).get("f2")
    told = "" if f2 is None else f", F2 {f2:.4f} out of fold on {manifest['data']['chips']:,} chips"
    members = ", ".join(name.partition("-")[2] for name in manifest["members"])
    return f"amazon_tags {manifest['version']}, model {str(manifest['sha256'])[:12]} ({members}){told}"


@click.command()
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be submitted, and do not.")
def main(out: Path, dry_run: bool) -> None:
    """Submit OUT/submission.csv.zip, which produce.py wrote, naming OUT/model.

    Example: python kaggle/submit.py out
    """
    process.catch_signals()
    place = out / "submission.csv.zip"
    if not place.exists():
        raise ValueError(f"{place} is not there; make it first: python kaggle/produce.py data {out}")
    told = message(out / "model")
    client.find()
    if dry_run:
        progress.say(f"would submit {place}: {told}")
        return
    said = client.ask("submit", client.COMPETITION, "-f", str(place), "-m", told, "-q")
    progress.say(f"{said}\n{told}\nthe score: kaggle competitions submissions {client.COMPETITION}")


if __name__ == "__main__":
    process.main(main)
