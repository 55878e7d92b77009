import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import amazon_tags
from amazon_tags import ChipTags, Tagger
from amazon_tags.evaluation import tune
from amazon_tags.model import registry
from amazon_tags.tables import labels
from amazon_tags.tables.score_tables import read_scores
from amazon_tags.training import train
from features.images import chips, listing
from features.images.chips import ChipError
from features.images.layout import Layout


@pytest.fixture(scope="module")
def tagger(model):
    return Tagger.load(model, precision="f32", device="cpu", jobs=2)


@pytest.fixture(scope="module")
def jpgs(world):
    return listing.chips([world.test_jpg])


def test_importing_the_package_loads_no_library():
    script = "import amazon_tags, sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=600)
    heavy = {"click", "keras", "numpy", "openvino", "PIL", "pyarrow", "rasterio", "sklearn", "tensorflow"}
    assert not heavy & set(shown.stdout.split())


@pytest.mark.slow
def test_every_public_name_is_what_the_commands_use():
    assert amazon_tags.train is train.train
    assert amazon_tags.tune is tune.tune
    for name in amazon_tags.__all__:
        assert callable(getattr(amazon_tags, name)), name
        assert name in dir(amazon_tags)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Taggr'"):
        _ = amazon_tags.Taggr


def test_training_without_its_extra_names_the_line_that_installs_it():
    script = "import sys; sys.modules['keras'] = None; import amazon_tags; amazon_tags.train"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 1
    assert "amazon_tags.train needs keras; run, in the checkout: pip install '.[train]'" in done.stderr


def test_tags_and_scores_are_those_of_the_command(world, model, tagger, run, tmp_path):
    options = ("--model", model, "--views", 2, "--precision", "f32", "--scores", tmp_path / "scores.csv")
    rows = run("predict", world.test_jpg, *options).stdout.splitlines()[1:]
    ids, matrix, names = read_scores(tmp_path / "scores.csv")

    results = tagger.predict(world.test_jpg, views=2)

    assert names == tagger.labels == labels.PLANET.names
    assert [f"{chip.name},{' '.join(chip.tags)}" for chip in results] == rows
    assert [chip.name for chip in results] == ids
    assert [list(chip.scores) for chip in results] == [list(names)] * len(ids)
    assert np.array_equal(np.array([list(chip.scores.values()) for chip in results], np.float32), matrix)
    assert np.array_equal(tagger.scores(world.test_jpg, views=2), matrix)


@pytest.mark.parametrize("folder", ["test_jpg", "train_tif"])
def test_an_array_gives_the_very_scores_of_its_files(world, tagger, folder):
    paths = listing.chips([getattr(world, folder)])
    pixels = np.stack([chips.read(path) for path in paths])

    scores = tagger.scores(pixels, views=2)

    assert (scores.dtype, scores.shape) == (np.float32, (len(paths), len(tagger.labels)))
    assert np.array_equal(scores, tagger.scores(getattr(world, folder), views=2))
    assert np.array_equal(tagger.scores(np.concatenate([pixels] * 8)), np.concatenate([tagger.scores(pixels)] * 8))
    assert [chip.name for chip in tagger.predict(pixels[:2])] == ["chip_0", "chip_1"]


def test_files_folders_archives_and_lists_are_all_read(world, jpgs, tagger, tmp_path):
    whole = tagger.predict(world.test_jpg)
    with zipfile.ZipFile(tmp_path / "chips.zip", "w") as archive:
        for path in jpgs:
            archive.write(path, path.name)

    assert tagger.predict(str(jpgs[0])) == whole[:1]
    assert tagger.predict(tmp_path / "chips.zip") == whole
    assert tagger.predict([jpgs[1], str(jpgs[0])]) == whole[:2]  # natural order of the names, as in the command
    assert isinstance(whole[0], ChipTags)


@pytest.mark.parametrize("folder", ["test_jpg", "train_tif"])
def test_notebooks_show_files_and_arrays_alike(world, tagger, folder):
    paths = listing.chips([getattr(world, folder)])[:2]
    of_files = tagger.predict(list(paths))._repr_html_()
    of_array = tagger.predict(np.stack([chips.read(path) for path in paths]))._repr_html_()
    pictures = [re.findall(r'src="([^"]+)"', table) for table in (of_files, of_array)]
    assert pictures[0] == pictures[1]
    assert len(set(pictures[0])) == 2


def test_no_chips_give_no_rows(tagger):
    nothing = np.zeros((0, 64, 64, 3), np.uint8)
    assert tagger.predict(nothing) == []
    assert tagger.scores(nothing).shape == (0, 17)


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros((2, 64, 64, 3), np.float32), TypeError, "are float32, but must be uint8 or uint16"),
        (np.zeros((64, 64, 3), np.uint8), ValueError, r"shape \(64, 64, 3\).*chip\[np.newaxis\]"),
        (np.zeros((2, 0, 64, 3), np.uint8), ValueError, "no pixels"),
        (np.zeros((2, 64, 64, 5), np.uint8), ChipError, "chip_0 has 5 bands of uint8"),
        (np.arange(24576).reshape(2, 64, 64, 3).astype(np.uint16), ChipError, "chip_0 has 3 bands of uint16"),
        (np.zeros((2, 64, 64, 3), np.uint8), ChipError, "chip_0 has the value 0, 0, 0 in all its pixels"),
        ([np.zeros((64, 64, 3), np.uint8)], TypeError, r"contains a ndarray.*np\.stack"),
    ],
)
def test_an_array_that_holds_no_chips_is_refused(tagger, array, error, message):
    for call in (tagger.predict, tagger.scores):
        with pytest.raises(error, match=message):
            call(array)


@pytest.mark.parametrize("views", [0, 9])
def test_a_number_of_views_that_there_is_not_is_refused(tagger, jpgs, views):
    with pytest.raises(ValueError, match=f"views is {views}, but must be from 1 to 8"):
        tagger.scores(jpgs[0], views=views)


def test_a_damaged_chip_is_named(tagger, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(ChipError, match=r"bad\.jpg is not an image"):
        tagger.predict(tmp_path)


def test_a_registry_gives_its_current_model(model, jpgs, tagger, tmp_path):
    registry.promote(tmp_path / "models", registry.add(tmp_path / "models", model), why="test")
    current = Tagger.load(tmp_path / "models", precision="f32")
    assert np.array_equal(current.scores(jpgs[0]), tagger.scores(jpgs[0]))


def test_the_model_inside_the_package_is_loaded_without_a_path(jpgs):
    assert Tagger.load(precision="f32", jobs=1).scores(jpgs[0]).shape == (1, 17)


def test_bands_and_levels_are_stated_when_the_model_is_loaded():
    tagger = Tagger.load(bands=["B02", "Green", "r", "nir"], levels="reflectance", jobs=1)
    assert tagger.model.spec.layout == Layout(("blue", "green", "red", "nir"), "reflectance")
    with pytest.raises(ValueError, match="levels are 'sr', but must be auto"):
        Tagger.load(levels="sr")
