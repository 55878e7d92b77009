"""Where the competition's tables and chips lie in a folder: it has published them under several names and depths."""

from dataclasses import dataclass
from pathlib import Path

from amazon_tags.datasets import sample_competition
from amazon_tags.tables import label_tables, labels
from features.images import listing

TABLES = ("train_v2.csv", "train_classes.csv")
SAMPLES = ("sample_submission_v2.csv", "sample_submission.csv")
TRAIN, TEST, TEST_IN_ONE = ("train-jpg",), ("test-jpg", "test-jpg-additional"), ("test-jpg-v2",)
ADDITIONAL = "file_0.jpg"  # the first of those that came later; some keep all test chips in one folder
DEPTH = 5  # folders in folders
COUNTS = {"train": sample_competition.TRAIN, "test": sample_competition.TEST + sample_competition.FILES}


@dataclass(frozen=True)
class Layout:
    """What is there: the label table, the sample submission, and folders of chips; None or empty for what is not."""

    table: Path | None
    sample: Path | None
    train: list[Path]
    test: list[Path]

    def missing(self) -> list[str]:
        """What is not there, by the name that the competition gave it first."""
        there = {TABLES[0]: self.table, SAMPLES[0]: self.sample}
        found = {path.name for path in [*self.train, *self.test]}
        in_one = found.issuperset(TEST_IN_ONE) or any((place / ADDITIONAL).exists() for place in self.test)
        needed = TRAIN if in_one else TRAIN + TEST
        lacking = [name for name, place in there.items() if place is None]
        return lacking + [name for name in needed if name not in found]


def find(root: Path) -> Layout:
    """Look for all of it in a folder, also deep inside; of several places the first counts."""
    test = _chips(root, TEST_IN_ONE) or _chips(root, TEST)
    return Layout(_first(root, TABLES), _first(root, SAMPLES), _chips(root, TRAIN), test)


def verify(found: Layout) -> tuple[int, int]:
    """Whether every chip that the tables name is there; returns how many they name, to train on and to tag.

    Raises:
        ValueError: naming what is missing, or how many chips are, and the first.
    """
    if found.table is None or found.sample is None or found.missing():
        raise ValueError(f"{', '.join(found.missing())} are not there; fetch them first: python kaggle/fetch.py DATA")
    known = label_tables.read_labels(found.table, labels.PLANET).ids
    asked = label_tables.read_ids(found.sample)
    for table, named, places in ((found.table, known, found.train), (found.sample, asked, found.test)):
        there = set(listing.chips(places).names())
        missing = [name for name in named if name not in there]
        if missing:
            raise ValueError(
                f"{len(missing):,} of the {len(named):,} chips that {table} names are not in "
                f"{', '.join(map(str, places))} (first: {missing[0]}); remove what was unpacked, and its archive if "
                "that is not whole, and start again."
            )
    return len(known), len(asked)


def _first(root: Path, names: tuple[str, ...]) -> Path | None:
    """The first file of one of the names."""
    places = (place for name in names for depth in range(DEPTH) for place in sorted(root.glob("*/" * depth + name)))
    return next((place for place in places if place.is_file()), None)


def _chips(root: Path, names: tuple[str, ...]) -> list[Path]:
    """For each name the first folder that is called so and holds chips, if there is any."""
    held = []
    for name in names:
        places = (place for depth in range(DEPTH) for place in sorted(root.glob("*/" * depth + name)))
        held += [place for place in places if place.is_dir() and any(map(_is_chip, place.iterdir()))][:1]
    return held


def _is_chip(path: Path) -> bool:
    return path.suffix == ".jpg" and not path.name.startswith(".")
