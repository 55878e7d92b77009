"""Chips of 13 named bands from end to end: render, train, predict, watch."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import rasterio

from amazon_tags.datasets import sample, sample_bands
from amazon_tags.model import bundle
from amazon_tags.training.band_statistics import normalised_spec
from amazon_tags.training.golden import golden_chips
from features.images import chips, listing
from features.images.date_pair import DatePair
from features.images.spec import ChipSpec, parse_many_bands

NAMES = tuple(sample_bands.SENTINEL_2)
BANDS = parse_many_bands(NAMES)
COUNT = 52  # drift is measured from 50 chips on
RECIPE = f"""
folds = 2
side = 32
bands = {json.dumps(NAMES)}
[[members]]
kind = "tuned"
name = "net"
backbone = "{{backbone}}"
layer = "{{layer}}"
weights = "none"
init = "random"
epochs = 2
"""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bands") / "chips"
    sample.write(folder, COUNT, seed=1, bands=13)
    return folder


@pytest.mark.parametrize(("count", "bands"), sample_bands.BAND_SETS.items())
def test_rendered_chips_have_named_bands_of_reflectance(count, bands, tmp_path):
    sample.write(tmp_path / "chips", 2, bands=count)
    with rasterio.open(tmp_path / "chips/sample_0.tif") as raster:
        assert raster.descriptions == tuple(bands)
        assert raster.tags()["TIFFTAG_IMAGEDESCRIPTION"] == sample.NOTE
        assert 0.01 < raster.read().mean() / sample_bands.LEVELS_PER_REFLECTANCE < 0.5
    spec = ChipSpec(parse_many_bands(tuple(bands)), "uint16", 256)
    loaded = chips.load_with_remarks(tmp_path / "chips/sample_0.tif", spec)
    assert [remark.text for remark in loaded.remarks] == ["levels taken as surface reflectance in steps of 0.0001"]


def test_the_statistics_are_those_of_the_pixels_and_only_of_many_bands(rendered):
    spec, paths = ChipSpec(BANDS, "uint16", 64), listing.chips([rendered])
    found = np.array(normalised_spec(spec, paths, jobs=2).statistics)
    pixels = np.concatenate([chips.load(path, spec).reshape(-1, 13) for path in paths]).astype(float)
    np.testing.assert_allclose(found, np.stack([pixels.mean(axis=0), pixels.std(axis=0)], axis=1), rtol=0.03)
    assert normalised_spec(ChipSpec(), [], jobs=1) == ChipSpec()


def test_the_statistics_of_pairs_are_those_of_all_their_chips(rendered):
    spec, paths = ChipSpec(BANDS, "uint16", 64), listing.chips([rendered])
    pairs = [DatePair(f"p{row}", paths[row], paths[row + 1]) for row in range(0, len(paths), 2)]
    single, paired = (
        normalised_spec(*arguments, jobs=2) for arguments in ((spec, paths), (replace(spec, dates=2), pairs))
    )
    np.testing.assert_allclose(paired.statistics, single.statistics, atol=2e-3)
    assert golden_chips(paired).shape[1:] == (64, 64, 26)


@pytest.fixture(scope="module")
def winter(rendered, tmp_path_factory):
    """The same chips with less than half of the near infrared."""
    folder = tmp_path_factory.mktemp("winter")
    for path in rendered.glob("*.tif"):
        with rasterio.open(path) as source:
            pixels, profile = source.read(), source.profile
        pixels[NAMES.index("B8")] //= 3
        with rasterio.open(folder / path.name, "w", **profile) as target:
            target.write(pixels)
            target.descriptions = NAMES
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "layer"), [("toy", "top"), ("phresnet18", "stage1_block1_out")])
def test_chips_of_13_bands_are_trained_on_tagged_and_watched(rendered, winter, run, backbone, layer, tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE.format(backbone=backbone, layer=layer))
    done = run(
        "train", rendered, rendered / "labels.csv", "--recipe", tmp_path / "recipe.toml", "-o", tmp_path / "model"
    )
    assert done.returncode == 0, done.stderr
    model = bundle.load(tmp_path / "model")
    assert model.spec.bands == BANDS
    assert len(model.spec.statistics) == 13
    assert model.manifest.format == 2

    drifts = []
    for folder in (rendered, winter):
        log, scores = tmp_path / f"{folder.name}.jsonl", tmp_path / f"{folder.name}.csv"
        done = run("predict", folder, "--model", tmp_path / "model", "--monitor", log, "--scores", scores)
        assert done.returncode == 0, done.stderr
        with scores.open() as stream:
            assert len(list(csv.DictReader(stream))) == COUNT
        drifts.append(run("drift", log))
    moved = [re.findall(r"the (\w+) mean moved", drift.stdout) for drift in drifts]
    assert moved == [[], ["nir"]]
    assert drifts[1].returncode == 10

    sample.write(tmp_path / "eight", 2, bands=8)
    refused = run("predict", tmp_path / "eight", "--model", tmp_path / "model")
    assert refused.returncode != 0
    assert "states the bands coastal_blue, blue, green_i" in refused.stderr
    assert "so no b1" in refused.stderr
