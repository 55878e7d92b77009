"""What `predict` says about chips whose bands, levels or colours are assumed or unusual."""

from dataclasses import replace

import numpy as np
import pytest

from amazon_tags.model import bundle, training_record
from amazon_tags.model.manifest import Manifest
from amazon_tags.prediction.checkpoint import predict_with_checkpoint
from amazon_tags.prediction.predict import predict_chips
from amazon_tags.prediction.unusual import FAR, mark_unusual
from features.images import listing
from features.images.layout import AS_STATED, Layout
from tests.features.images.images import COLOURS, DN, encode


@pytest.fixture(scope="module")
def opened(model):
    return bundle.load(model)


def with_layout(model, layout):
    """Return the model as if it had been trained on files of a layout."""
    return replace(model, manifest=replace(model.manifest, spec=replace(model.manifest.spec, layout=layout)))


@pytest.fixture(scope="module")
def tifs(tmp_path_factory):
    """Four sensor chips, of which one states its bands, and one is half empty."""
    folder = tmp_path_factory.mktemp("tifs")
    half = np.concatenate([np.zeros_like(DN[:10]), DN[10:]])
    chips = {
        "a": encode(DN),
        "b": encode(DN, descriptions=["blue", "green", "red", "nir"]),
        "c": encode(half, nodata=0),
        "d": encode(DN),
    }
    for name, content in chips.items():
        (folder / f"{name}.tif").write_bytes(content)
    return folder


def test_each_kind_of_remark_is_a_line_with_its_count_and_first_chip(run, tifs, tmp_path):
    done = run("predict", tifs, "-o", tmp_path / "tags.csv")
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert "3 chips: 4 bands taken as blue, green, red, nir (first: a)" in lines
    assert "4 chips: levels taken as analytic DN (first: a)" in lines
    assert "1 chips: half or more of the pixels are nodata or transparent (first: c: 50%)" in lines


def test_stated_bands_and_levels_need_no_remark(run, tifs, tmp_path):
    done = run(
        "predict", tifs / "a.tif", "--bands", "Blue,green,red,nir", "--levels", "dn", "-o", tmp_path / "tags.csv"
    )
    assert "taken as" not in done.stderr
    plain = run("predict", tifs / "a.tif")
    assert plain.stdout == (tmp_path / "tags.csv").read_text()
    other = run("predict", tifs / "a.tif", "--bands", "nir,green,red,blue", "--scores", tmp_path / "scores.csv")
    assert other.returncode == 0


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--levels", "sr", "levels are 'sr', but must be auto, dn, reflectance"),
        ("--bands", "red,red,blue", "names red more than once"),
    ],
)
def test_options_that_say_nothing_are_usage_errors(run, tifs, option, value, message):
    done = run("predict", tifs, option, value)
    assert done.returncode == 2
    assert message in done.stderr


def test_pictures_of_other_formats_are_counted(run, world, tmp_path):
    (tmp_path / "chips").mkdir()
    (tmp_path / "chips" / "a.jpg").write_bytes(next(world.train_jpg.glob("*.jpg")).read_bytes())
    for name in ("b.jp2", "c.webp", "d.jfif"):
        (tmp_path / "chips" / name).touch()
    done = run("predict", tmp_path / "chips")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2
    assert (
        "3 pictures are left out, because their names end in .jfif, .jp2, .webp (first: b.jp2); convert" in done.stderr
    )


def test_a_checkpoint_keeps_remarks(opened, tifs, tmp_path):
    paths = listing.chips([tifs])
    expected = [part.remarks for part in predict_chips(paths, opened)]
    for _ in range(2):  # written, then read
        parts = list(predict_with_checkpoint(tmp_path / "checkpoint", paths, opened))
        assert [remarks for part in parts for remarks in part.remarks] == [row for part in expected for row in part]
    other = opened.reading(Layout(("blue", "green", "red", "nir")))
    with pytest.raises(
        ValueError, match="bands as stated and levels auto, but this run reads bands blue green red nir"
    ):
        list(predict_with_checkpoint(tmp_path / "checkpoint", paths, other))


def test_a_bundle_keeps_what_the_user_states_apart_from_what_training_stored(opened):
    stored = with_layout(opened, Layout(("red", "green", "blue", "nir"), "reflectance"))
    assert stored.spec.layout == AS_STATED
    spec = stored.reading(Layout(None, "dn")).spec
    assert (spec.layout, spec.training_layout) == (Layout(None, "dn"), stored.manifest.spec.layout)


def test_a_manifest_keeps_the_layout_and_omits_none(opened):
    values = opened.manifest.to_json()
    assert "layout" not in values["chips"]
    stored = with_layout(opened, Layout(("blue", "x"), "12bit")).manifest
    values = stored.to_json()
    assert values["chips"]["layout"] == {"bands": ["blue", "x"], "levels": "12bit"}
    assert Manifest.from_json(values).spec == stored.spec
    values["chips"]["layout"]["levels"] = "other"
    with pytest.raises(ValueError, match="levels are 'other'"):
        Manifest.from_json(values)


def test_colours_far_from_the_training_chips_get_a_remark(opened, model, world, tmp_path):
    record = training_record.read(model)
    many = replace(
        record,
        band_statistics=np.tile(record.band_statistics, (5, 1)) + np.arange(5).repeat(len(record.hashes))[:, None],
    )
    (tmp_path / "red.tif").write_bytes(encode(np.concatenate([COLOURS[..., :1], 0 * COLOURS[..., 1:]], axis=2)))
    paths = listing.chips([tmp_path, next(world.train_jpg.glob("*.jpg"))])
    (part,) = mark_unusual(predict_chips(paths, opened), many)
    assert [FAR in remarks for remarks in part.remarks] == [name == "red" for name in part.ids]
    assert list(mark_unusual([part], replace(record, band_statistics=record.band_statistics[:9]))) == [part]
