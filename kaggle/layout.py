"""Find the competition's tables and chips in a folder: they have been published under several names and depths."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from amazon_tags.datasets import sample_competition
from amazon_tags.tables import label_tables, labels, truth_tables
from features.images import listing

TABLES = ("train_v2.csv", "train_classes.csv")
SAMPLES = ("sample_submission_v2.csv", "sample_submission.csv")
TRAIN, TEST, TEST_IN_ONE = ("train-jpg",), ("test-jpg", "test-jpg-additional"), ("test-jpg-v2",)
ADDITIONAL = "file_0.jpg"  # the first of the chips added later; some data sets have all test chips in one folder
MAX_DEPTH = 5  # nested folders to search
COUNTS = {"train": sample_competition.TRAIN, "test": sample_competition.TEST + sample_competition.FILES}


@dataclass(frozen=True)
class Layout:
    """The label table, the sample submission and the folders of chips; None or empty for what was not found."""

    table: Path | None
    sample: Path | None
    train: list[Path]
    test: list[Path]

    def missing(self) -> list[str]:
        """Return the names, as first published, of what was not found."""
        tables = {TABLES[0]: self.table, SAMPLES[0]: self.sample}
        folders = {path.name for path in [*self.train, *self.test]}
        in_one = folders.issuperset(TEST_IN_ONE) or any((folder / ADDITIONAL).exists() for folder in self.test)
        needed = TRAIN if in_one else TRAIN + TEST
        missing_tables = [name for name, path in tables.items() if path is None]
        return missing_tables + [name for name in needed if name not in folders]


def find(root: Path) -> Layout:
    """Search a folder and the folders inside it; of several matches the first counts."""
    test = _chip_folders(root, TEST_IN_ONE) or _chip_folders(root, TEST)
    return Layout(_first_file(root, TABLES), _first_file(root, SAMPLES), _chip_folders(root, TRAIN), test)


def verify(layout: Layout) -> tuple[int, int]:
    """Check that every chip that the tables name exists; return the numbers of training and of test chips.

    Raises:
        ValueError: a table, a folder or chips are missing.
    """
    if layout.table is None or layout.sample is None or layout.missing():
        raise ValueError(f"{', '.join(layout.missing())} are missing; fetch them first: python kaggle/fetch.py DATA")
    train_ids = truth_tables.read_truth(layout.table, labels.PLANET).ids
    test_ids = label_tables.read_ids(layout.sample)
    for table, ids, folders in ((layout.table, train_ids, layout.train), (layout.sample, test_ids, layout.test)):
        existing = set(listing.chips(folders).names())
        missing = [name for name in ids if name not in existing]
        if missing:
            raise ValueError(
                f"{len(missing):,} of the {len(ids):,} chips that {table} names are not in "
                f"{', '.join(map(str, folders))} (first: {missing[0]}); remove the unpacked folder, and its archive "
                "if that is incomplete, and start again."
            )
    return len(train_ids), len(test_ids)


def _search(root: Path, name: str) -> Iterator[Path]:
    """Yield the paths of a name, the least nested first."""
    for depth in range(MAX_DEPTH):
        yield from sorted(root.glob("*/" * depth + name))


def _first_file(root: Path, names: tuple[str, ...]) -> Path | None:
    """Return the first file that has one of the names."""
    return next((path for name in names for path in _search(root, name) if path.is_file()), None)


def _chip_folders(root: Path, names: tuple[str, ...]) -> list[Path]:
    """Return for each name the first folder of that name with chips in it, if there is one."""
    folders = []
    for name in names:
        folders += [path for path in _search(root, name) if path.is_dir() and any(map(_is_chip, path.iterdir()))][:1]
    return folders


def _is_chip(path: Path) -> bool:
    return path.suffix == ".jpg" and not path.name.startswith(".")
