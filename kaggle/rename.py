"""TIFs under the names that their JPGs have: the competition published some under others, and a table of both.

By itself: python kaggle/rename.py test-tif-v2 test_v2_file_mapping.csv renamed
"""

import os
import shutil
from collections import Counter
from pathlib import Path

import click

from amazon_tags import progress
from amazon_tags.errors import run_command_line
from amazon_tags.files import folders
from amazon_tags.signals import catch_signals
from amazon_tags.tables import csv_rows
from features.images import listing, naming


def rename(tifs: Path, table: Path, out: Path) -> int:
    """Fill a new folder with the chips of another, those of the table under their new names; returns how many of these.

    Files are linked, or copied where a file system has no links; nothing in `tifs` changes.

    Raises:
        FileExistsError: `out` is there.
        ValueError: the table names a chip twice, or gives two chips one name.
    """
    read = csv_rows.read(table, ("old", "new"))
    old, new = ([naming.name(cell.strip()) for cell in csv_rows.column(read, name)] for name in ("old", "new"))
    strange = [name for name in new if not name or Path(name).name != name or not naming.writable(name)]
    if strange:
        raise ValueError(f"{table} gives a chip the name {strange[0]!r}, which no file can have; fetch it anew.")
    for column, names in (("old", old), ("new", new)):
        often, times = Counter(names).most_common(1)[0]
        if times > 1:
            raise ValueError(f"{table} names {often} {times} times in its column {column}; fetch it anew.")
    renamed = dict(zip(old, new, strict=True))
    found = {path: listing.name(path) for path in listing.chips([tifs]).files()}
    count = sum(name in renamed for name in found.values())
    if not count:
        raise ValueError(f"{table} names none of the {len(found)} chips of {tifs}; it is not of these chips.")
    targets = [renamed.get(name, name) for name in found.values()]
    if len(set(targets)) < len(targets):
        raise ValueError(f"{table} gives two chips of {tifs} one name; it is not of these chips.")
    with folders.atomic_folder(out) as part:
        for path, target in zip(found, targets, strict=True):
            place = part / f"{target}{path.suffix}"
            try:
                os.link(path.resolve(), place)
            except OSError:
                shutil.copyfile(path, place)
    return count


@click.command()
@click.argument("tifs", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(tifs: Path, table: Path, out: Path) -> None:
    """Fill OUT with the chips of TIFS under the names that TABLE, test_v2_file_mapping.csv, gives them.

    Example: python kaggle/rename.py test-tif-v2 data/test_v2_file_mapping.csv data/test-tif
    """
    catch_signals()
    progress.say(f"{out}: {rename(tifs, table, out):,} chips have a new name")


if __name__ == "__main__":
    run_command_line(main, "rename.py")
