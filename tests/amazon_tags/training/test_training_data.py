"""Labelled chips, matched with tables of every form."""

import shutil
from pathlib import Path

import pytest

from amazon_tags.tables import truth_tables
from amazon_tags.tables.labels import PLANET
from amazon_tags.training.training_data import TrainingSource, read_training_data
from features.images import listing


def test_every_form_of_a_table_gives_the_same_training_data(world, tmp_path):
    table = truth_tables.read_truth(world.labels, PLANET)
    one_hot = [[str(bool(value)) for value in row] for row in table.truth]
    forms = {
        "separated": [("image_name", "tags"), *zip(table.ids, _cells(table, ";"), strict=True)],
        "suffixes": [("image_name", "tags"), *((f"train-jpg/{name}.jpg", cell) for name, cell in _rows(table))],
        "one_hot": [
            ("", "image_name", *PLANET.names),
            *((str(row), table.ids[row], *one_hot[row]) for row in range(48)),
        ],
    }
    expected = read_training_data(TrainingSource(world.train_jpg, world.labels), 1)
    for name, rows in forms.items():
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(",".join(row) for row in rows) + "\n")
        assert read_training_data(TrainingSource(world.train_jpg, path), 1).fingerprint == expected.fingerprint, name
    path = tmp_path / "long.csv"
    path.write_text(
        "image_name,tags\n" + "".join(f"{name},{tag}\n" for name, cell in _rows(table) for tag in cell.split())
    )
    with pytest.raises(ValueError, match="--join-rows"):
        read_training_data(TrainingSource(world.train_jpg, path), 1)
    joined = read_training_data(TrainingSource(world.train_jpg, path, join_rows=True), 1)
    assert joined.fingerprint == expected.fingerprint


def _cells(table, separator):
    return [separator.join(name for name, holds in zip(PLANET.names, row, strict=True) if holds) for row in table.truth]


def _rows(table):
    return zip(table.ids, _cells(table, " "), strict=True)


@pytest.fixture
def classes(world, tmp_path):
    """A folder with a subfolder of three chips for each of two classes."""
    for number, path in enumerate(listing.chips([world.train_jpg])[:6]):
        folder = tmp_path / "classes" / ("Forest", "River")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
    return tmp_path / "classes"


def test_pictures_that_are_no_chips_of_a_class_are_reported_once(classes, capsys):
    (classes / "River" / "a.webp").touch()
    read_training_data(TrainingSource(classes, classes, space="folders"), 1)
    assert capsys.readouterr().err.count("River/a.webp") == 1


def test_a_folder_for_each_class_is_trained_on_without_a_table(classes):
    data = read_training_data(TrainingSource(classes, classes, space="folders"), 1)
    assert data.space.names == ("Forest", "River")
    assert [path.parent.name for path in data.paths] == ["Forest", "River"] * 3
    assert data.truth.tolist() == [[True, False], [False, True]] * 3


def test_an_archive_of_chips_is_trained_on_but_not_one_of_class_folders(world, classes, tmp_path, run):
    chips, folders = (
        Path(shutil.make_archive(str(tmp_path / name), "zip", path))
        for name, path in (("chips", world.train_jpg), ("folders", classes))
    )
    expected = read_training_data(TrainingSource(world.train_jpg, world.labels), 1)
    assert read_training_data(TrainingSource(chips, world.labels), 1).fingerprint == expected.fingerprint
    done = run("train", folders, "--labels", "folders", "-o", tmp_path / "model")
    assert (done.returncode, "an archive must be unpacked first" in done.stderr) == (1, True)
    done = run("train", chips, world.labels, "-o", tmp_path / "model", "--recipe", "none.toml")
    assert (done.returncode, "chips.zip" in done.stderr) == (1, False)


def test_chips_that_are_missing_are_named_with_the_likely_difference(world, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("image_name,tags\nTrain_0,clear\ntrain_1,clear\n")
    with pytest.raises(
        ValueError, match=r"1 of 2 chips .*first: Train_0\); 'train_0' is there, .*upper and lower case"
    ):
        read_training_data(TrainingSource(world.train_jpg, path), 1)
