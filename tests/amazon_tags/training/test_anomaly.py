"""`amazon_tags embed --anomaly`: columns, refusals, the message and the page."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from pyarrow import parquet as pq

from amazon_tags.datasets import sample
from amazon_tags.files.hashes import sha256
from amazon_tags.tables import vector_tables
from amazon_tags.training import anomaly
from amazon_tags.training.embed import EmbedFiles, FeatureExtractor, embed
from ensemble.representation.anomaly import NONE, fit_known
from tests.browser import needs_chromium, open_page

TRUNK = FeatureExtractor("toy", weights="none", side=64)
HOSTILE = "<script>alert(1)<"


def vectors_of(path):
    column = pq.read_table(path).column("vector").combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), -1)


@pytest.fixture(scope="module")
def known(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("known") / "known.parquet"
    embed([world.train_jpg], path, TRUNK)
    return path


@pytest.fixture
def folder(world, tmp_path):
    """The ten test chips, and one of noise."""
    chips = shutil.copytree(world.test_jpg, tmp_path / "chips")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    sample.Image.fromarray(noise).save(chips / f"{HOSTILE}.jpg", quality=95)
    return chips


def score(folder, known, output, *, extractor=TRUNK, **files):
    return embed([folder], output, extractor, files=EmbedFiles(known=known, **files))


@pytest.mark.parametrize("half", [False, True])
def test_columns_hold_distance_and_percentile(folder, known, tmp_path, half):
    embed([folder], tmp_path / "plain.parquet", TRUNK)
    summary = score(folder, known, tmp_path / "new.parquet", extractor=replace(TRUNK, half=half))
    table = pq.read_table(tmp_path / "new.parquet")
    assert table.schema.names == ["image_name", "sha256", "vector", *anomaly.COLUMNS]
    plain = vectors_of(tmp_path / "plain.parquet")
    found = fit_known(vectors_of(known)).measure(plain, np.full(len(plain), NONE))
    np.testing.assert_allclose(table.column("anomaly"), found.distance, rtol=1e-6)
    np.testing.assert_allclose(table.column("anomaly_percentile"), found.percentile, rtol=1e-6)
    np.testing.assert_allclose(vectors_of(tmp_path / "new.parquet"), plain, rtol=1e-3 if half else 0)
    about = json.loads(table.schema.metadata[anomaly.METADATA_KEY.encode()])
    assert about == {"known": sha256(known), "chips": 48, "neighbours": 10}
    farthest = table.column("image_name")[int(np.argmax(found.distance))].as_py()
    assert f"{(found.percentile >= 0.99).sum()} of 11 chips lie farther" in summary.text
    assert f"the farthest: {farthest} (" in summary.text


def test_a_chip_of_noise_is_the_farthest_and_known_chips_are_no_neighbours_of_themselves(
    world, folder, known, tmp_path
):
    score(folder, known, tmp_path / "new.parquet")
    table = pq.read_table(tmp_path / "new.parquet")
    assert table.column("image_name")[int(np.argmax(table.column("anomaly")))].as_py() == HOSTILE
    assert max(table.column("anomaly_percentile").to_pylist()) == 1
    score(world.train_jpg, known, tmp_path / "again.parquet")
    again = np.array(pq.read_table(tmp_path / "again.parquet").column("anomaly"))
    np.testing.assert_allclose(np.sort(again), fit_known(vectors_of(known)).own, rtol=1e-6)


def test_the_same_bytes_for_any_split_of_the_rows(folder, known, tmp_path, monkeypatch):
    score(folder, known, tmp_path / "one.parquet")
    monkeypatch.setattr(vector_tables, "ROWS_A_GROUP", 4)
    score(folder, known, tmp_path / "parts.parquet")
    assert pq.read_table(tmp_path / "parts.parquet").equals(pq.read_table(tmp_path / "one.parquet"))


def test_scored_vectors_are_known_vectors_of_a_later_run(folder, known, tmp_path):
    score(folder, known, tmp_path / "new.parquet")
    score(folder, tmp_path / "new.parquet", tmp_path / "later.parquet")
    assert "the 11 known chips" in score(folder, tmp_path / "new.parquet", tmp_path / "later.parquet").text


def test_copies_of_a_known_chip_count_once(world, known, tmp_path):
    chips = shutil.copytree(world.train_jpg, tmp_path / "chips")
    for number in range(12):  # more than neighbours
        shutil.copy(chips / "train_0.jpg", chips / f"copy_{number}.jpg")
    embed([chips], tmp_path / "copies.parquet", TRUNK)
    columns = []
    for path in (known, tmp_path / "copies.parquet"):
        score(world.test_jpg, path, tmp_path / "new.parquet")
        columns.append(pq.read_table(tmp_path / "new.parquet").select(anomaly.COLUMNS).to_pydict())
    assert columns[0] == columns[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layer": "edges"}, "has vectors of layer top instead of edges; embed known and new"),
        ({"pool": "max"}, "pool average instead of max"),
        ({"side": 32}, "side 64 instead of 32"),
        ({"backbone": "vit_tiny"}, "backbone toy instead of vit_tiny"),
    ],
)
def test_known_chips_of_another_backbone_or_options_are_refused(folder, known, tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        score(folder, known, tmp_path / "new.parquet", extractor=replace(TRUNK, **change))
    assert not (tmp_path / "new.parquet").exists()


def test_known_chips_of_another_tool_or_too_few_are_refused(folder, known, tmp_path):
    table = pq.read_table(known)
    path = tmp_path / "known.parquet"
    pq.write_table(table.replace_schema_metadata({}), path)
    with pytest.raises(ValueError, match="does not say what computed its vectors"):
        score(folder, path, tmp_path / "new.parquet")
    pq.write_table(table.slice(0, 10), path)
    with pytest.raises(ValueError, match="10 different chips, but at least 11"):
        score(folder, path, tmp_path / "new.parquet")
    path.write_text("image_name\n")
    with pytest.raises(ValueError, match="not a Parquet file"):
        score(folder, path, tmp_path / "new.parquet")


def test_vectors_of_another_width_are_refused(known):
    with pytest.raises(ValueError, match="width 16, but the backbone's are 8 wide"):
        anomaly.read_known(vector_tables.read_table(known), 8)


def test_banks_and_outputs_over_inputs_are_refused(folder, known, tmp_path):
    with pytest.raises(ValueError, match="feature bank, which holds no anomaly scores"):
        score(folder, known, tmp_path / "bank")
    before = known.read_bytes()
    for output, page in ((known, None), (tmp_path / "new.parquet", known)):
        with pytest.raises(ValueError, match=r"known\.parquet"):
            score(folder, known, output, page=page)
    assert known.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--anomaly", "KNOWN", "--shard", "1/2", "--checkpoint", "run"], "leave out --shard"),
        (["-o", "new.parquet", "--html", "page.html"], "--html shows the chips by --anomaly"),
    ],
)
def test_options_that_do_not_go_together_are_usage_errors(run, world, known, words, reason):
    places = {"KNOWN": known}
    done = run("embed", world.test_jpg, "--backbone", "toy", *[places.get(word, word) for word in words])
    assert done.returncode == 2
    assert reason in done.stderr


def test_the_page_shows_the_farthest_chips_and_escapes_their_names(folder, known, tmp_path):
    score(folder, known, tmp_path / "new.parquet", page=tmp_path / "far.html")
    text = (tmp_path / "far.html").read_text()
    assert "11 chips by their distance from 48 known chips" in text
    assert "<script>" not in text
    names = re.findall("<h3><bdi>(.*)</bdi></h3>", text)
    assert names[0] == "&lt;script&gt;alert(1)&lt;"
    distances = [float(value) for value in re.findall(r"distance (\d\.\d+)<", text)]
    assert distances == sorted(distances, reverse=True)
    assert len(distances) == len(names) == text.count("data:image/jpeg") == 11


@pytest.mark.slow
@needs_chromium
def test_the_page_opens_without_errors(folder, known, tmp_path):
    score(folder, known, tmp_path / "new.parquet", page=tmp_path / "far.html")
    with open_page(tmp_path / "far.html") as page:
        assert page.locator(".chips li").count() == 11
        assert page.locator(".chips h3").first.inner_text() == HOSTILE
