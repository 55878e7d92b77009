"""The feature bank, and `amazon_tags embed` that writes it."""

import json
import shutil

import keras
import numpy as np
import pytest

from amazon_tags.training.embed import FeatureExtractor, embed
from amazon_tags.training.feature_bank import banked_vectors, read_bank
from features.images import chips, listing, views
from features.images.chips import ChipError
from features.images.spec import ChipSpec
from features.networks import backbones, extract

TRUNK = FeatureExtractor("toy", weights="none")


@pytest.fixture
def folder(world, tmp_path):
    return shutil.copytree(world.test_jpg, tmp_path / "chips")


def test_a_bank_holds_each_chips_vector_in_natural_order(folder, tmp_path):
    assert embed([folder], tmp_path / "bank", TRUNK).text == "10 vectors of width 16"
    held = read_bank(tmp_path / "bank")
    assert held.ids == [f"test_{number}" for number in range(10)]
    keras.utils.set_random_seed(0)
    model = backbones.build("toy", ChipSpec(side=64))
    pixels = np.stack([chips.read(path) for path in listing.chips([folder])])
    np.testing.assert_allclose(held.vectors, model.predict_on_batch(pixels), atol=1e-5)


def test_views_are_averaged(folder, tmp_path):
    embed([folder], tmp_path / "bank", TRUNK, views=3)
    keras.utils.set_random_seed(0)
    model = backbones.build("toy", ChipSpec(side=64))
    pixels = np.stack([chips.read(path) for path in listing.chips([folder])])
    expected = np.mean([model.predict_on_batch(views.view(pixels, number)) for number in range(3)], axis=0)
    np.testing.assert_allclose(read_bank(tmp_path / "bank").vectors, expected, atol=1e-5)


def test_a_second_embed_of_the_same_chips_does_nothing_and_says_so(folder, tmp_path, monkeypatch):
    embed([folder], tmp_path / "bank", TRUNK)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "bank").iterdir()}
    monkeypatch.setattr(backbones, "build", None)  # it would be called for any work
    assert embed([folder], tmp_path / "bank", TRUNK).text == "holds these 10 chips already, nothing to do"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "bank").iterdir()} == before


@pytest.mark.parametrize("change", ["a chip", "a name", "views", "cut", "side"])
def test_a_bank_of_anything_else_is_not_overwritten(folder, tmp_path, change):
    embed([folder], tmp_path / "bank", TRUNK)
    trunk, turns = TRUNK, 1
    match change:
        case "a chip":
            shutil.copy(folder / "test_1.jpg", folder / "test_2.jpg")
        case "a name":
            (folder / "test_1.jpg").rename(folder / "test_11.jpg")
        case "views":
            turns = 8
        case "cut":
            trunk = FeatureExtractor("toy", "edges", "none")
        case "side":
            trunk = FeatureExtractor("toy", weights="none", side=32)
    with pytest.raises(FileExistsError, match="is a feature bank of other chips"):
        embed([folder], tmp_path / "bank", trunk, views=turns)


def test_a_damaged_chip_leaves_no_bank(folder, tmp_path):
    (folder / "test_5.jpg").write_bytes(b"no image")
    with pytest.raises(ChipError, match=r"test_5\.jpg"):
        embed([folder], tmp_path / "bank", TRUNK)
    assert [path.name for path in tmp_path.iterdir()] == ["chips"]


def test_an_unknown_backbone_is_refused_with_the_nearest_name(folder, tmp_path):
    with pytest.raises(ValueError, match="did you mean mobilenet_v2"):
        embed([folder], tmp_path / "bank", FeatureExtractor("mobilenetv2"))


def test_chips_that_change_while_they_are_read_make_no_bank(folder, tmp_path, monkeypatch):
    true, held = extract.stream_outputs, sorted(folder.glob("*.jpg"))

    def stream(*arguments, **options):
        yield from true(*arguments, **options)
        held[3].write_bytes(held[4].read_bytes())

    monkeypatch.setattr(extract, "stream_outputs", stream)
    with pytest.raises(ValueError, match=f"1 of 10 chips were changed during the run .*{held[3].name}"):
        embed([folder], tmp_path / "bank", TRUNK)
    assert not (tmp_path / "bank").exists()


@pytest.mark.parametrize("damage", ["no key", "other format", "a row less", "nothing"])
def test_a_folder_that_is_no_bank_is_refused(folder, tmp_path, damage):
    target = tmp_path / "bank"
    embed([folder], target, TRUNK)
    key = json.loads((target / "bank.json").read_text())
    match damage:
        case "no key":
            (target / "bank.json").unlink()
        case "other format":
            (target / "bank.json").write_text(json.dumps({**key, "format": 9}))
        case "a row less":
            np.save(target / "vectors.npy", np.zeros((9, 16), np.float32))
        case "nothing":
            shutil.rmtree(target)
    with pytest.raises(ValueError, match="is no feature bank"):
        read_bank(target)


def test_vectors_are_made_once_for_each_content(tmp_path):
    asked = []

    def make(rows):
        asked.append(list(rows))
        return np.array([[int(hashes[row][:2], 16), 1] for row in rows], np.float32)

    path = tmp_path / "bank" / "net.npz"
    hashes = [f"{number:02x}" * 32 for number in (1, 2, 3)]
    first = banked_vectors(path, hashes, make)
    hashes = [f"{number:02x}" * 32 for number in (3, 9, 1)]
    second = banked_vectors(path, hashes, make)
    again = banked_vectors(path, hashes[::-1], make)
    assert asked == [[0, 1, 2], [1]]
    assert first[:, 0].tolist() == [1, 2, 3]
    assert second[:, 0].tolist() == [3, 9, 1]
    assert again[:, 0].tolist() == [1, 9, 3]
    path.write_bytes(path.read_bytes()[:100])
    assert banked_vectors(path, hashes, make).tolist() == second.tolist()
    assert asked[-1] == [0, 1, 2]


def test_chips_of_equal_content_share_a_vector_and_shift_no_other(tmp_path):
    asked = []

    def make(rows):
        asked.append(list(rows))
        return np.array([[int(hashes[row][:2], 16)] for row in rows], np.float32)

    path = tmp_path / "net.npz"
    hashes = [f"{number:02x}" * 32 for number in (1, 2, 1, 3, 4)]
    for _ in range(2):
        assert banked_vectors(path, hashes, make)[:, 0].tolist() == [1, 2, 1, 3, 4]
    assert asked == [[0, 1, 3, 4]]
    with np.load(path) as archive:
        digests, vectors = archive["sha256"], archive["vectors"]
    np.savez(path, sha256=digests, vectors=np.concatenate([vectors[:1], vectors]))  # as earlier versions wrote it
    assert banked_vectors(path, hashes, make)[:, 0].tolist() == [1, 2, 1, 3, 4]
    assert len(asked) == 2
