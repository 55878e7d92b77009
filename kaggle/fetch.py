"""From an account to the competition's folder: downloaded by the official client, unpacked, counted.

Started again, it goes on where it was. By itself: python kaggle/fetch.py data
"""

import shutil
import tempfile
from pathlib import Path

import click
import client
import unpack

from amazon_tags import files, labels, process, progress, rehearsal, tables
from features import listing

SAMPLE, LABELS, MAPPING = "sample_submission_v2.csv", "train_v2.csv", "test_v2_file_mapping.csv"
ARCHIVES = {  # what each of them becomes
    f"{LABELS}.zip": LABELS,
    f"{SAMPLE}.zip": SAMPLE,
    f"{MAPPING}.zip": MAPPING,
    "train-jpg.tar.7z": "train-jpg",
    "test-jpg.tar.7z": "test-jpg",
    "test-jpg-additional.tar.7z": "test-jpg-additional",
}
COUNTS = {"train": rehearsal.TRAIN, "test": rehearsal.TEST + rehearsal.FILES}


def fetch(folder: Path, source: Path | None) -> None:
    """Bring all files into a folder, from the competition or from a folder that has its archives.

    Raises:
        client.ClientError: the client cannot download.
        ValueError: an archive is damaged, or chips are missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with files.lock(folder / "lock"):
        files.sweep(folder)
        for archive, made in ARCHIVES.items():
            if (folder / made).exists():
                progress.say(f"{made} is there")
                continue
            place = (source or folder) / archive
            if not place.exists():
                if source:
                    raise ValueError(f"{source} has no {archive}; attach all of the competition's files.")
                progress.say(f"{archive}: downloading")
                _download(archive, folder)
            progress.say(f"{archive}: unpacking")
            names = [path.name for path in unpack.unpack(place, folder)]
            if made not in names:
                raise ValueError(
                    f"{place} holds {', '.join(names) or 'nothing'}, but {made} was needed; fetch it anew."
                )
    progress.say(verify(folder))


def verify(folder: Path) -> str:
    """Whether every chip that the tables name is there, no other, and as many as the competition has.

    Raises:
        ValueError: naming how many are missing or too many, and the first.
    """
    known = tables.read_labels(folder / LABELS, labels.PLANET).ids
    asked = tables.read_labels(folder / SAMPLE, labels.PLANET).ids
    for what, named, places in (
        ("train", known, [folder / "train-jpg"]),
        ("test", asked, [folder / "test-jpg", folder / "test-jpg-additional"]),
    ):
        there = set(listing.chips([place for place in places if place.exists()]).names())
        missing, more = [name for name in named if name not in there], there.difference(named)
        if missing or more:
            first = f"first missing: {missing[0]}" if missing else f"first too many: {min(more)}"
            raise ValueError(
                f"{', '.join(map(str, places))}: {len(missing):,} of {len(named):,} {what} chips are missing and "
                f"{len(more):,} are too many ({first}); remove the folder and start again."
            )
        if len(there) != COUNTS[what]:
            raise ValueError(
                f"there are {len(there):,} {what} chips, but the competition has {COUNTS[what]:,}; "
                "the tables are not its own: remove them and start again."
            )
    return f"{folder}: {len(known):,} training chips and {len(asked):,} test chips, as the tables name them"


def _download(archive: str, folder: Path) -> None:
    """One file, into a hidden folder first: half a download has no name to be taken for a whole one."""
    part = Path(tempfile.mkdtemp(prefix=".amazon_tags-", suffix=".part", dir=folder))
    try:
        client.ask("download", client.COMPETITION, "-f", archive, "-p", str(part), "-q")
        got = [path.name for path in part.iterdir()]
        if got != [archive]:
            raise client.ClientError(f"The kaggle client brought {got or 'nothing'}, but {archive} was asked for.")
        (part / archive).rename(folder / archive)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--archives",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Take the competition's archives from here, and download nothing.",
)
def main(folder: Path, archives: Path | None) -> None:
    """Fetch the competition's chips and tables into FOLDER, unpack and count them.

    Example: python kaggle/fetch.py data
    """
    process.catch_signals()
    fetch(folder, archives)


if __name__ == "__main__":
    process.main(main)
