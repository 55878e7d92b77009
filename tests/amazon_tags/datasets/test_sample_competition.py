"""A rendered folder in the competition's layout."""

import csv

import numpy as np
import pytest
from PIL import Image

from amazon_tags.datasets import sample_competition
from amazon_tags.tables import label_tables, labels, truth_tables
from features.images import chips, listing


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A label table of three kinds of rows, half of them cloudy."""
    path = tmp_path_factory.mktemp("like") / "labels.csv"
    kinds = ("cloudy", "clear primary road", "clear primary", "cloudy")
    rows = [f"train_{row},{kinds[row % 4]}" for row in range(400)]
    path.write_text("\n".join(["image_name,tags", *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def folder(table, run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rehearsal") / "planet"
    done = run("sample", folder, "--like", table, "-n", 20)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"{folder}: 50 rendered chips in the competition's layout\n"
    return folder


def test_the_folder_has_the_competitions_layout_and_counts(folder):
    train = truth_tables.read_truth(folder / "train_v2.csv", labels.PLANET)
    assert train.ids == [f"train_{row}" for row in range(20)]
    assert listing.chips([folder / "train-jpg"]).names() == train.ids
    wanted = label_tables.read_ids(folder / "sample_submission_v2.csv")
    assert wanted == [f"test_{row}" for row in range(20)] + [f"file_{row}" for row in range(10)]
    assert sorted(listing.chips([folder / "test-jpg"]).names()) == sorted(wanted)
    assert label_tables.read_ids(folder / "test_truth.csv") == wanted


def test_tags_are_mixed_as_in_the_table_and_rendered(folder):
    with (folder / "train_v2.csv").open() as train, (folder / "test_truth.csv").open() as test:
        rows = [*csv.DictReader(train), *csv.DictReader(test)]
    assert {row["tags"] for row in rows} == {"cloudy", "clear primary", "clear primary road"}
    cloudy = [row["tags"] == "cloudy" for row in rows]
    assert 0.3 < np.mean(cloudy) < 0.7
    bright = [
        chips.read(
            folder / ("train-jpg" if row["image_name"].startswith("train") else "test-jpg") / f"{name}.jpg"
        ).mean()
        > 130
        for row in rows
        for name in [row["image_name"]]
    ]
    assert bright == cloudy


def test_chips_have_four_components_like_the_competitions(folder):
    with Image.open(folder / "train-jpg" / "train_0.jpg") as image:
        assert (image.mode, image.size, "jfif" in image.info, "adobe" in image.info) == (
            "CMYK",
            (256, 256),
            False,
            False,
        )


@pytest.mark.slow
def test_chips_have_the_same_bytes_for_any_number_of_processes(folder, table, tmp_path):
    sample_competition.write_competition(tmp_path / "again", table, 20, jobs=2)
    for path in sorted(folder.rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(folder)).read_bytes()


def test_a_table_of_other_labels_or_a_full_folder_are_refused(folder, table, run, tmp_path):
    (tmp_path / "other.csv").write_text("image_name,tags\na,field\n")
    done = run("sample", tmp_path / "new", "--like", tmp_path / "other.csv")
    assert (done.returncode, done.stderr.count("\n"), (tmp_path / "new").exists()) == (1, 1, False)
    done = run("sample", folder, "--like", table)
    assert (done.returncode, "exists and is never overwritten" in done.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == [tmp_path / "other.csv"]
