import csv
import itertools

import numpy as np
import pytest
from PIL import Image

from amazon_tags.datasets import sample
from amazon_tags.datasets.painters import PAINTERS
from amazon_tags.tables import labels
from features.images import chips, listing
from features.images.chips import Header
from tests import world as worlds


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    sample.write(tmp_path / "a", 3, seed=5)
    sample.write(tmp_path / "b", 3, seed=5)
    sample.write(tmp_path / "c", 3, seed=6)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    assert (tmp_path / "a/sample_0.jpg").read_bytes() != (tmp_path / "c/sample_0.jpg").read_bytes()


def test_drawn_tags_obey_the_rules_and_every_label_occurs():
    rng = np.random.default_rng(0)
    drawn = [set(sample.draw_tags(rng)) for _ in range(600)]
    for tags in drawn:
        assert len(tags & set(sample.WEATHER)) == 1
        assert "cloudy" not in tags or tags == {"cloudy"}
    assert set().union(*drawn) == set(labels.PLANET.names)


@pytest.mark.parametrize("tag", PAINTERS)
def test_every_tag_changes_the_picture(tag):
    plain = sample.render(["clear", "primary"], seed=1).astype(int)
    shown = sample.render(["primary", tag], seed=1).astype(int)
    assert (np.abs(shown - plain).max(axis=2) > 20).mean() > 0.004


def test_every_label_has_a_painter_or_is_the_ground():
    assert {*PAINTERS, "clear", "primary"} == set(labels.PLANET.names)


@pytest.mark.parametrize("side", [64, 256])
def test_a_chip_is_marked_as_rendered(side):
    chip = sample.render(["clear", "primary"], seed=2, side=side)
    assert chip.shape == (side, side, 3)
    corner = chip[side - 12 :, :56]
    assert (corner.min(axis=2) > 180).sum() > 40  # letters
    assert (chip[: side - 12].min(axis=2) > 180).sum() == 0


def test_files_are_marked_as_rendered_and_have_their_tags(tmp_path):
    sample.write(tmp_path / "chips", 4)
    with Image.open(tmp_path / "chips/sample_0.jpg") as image:
        assert b"no satellite image" in image.info["comment"]
    assert "no satellite image" in (tmp_path / "chips/README.txt").read_text()
    with (tmp_path / "chips/labels.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["image_name"] for row in rows] == [path.stem for path in listing.chips([tmp_path / "chips"])]
    assert all(labels.encode(labels.PLANET, row["tags"].split()).any() for row in rows)


def test_an_empty_folder_is_filled_and_any_other_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    before = (tmp_path / "empty").stat().st_ino
    sample.write(tmp_path / "link", 1)
    assert (tmp_path / "empty").stat().st_ino == before  # a shell may have it as its working folder
    assert len(list((tmp_path / "empty").iterdir())) == 3
    with pytest.raises(FileExistsError, match="exists and is never overwritten"):
        sample.write(tmp_path / "empty", 1)


def test_an_unknown_tag_is_refused():
    with pytest.raises(ValueError, match="volcano"):
        sample.render(["volcano"], seed=0)


def test_the_rendered_world_is_like_the_competition(world):
    paths = listing.chips([world.train_jpg])
    shown, rendered = chips.read(paths[0]).astype(int), sample.render(worlds.tags(0), seed=0, side=worlds.SIDE)
    assert np.abs(shown - rendered).mean() < 8  # what JPG compression changes
    assert [path.stem for path in paths] == [f"train_{number}" for number in range(worlds.TRAIN)]
    for path in paths:
        with Image.open(path) as image:
            assert image.mode == "CMYK"
            assert not {"jfif", "adobe"} & set(image.info)
            np.testing.assert_array_equal(chips.read(path), np.asarray(image.convert("RGB")))
    for path in listing.chips([world.train_tif]):
        assert chips.header(path) == Header("tif", worlds.SIDE, worlds.SIDE, 4, "uint16")
    with world.labels.open() as stream:
        tags = list(itertools.chain(*(row["tags"].split() for row in csv.DictReader(stream))))
    counts = {name: tags.count(name) for name in labels.PLANET.names}
    assert counts.pop(worlds.NEVER) == 0
    assert counts.pop(worlds.ONCE) == 1
    assert min(counts.values()) >= 2
