"""`sources` on the rendered world: chips, vectors, the bank, and what it refuses."""

import csv
import json
import shutil
import zipfile
from functools import partial

import pytest

from amazon_tags.training.embed import FeatureExtractor, embed
from amazon_tags.training.sources import SourceOptions, rank_sources

TOY = SourceOptions("toy", "none")
OWN = 'side = 64\nbands = ["red", "green", "blue"]\nlayout = "nhwc"\nwidth = 16\nscale = 1.0\n'


@pytest.fixture(scope="module")
def parts(world, tmp_path_factory):
    """Two halves of the training chips and a source that holds the first half too; `other` is a zip."""
    root = tmp_path_factory.mktemp("sources")
    chips = sorted(world.train_jpg.iterdir())
    for name, members in {"target": chips[:24], "leaking": chips[12:36], "alone": chips[:1], "empty": []}.items():
        (root / name).mkdir()
        for chip in members:
            shutil.copy(chip, root / name)
    with zipfile.ZipFile(root / "other.zip", "w") as archive:
        for chip in sorted(world.test_jpg.iterdir()):
            archive.write(chip, chip.name)
    return root


def test_the_command_ranks_sources_and_warns_of_copies(parts, run, tmp_path):
    words = ("sources", parts / "target", "--source", f"leaking={parts / 'leaking'}", "--source")
    words = (*words, f"other={parts / 'other.zip'}", "--backbone", "toy", "--weights", "none")
    done = run(*words, "-o", tmp_path / "sources.csv", "--json", "--jobs", 1, "--bank", tmp_path / "bank")
    assert done.returncode == 0, done.stderr
    assert "of 24 target chips look like one of its chips, 12 of them have the same vector (first: " in done.stderr
    values = json.loads(done.stdout)
    rows = list(csv.DictReader((tmp_path / "sources.csv").read_text().splitlines()))
    assert [row["source"] for row in rows] == [source["name"] for source in values["sources"]] == ["leaking", "other"]
    assert (values["target"], values["compared"], values["size"]) == ("target", 24, 10)
    assert [source["copies"] for source in values["sources"]] == [12, 0]
    assert len(values["sources"][0]["near_duplicate_chips"]) >= 12

    (bank,) = (tmp_path / "bank").iterdir()
    content = bank.read_bytes()
    assert run(*words, "--json", "--jobs", 3, "--bank", tmp_path / "bank").stdout == done.stdout
    assert bank.read_bytes() == content
    assert run(*words, "--json").stdout == done.stdout


def test_the_target_under_another_name_is_covered_at_exactly_0(parts, tmp_path):
    shutil.copytree(parts / "target", tmp_path / "copy")
    (figures,) = rank_sources(parts / "target", {"copy": tmp_path / "copy"}, TOY).sources
    assert (figures.coverage, figures.breadth, figures.copies) == (0, 0, 24)


def test_files_of_vectors_give_the_figures_of_their_chips(parts, tmp_path):
    chips = {"target": parts / "target", "leaking": parts / "leaking", "other": parts / "other.zip"}
    for name, path in chips.items():
        embed([path], tmp_path / f"{name}.parquet", FeatureExtractor("toy", weights="none"))
    files = {name: tmp_path / f"{name}.parquet" for name in chips}
    of_chips = rank_sources(chips.pop("target"), chips, TOY)
    of_vectors = rank_sources(files.pop("target"), files)
    assert of_vectors.sources == of_chips.sources
    assert of_vectors.vectors == of_chips.vectors


def test_a_larger_set_is_compared_by_random_chips_of_the_seed(parts, capsys):
    sources = {"leaking": parts / "leaking"}
    options = partial(SourceOptions, "toy", "none", max_chips=10)
    first, again, other = (rank_sources(parts / "target", sources, options(seed=seed)) for seed in (0, 0, 1))
    assert first == again
    assert first.sources[0].coverage != other.sources[0].coverage
    assert (first.compared, first.sources[0].compared, first.sources[0].chips) == (10, 10, 24)
    assert "source leaking has 24 chips, of which 10 random ones are compared (seed 0)" in capsys.readouterr().err


def test_a_backbone_of_one_s_own_is_compared_by(parts, toy, tmp_path):
    for suffix, content in zip((".xml", ".bin"), toy, strict=True):
        (tmp_path / f"own{suffix}").write_bytes(content)
    (tmp_path / "own.toml").write_text(OWN)
    options = SourceOptions(str(tmp_path / "own.xml"))
    ranking = rank_sources(parts / "target", {"other": parts / "other.zip"}, options)
    assert ranking.vectors.startswith("own.xml, ")
    assert ranking.sources[0].compared == 10


REFUSALS = {
    "empty": ("empty", "empty holds no chips"),
    "alone": ("alone", "too few chips \\(1\\): the Fréchet distance needs a covariance, so at least 2"),
    "the target": ("target", "source the target is the target itself"),
    "a linked target": ("linked", "source a linked target is the target itself"),
    "tifs": ("tifs", "12 of 12 chips of source tifs have other bands than the target"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_sources_that_cannot_be_compared_are_refused(parts, world, tmp_path, name):
    folder, message = REFUSALS[name]
    (tmp_path / "linked").symlink_to(parts / "target")
    path = {"linked": tmp_path / "linked", "tifs": world.train_tif}.get(folder, parts / folder)
    with pytest.raises(ValueError, match=message):
        rank_sources(parts / "target", {name: path}, TOY)


def test_a_target_of_tifs_has_other_bands_than_jpgs_but_not_than_tifs(world, parts, tmp_path):
    with pytest.raises(ValueError, match=r"red.* but .*nir"):
        rank_sources(world.train_tif, {"jpgs": parts / "target"}, TOY)
    shutil.copytree(world.train_tif, tmp_path / "tifs")
    assert rank_sources(world.train_tif, {"tifs": tmp_path / "tifs"}, TOY).sources[0].coverage == 0


def test_vectors_that_cannot_be_compared_are_refused(parts, tmp_path):
    for name, layer in {"toy": "top", "edges": "edges"}.items():
        extractor = FeatureExtractor("toy", layer, "none")
        embed([parts / "target"], tmp_path / f"{name}.parquet", extractor)
    toy = tmp_path / "toy.parquet"
    with pytest.raises(ValueError, match="other vectors than the target, layer edges instead of top"):
        rank_sources(toy, {"edges": tmp_path / "edges.parquet"})
    with pytest.raises(ValueError, match=r"source chips .* holds chips, but .*toy.parquet is a file of vectors"):
        rank_sources(toy, {"chips": parts / "leaking"})


USAGE = {
    "other": "must be NAME=DIR",
    "=other.zip": "must be NAME=DIR with a name",
    " =other.zip": "must be NAME=DIR with a name",
    "other=": "must be NAME=DIR",
    "other=missing": "chips or vectors that exist",
}


@pytest.mark.parametrize("text", USAGE)
def test_a_source_without_a_name_or_a_path_is_a_usage_error(parts, run, text):
    done = run("sources", "target", "--source", text, cwd=parts)
    assert (done.returncode, USAGE[text] in done.stderr.splitlines()[-1]) == (2, True)


def test_repeated_names_options_for_pixels_and_lost_inputs_are_refused(parts, run, tmp_path):
    twice = run("sources", "target", "--source", "a=leaking", "--source", "a=other.zip", cwd=parts)
    assert (twice.returncode, "two sources are named 'a'" in twice.stderr) == (2, True)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    pixels = run("sources", tmp_path / "x.parquet", "--source", "a=leaking", "--backbone", "toy", cwd=parts)
    assert (pixels.returncode, "--backbone cannot be used with vectors" in pixels.stderr) == (2, True)
    (tmp_path / "bank").write_text("a file")
    words = ("--backbone", "toy", "--weights", "none", "--bank", tmp_path / "bank")
    done = run("sources", "target", "--source", "a=leaking", *words, cwd=parts)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        f"Error: {tmp_path / 'bank'} is a file, but --bank takes a folder; name another.",
    )


def test_a_damaged_chip_is_named(parts, tmp_path):
    shutil.copytree(parts / "leaking", tmp_path / "leaking")
    (tmp_path / "leaking" / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"bad\.jpg is not an image"):
        rank_sources(parts / "target", {"leaking": tmp_path / "leaking"}, TOY)
