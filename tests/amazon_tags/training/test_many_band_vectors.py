"""Vectors of chips of many bands by a backbone that no recipe and no bundle gives its bands."""

import re

import numpy as np
import pytest
import rasterio

from amazon_tags.datasets import sample, sample_bands
from amazon_tags.model.vector_origin import VectorInput, difference, from_metadata
from amazon_tags.pretraining.pretrain_chips import PretrainInput, open_chips
from amazon_tags.pretraining.pretrain_request import PretrainRequest, check_request
from amazon_tags.pretraining.pretrain_run import pretrain_backbone
from amazon_tags.tables.vector_tables import read_table
from amazon_tags.training.compared_backbones import ComparisonOptions, read_compared
from amazon_tags.training.embed import FeatureExtractor, embed, read_extractor
from amazon_tags.training.feature_bank import bank_file, read_bank
from amazon_tags.training.layer_request import LayerRequest, layer_recipe, resolve_backbone
from amazon_tags.training.preparation import chip_spec
from amazon_tags.training.training_data import TrainingSource
from features.images.chips import ChipError
from features.images.layout import Layout, parse_bands
from features.images.stored import RGB
from features.pretraining.settings import PretrainSettings

NAMES = tuple(sample_bands.SENTINEL_2)
BANDS = parse_bands(" ".join(NAMES))
ALL = Layout(BANDS)
COLOURS = FeatureExtractor("toy", weights="none", side=32, layout=Layout(levels="reflectance"))
TRUNK = FeatureExtractor("toy", weights="none", side=32, layout=ALL)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bands") / "chips"
    sample.write(folder, 4, seed=1, bands=13)
    return folder


@pytest.fixture(scope="module")
def dry(rendered, tmp_path_factory):
    """The same chips; the first one has half of the short-wave infrared."""
    folder = tmp_path_factory.mktemp("dry")
    for path in rendered.glob("*.tif"):
        with rasterio.open(path) as source:
            pixels, profile = source.read(), source.profile
        if path.stem == "sample_0":
            pixels[NAMES.index("B11")] //= 2
        with rasterio.open(folder / path.name, "w", **profile) as target:
            target.write(pixels)
            target.descriptions = NAMES
    return folder


def vectors(folder, path, extractor):
    embed([folder], path, extractor)
    table = read_table(path)
    return np.concatenate(list(table.parts())), from_metadata(path, table.metadata)


def test_a_change_of_one_infrared_band_changes_the_vector_of_its_chip_alone(rendered, dry, tmp_path, capsys):
    first, origin = vectors(rendered, tmp_path / "first.parquet", TRUNK)
    assert origin.spec.bands == BANDS
    changed, _ = vectors(dry, tmp_path / "changed.parquet", TRUNK)
    assert [bool(np.allclose(a, b, atol=1e-6)) for a, b in zip(first, changed, strict=True)] == [
        False,
        True,
        True,
        True,
    ]
    assert "are read; name all" not in capsys.readouterr().err


def test_colours_alone_are_read_without_names_and_said_once(rendered, dry, tmp_path, capsys):
    first, origin = vectors(rendered, tmp_path / "first.parquet", COLOURS)
    assert origin.spec.bands == RGB
    remark = "4 chips: only red, green, blue of 13 bands are read; name all in a recipe, or by --bands where"
    assert capsys.readouterr().err.count(remark) == 1
    changed, _ = vectors(dry, tmp_path / "changed.parquet", COLOURS)
    np.testing.assert_allclose(changed, first, atol=1e-6)
    with pytest.raises(ChipError, match=r"say what the levels are.*To read all 13 bands as reflectance, name all in a"):
        embed([rendered], tmp_path / "none.parquet", FeatureExtractor("toy", weights="none"))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (Layout((*BANDS[:12], "b14")), "states the bands b1, .*, so no b14, but the model expects b1,"),
        (Layout(BANDS[4:]), "have no red; name each band once, red, green and blue among them"),
        (Layout((*BANDS, "b1")), "name b1 twice"),
        (Layout(BANDS, "dn"), "a frozen backbone of 13 bands needs their scale to reflectance; state one"),
        (Layout(BANDS, "12bit"), "has --levels 12bit, which are colours, but a model of 13 bands"),
    ],
)
def test_bands_and_levels_that_do_not_match_are_refused_in_one_line(rendered, tmp_path, layout, message):
    with pytest.raises(ValueError, match=message) as refusal:
        embed([rendered], tmp_path / "bank", FeatureExtractor("toy", weights="none", side=32, layout=layout))
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "bank").exists()


def test_vectors_of_other_bands_are_not_mixed(rendered, tmp_path):
    five = FeatureExtractor("toy", weights="none", side=32, layout=Layout(("red", "green", "blue", "nir", "b11")))
    six = FeatureExtractor("toy", weights="none", side=32, layout=Layout(("red", "green", "blue", "nir", "b12")))
    origins = [read_extractor(extractor)[0] for extractor in (COLOURS, TRUNK, five, six)]
    assert "bands red green blue nir b12 instead of red green blue nir b11" in difference(origins[2], origins[3])
    assert "bands" in difference(*origins[:2])
    assert "--bands red,green,blue,nir,b11 " in VectorInput(16, origins[2]).command()
    files = {bank_file(tmp_path, (b"the same", b"network"), origin.spec) for origin in origins[1:]}
    assert len(files) == 3  # the networks of five and six are equal

    embed([rendered], tmp_path / "bank", five)
    assert read_bank(tmp_path / "bank").key.bands == five.layout.bands
    with pytest.raises(FileExistsError, match="bands"):
        embed([rendered], tmp_path / "bank", six)


def test_backbones_and_layers_are_compared_on_the_named_bands(rendered, tmp_path):
    expected, _ = vectors(rendered, tmp_path / "toy.parquet", FeatureExtractor("toy", side=32, layout=ALL))
    source = TrainingSource(rendered, rendered / "labels.csv")
    compared = read_compared(source, ("toy", "toy@edges"), ComparisonOptions(side=32, layout=ALL), least=2)
    name, found = next(compared.embeddings())
    assert name == "toy"
    np.testing.assert_allclose(found.vectors, expected, atol=1e-5)

    recipe = layer_recipe(LayerRequest("toy", "none", layout=ALL))
    assert (chip_spec(recipe).bands, recipe.layout()) == (BANDS, Layout())
    assert layer_recipe(LayerRequest("toy", "none", layout=Layout(("blue", "green", "red", "nir")))).bands == RGB


@pytest.mark.slow
def test_a_pretrained_backbone_keeps_its_bands_and_their_statistics(rendered, tmp_path, capsys):
    settings = PretrainSettings("byol", "toy", 1, 4)
    with pytest.raises(ValueError, match="--infrared takes four bands, but --bands names 13"):
        check_request(PretrainRequest(settings, side=32, infrared=True, layout=ALL))
    plan = check_request(PretrainRequest(settings, side=32, layout=ALL))
    with open_chips(PretrainInput((rendered,), plan.spec)) as found:
        spec = pretrain_backbone(found, tmp_path / "backbone", plan).spec
    assert (spec.bands, len(spec.statistics)) == (BANDS, 13)
    capsys.readouterr()

    folder = str(tmp_path / "backbone")
    own, origin = vectors(rendered, tmp_path / "own.parquet", FeatureExtractor(folder))
    assert (origin.spec.bands, origin.spec.statistics, origin.spec.side) == (BANDS, spec.statistics, 32)
    assert "levels taken as surface reflectance" in capsys.readouterr().err
    same, _ = vectors(rendered, tmp_path / "same.parquet", FeatureExtractor(folder, layout=ALL))
    np.testing.assert_array_equal(own, same)
    with pytest.raises(ValueError, match=re.escape("state its bands by --bands")):
        resolve_backbone(folder, "imagenet", 0)
    assert resolve_backbone(folder, "imagenet", 0, ALL)[0] == "toy"
