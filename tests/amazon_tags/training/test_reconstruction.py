"""Reconstruction errors of `amazon_tags embed`: columns, percentiles, what lacks or is damaged, and the page."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet as pq

from amazon_tags.commands.embed import embed_command
from amazon_tags.model import backbone_folder
from amazon_tags.model.backbone_folder import BackboneError, read_backbone_folder, seal
from amazon_tags.pretraining.pretrain_chips import PretrainInput, open_chips
from amazon_tags.pretraining.pretrain_request import PretrainRequest, check_request
from amazon_tags.pretraining.pretrain_run import pretrain_backbone
from amazon_tags.tables import vector_tables
from amazon_tags.training import embed as embedding
from amazon_tags.training import reconstruction
from amazon_tags.training.embed import EmbedFiles, FeatureExtractor, embed
from amazon_tags.training.reconstruction import ERROR, METADATA_KEY, PERCENTILE, ErrorPlan
from features.images import chips
from features.networks import convnext_v2, openvino_runtime
from features.pretraining import masked
from features.pretraining.settings import PretrainSettings
from tests.browser import accessibility_faults, needs_chromium, open_page

NAME, NOISE = "convnext_v2_atto", "<script>noise"
DISTANCES = ["anomaly", "anomaly_percentile"]


def once(build, key):
    """A function that builds what `key` names once, and returns it again after that."""
    built = {}

    def build_once(*arguments):
        name = key(*arguments)
        if name not in built:
            built[name] = build(*arguments)
        return built[name]

    return build_once


def weights_of_extractor(extractor, _, spec):
    return Path(extractor.weights).read_bytes(), spec


@pytest.fixture(scope="module", autouse=True)
def small():
    """A ConvNeXt V2 and a decoder of few channels; each network is built once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(convnext_v2.SIZES, "atto", ((1, 1, 1, 1), (8, 8, 16, 16)))
        patch.setattr(masked, "DECODER_WIDTH", 16)
        patch.setattr(embedding, "build_network", once(embedding.build_network, weights_of_extractor))
        patch.setattr(ErrorPlan, "build", once(ErrorPlan.build, lambda plan: plan.decoder.read_bytes()))
        yield


@pytest.fixture(scope="module")
def backbone(world, tmp_path_factory):
    """A folder by fcmae, trained for a few steps on the rendered world."""
    settings = PretrainSettings("fcmae", NAME, epochs=12, batch=16, rate=0.04)
    plan = check_request(PretrainRequest(settings, side=64))
    folder = tmp_path_factory.mktemp("pretrained") / "backbone"
    with open_chips(PretrainInput((world.train_jpg,), plan.spec)) as found:
        pretrain_backbone(found, folder, plan)
    return folder


@pytest.fixture(scope="module")
def known(world, backbone, tmp_path_factory):
    path = tmp_path_factory.mktemp("known") / "known.parquet"
    embed([world.train_jpg], path, FeatureExtractor(str(backbone), reconstruction=True))
    return path


@pytest.fixture
def folder(world, tmp_path):
    """The ten test chips, and one of noise."""
    copied = shutil.copytree(world.test_jpg, tmp_path / "chips")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(copied / f"{NOISE}.png")
    return copied


@pytest.fixture
def older(backbone, tmp_path):
    """The folder as earlier versions wrote it, which kept no decoder."""
    copied = shutil.copytree(backbone, tmp_path / "older")
    (copied / "decoder.npz").unlink()
    seal(copied, read_backbone_folder(copied).manifest)
    return copied


def score(folder, backbone, output, **files):
    return embed([folder], output, FeatureExtractor(str(backbone)), files=EmbedFiles(**files))


def column(path, name):
    return np.array(pq.read_table(path).column(name))


def test_pretraining_keeps_the_decoder_and_names_it(backbone):
    found = read_backbone_folder(backbone)
    assert sorted(found.manifest.files) == ["card.md", "decoder.npz", "network.weights.h5", "reconstruction.png"]
    assert found.checked_decoder() == backbone / "decoder.npz"
    assert "`decoder.npz`" in (backbone / "card.md").read_text()


def test_errors_alone_are_one_column_that_other_chips_do_not_change(world, backbone, known):
    table = pq.read_table(known)
    assert table.schema.names == ["image_name", "sha256", "vector", ERROR]
    found = read_backbone_folder(backbone)
    about = json.loads(table.schema.metadata[METADATA_KEY.encode()])
    assert about == {"format": 1, "decoder": found.manifest.files["decoder.npz"].sha256}
    plan = reconstruction.plan_errors(found, found.manifest.spec, None, needed=True)
    network = openvino_runtime.load(*plan.build())
    for row in (0, 7, 47):
        path = world.train_jpg / f"{table.column('image_name')[row]}.jpg"
        alone = network(chips.load(path, found.manifest.spec)[np.newaxis])
        assert alone[0, 0] == pytest.approx(table.column(ERROR)[row].as_py(), rel=1e-6)


def test_with_known_chips_the_percentile_is_the_share_of_them_with_a_lower_error(folder, backbone, known, tmp_path):
    summary = score(folder, backbone, tmp_path / "new.parquet", known=known)
    assert pq.read_table(tmp_path / "new.parquet").schema.names[3:] == [*DISTANCES, ERROR, PERCENTILE]
    errors, percentiles = (column(tmp_path / "new.parquet", name) for name in (ERROR, PERCENTILE))
    expected = (column(known, ERROR)[:, np.newaxis] < errors).mean(axis=0)
    np.testing.assert_allclose(percentiles, expected, rtol=1e-6)
    assert f"{(percentiles >= 0.99).sum()} of 11 higher than those of 99 % of the known chips" in summary.text


def test_noise_follows_from_nothing(folder, backbone, known, tmp_path):
    summary = score(folder, backbone, tmp_path / "new.parquet", known=known)
    names, errors = (column(tmp_path / "new.parquet", name) for name in ("image_name", ERROR))
    assert names[np.argmax(errors)] == NOISE
    assert errors.max() >= 0.99 > np.median(column(known, ERROR))
    assert f"the highest: {NOISE} (" in summary.text


def test_the_same_bytes_for_any_split_of_the_rows(folder, backbone, known, tmp_path, monkeypatch):
    score(folder, backbone, tmp_path / "one.parquet", known=known)
    monkeypatch.setattr(vector_tables, "ROWS_A_GROUP", 4)
    score(folder, backbone, tmp_path / "parts.parquet", known=known)
    assert pq.read_table(tmp_path / "parts.parquet").equals(pq.read_table(tmp_path / "one.parquet"))


def test_known_chips_without_errors_by_this_decoder_leave_the_percentile_out(folder, backbone, known, tmp_path, capsys):
    table = pq.read_table(known)
    other = {**table.schema.metadata, METADATA_KEY.encode(): b'{"format": 1, "decoder": "other"}'}
    for changed in (table.drop_columns([ERROR]), table.replace_schema_metadata(other)):
        pq.write_table(changed, tmp_path / "known.parquet")
        score(folder, backbone, tmp_path / "new.parquet", known=tmp_path / "known.parquet")
        assert pq.read_table(tmp_path / "new.parquet").schema.names[3:] == [*DISTANCES, ERROR]
        assert "known.parquet has no reconstruction errors by this decoder" in capsys.readouterr().err


def test_known_errors_that_are_no_numbers_are_refused(folder, backbone, known, tmp_path):
    table = pq.read_table(known)
    bad = table.set_column(3, ERROR, [np.full(48, np.nan, np.float32)]).replace_schema_metadata(table.schema.metadata)
    pq.write_table(bad, tmp_path / "known.parquet")
    with pytest.raises(ValueError, match="reconstruction_error has cells that are no finite numbers"):
        score(folder, backbone, tmp_path / "new.parquet", known=tmp_path / "known.parquet")


def test_a_folder_of_an_earlier_version_is_scored_by_distance_as_before(folder, older, known, tmp_path):
    score(folder, older, tmp_path / "new.parquet", known=known)
    assert pq.read_table(tmp_path / "new.parquet").schema.names[3:] == DISTANCES


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"backbone": "toy", "weights": "none"}, "the backbone is no folder that pretrain wrote"),
        ({"backbone": "OLDER"}, "older was written by a version that did not keep it"),
        ({"side": 80}, "patches of 32 x 32 pixels, but the side is 80"),
    ],
)
def test_errors_that_cannot_be_computed_are_one_line(world, backbone, older, tmp_path, change, word):
    extractor = replace(FeatureExtractor(str(backbone), reconstruction=True), **change)
    if extractor.backbone == "OLDER":
        extractor = replace(extractor, backbone=str(older))
    with pytest.raises(ValueError, match=word) as caught:
        embed([world.test_jpg], tmp_path / "new.parquet", extractor)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new.parquet").exists()


def test_errors_need_a_parquet_file(world, backbone, tmp_path):
    with pytest.raises(ValueError, match="feature bank, which holds no reconstruction errors"):
        embed([world.test_jpg], tmp_path / "bank", FeatureExtractor(str(backbone), reconstruction=True))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "has no decoder.npz"),
        (lambda whole: whole[:-1], "decoder.npz is damaged .* bytes instead of"),
        (lambda whole: bytes([whole[0] ^ 1]) + whole[1:], "decoder.npz is damaged .*SHA-256"),
    ],
)
def test_a_missing_or_damaged_decoder_stops_the_errors_only(world, backbone, tmp_path, content, word):
    copied = shutil.copytree(backbone, tmp_path / "copy")
    decoder = copied / "decoder.npz"
    whole = decoder.read_bytes()
    decoder.write_bytes(content(whole)) if content else decoder.unlink()
    with pytest.raises(BackboneError, match=word) as caught:
        embed([world.test_jpg], tmp_path / "new.parquet", FeatureExtractor(str(copied), reconstruction=True))
    assert "\n" not in str(caught.value)
    assert embed([world.test_jpg], tmp_path / "new.parquet", FeatureExtractor(str(copied))).chips == 10


def test_a_decoder_that_is_no_archive_though_its_hash_is_right_is_one_line(world, backbone, tmp_path):
    copied = shutil.copytree(backbone, tmp_path / "copy")
    (copied / backbone_folder.DECODER).write_bytes(b"no archive")
    seal(copied, read_backbone_folder(copied).manifest)
    with pytest.raises(BackboneError, match=r"decoder\.npz is damaged") as caught:
        embed([world.test_jpg], tmp_path / "new.parquet", FeatureExtractor(str(copied), reconstruction=True))
    assert "\n" not in str(caught.value)


def test_errors_and_shards_do_not_go_together(world, backbone, tmp_path):
    words = ["--reconstruction", "--shard", "1/2", "--checkpoint", str(tmp_path / "run")]
    with pytest.raises(click.UsageError, match="leave out --shard"):
        embed_command.main([str(world.test_jpg), "--backbone", str(backbone), *words], standalone_mode=False)


def test_the_page_shows_both_scores_and_the_chips_with_the_highest_error(folder, backbone, known, tmp_path):
    score(folder, backbone, tmp_path / "new.parquet", known=known, page=tmp_path / "far.html")
    text = (tmp_path / "far.html").read_text()
    assert "<script>" not in text
    assert text.count("<li>") == 2 * 11
    errors = [float(value) for value in re.findall(r"<p>error ([\d.]+)</p>", text)]
    assert errors[11:] == sorted(errors[:11], reverse=True)
    assert len(re.findall(r"<p>percentile of the error [\d.]+</p>", text)) == 2 * 11
    assert "Picture: reconstruction errors" in text


@pytest.mark.slow
@needs_chromium
def test_the_page_opens_without_errors_and_is_accessible(folder, backbone, known, tmp_path):
    score(folder, backbone, tmp_path / "new.parquet", known=known, page=tmp_path / "far.html")
    with open_page(tmp_path / "far.html") as page:
        assert page.locator(".chips").count() == 2
        assert page.locator(".chips").nth(1).locator("h3").first.inner_text() == NOISE
        assert not accessibility_faults(page)
