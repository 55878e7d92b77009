"""Download the competition's files with the official client, unpack them and count the chips.

Started again, it resumes. Usage: python kaggle/fetch.py data
"""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click
import client
import layout
import unpack

from amazon_tags import progress
from amazon_tags.errors import run_command_line
from amazon_tags.files import folders, locks
from amazon_tags.signals import catch_signals

MAPPING = "test_v2_file_mapping.csv"  # only rename.py needs it
UNPACKED = "unpacked"


def fetch(folder: Path, source: Path | None) -> None:
    """Get all files into a folder, from the competition or, if `source` is given, from a folder with its archives.

    Raises:
        client.ClientError: the client cannot download.
        ValueError: an archive is damaged, or chips are missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locks.hold_lock(folder / "lock"):
        for place in (folder, folder / UNPACKED):
            folders.sweep(place)
        unpack_all(source or folder, folder / UNPACKED)
        if source is None:
            mapping = [] if list(folder.glob(f"**/{MAPPING}")) else [MAPPING]
            for name in layout.find(folder).missing() + mapping:
                download(name, folder)
            unpack_all(folder, folder / UNPACKED)
        missing = layout.find(folder).missing()
        if missing:
            raise ValueError(
                f"{', '.join(missing)} are not in {source or folder}, and the competition does not serve them by these "
                f"names; download them at {client.PAGE}/data, put archives or folders into {folder} and start again."
            )
        train, test = layout.verify(layout.find(folder))
        if (train, test) != tuple(layout.COUNTS.values()):
            raise ValueError(
                f"the tables of {folder} name {train:,} training and {test:,} test chips, but the competition has "
                f"{layout.COUNTS['train']:,} and {layout.COUNTS['test']:,}; remove these tables and start again."
            )
        progress.say(f"{folder}: {train:,} training chips and {test:,} test chips, as the tables name them")


def unpack_all(source: Path, output: Path) -> None:
    """Unpack each archive of a folder into a folder of its name, unless that exists."""
    output.mkdir(exist_ok=True)
    for archive in sorted(filter(unpack.is_archive, source.iterdir())):
        place = output / archive.name.partition(".")[0]
        if not place.exists():
            progress.say(f"{archive.name}: unpacking")
            unpack.unpack(archive, place)


def download(name: str, folder: Path) -> None:
    """Try every name under which a file has been published; report if the competition serves none of them."""
    for published in _published_names(name):
        progress.say(f"{published}: downloading")
        part = Path(tempfile.mkdtemp(prefix=".amazon_tags-", suffix=".part", dir=folder))  # removed if killed half-way
        try:
            client.call("download", client.COMPETITION, "-f", published, "-p", str(part), "-q")
            files = [path for path in part.rglob("*") if path.is_file()]
            if len(files) != 1:
                raise client.ClientError(f"The kaggle client downloaded {len(files)} files instead of {published}.")
            files[0].rename(folder / files[0].name)
            return
        except client.NotThereError:
            continue
        finally:
            shutil.rmtree(part, ignore_errors=True)
    progress.say(f"{name}: the competition does not serve it")


def _published_names(name: str) -> Iterable[str]:
    return (name, f"{name}/{name}", f"{name}.zip") if name.endswith(".csv") else (f"{name}.tar.7z", f"{name}.zip")


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--archives",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Take the competition's archives from this folder, and download nothing.",
)
def main(folder: Path, archives: Path | None) -> None:
    """Download the competition's chips and tables into FOLDER, unpack and count them.

    Example: python kaggle/fetch.py data
    """
    catch_signals()
    fetch(folder, archives)


if __name__ == "__main__":
    run_command_line(main, "fetch.py")
