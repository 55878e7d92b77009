"""Give the test TIFs the names of their JPGs, by the table that the competition published.

Usage: python kaggle/rename.py test-tif-v2 test_v2_file_mapping.csv renamed
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


def rename(tifs: Path, table: Path, output: Path) -> int:
    """Fill a new folder with the chips of another one, under the new names of a table; return how many have a new name.

    Files are linked, or copied where a file system has no links; `tifs` does not change.

    Raises:
        FileExistsError: `output` exists.
        ValueError: the table repeats a name, has one that no file can have, or does not fit the chips.
    """
    rows = csv_rows.read(table, ("old", "new"))
    old = [naming.name(cell) for cell in csv_rows.column(rows, "old")]
    new = [naming.IMAGE_SUFFIX.sub("", cell.strip()) for cell in csv_rows.column(rows, "new")]  # a folder is refused
    unusable = [name for name in new if not name or Path(name).name != name or not naming.writable(name)]
    if unusable:
        raise ValueError(f"{table} gives a chip the name {unusable[0]!r}, which no file can have; download it again.")
    for column, names in (("old", old), ("new", new)):
        name, times = Counter(names).most_common(1)[0]
        if times > 1:
            raise ValueError(f"{table} names {name} {times} times in its column {column}; download it again.")

    new_names = dict(zip(old, new, strict=True))
    chips = {path: listing.name(path) for path in listing.chips([tifs]).files()}
    count = sum(name in new_names for name in chips.values())
    if not count:
        raise ValueError(f"{table} names none of the {len(chips)} chips of {tifs}; it belongs to other chips.")
    targets = [new_names.get(name, name) for name in chips.values()]
    if len(set(targets)) < len(targets):
        raise ValueError(f"{table} gives two chips of {tifs} the same name; it belongs to other chips.")

    with folders.atomic_folder(output) as part:
        for path, target in zip(chips, targets, strict=True):
            renamed = part / f"{target}{path.suffix}"
            try:
                os.link(path.resolve(), renamed)
            except OSError:
                shutil.copyfile(path, renamed)
    return count


@click.command()
@click.argument("tifs", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("output", metavar="OUT", type=click.Path(path_type=Path))
def main(tifs: Path, table: Path, output: Path) -> None:
    """Fill OUT with the chips of TIFS under the names that TABLE, test_v2_file_mapping.csv, gives them.

    Example: python kaggle/rename.py test-tif-v2 data/test_v2_file_mapping.csv data/test-tif
    """
    catch_signals()
    progress.say(f"{output}: {rename(tifs, table, output):,} chips have a new name")


if __name__ == "__main__":
    run_command_line(main, "rename.py")
