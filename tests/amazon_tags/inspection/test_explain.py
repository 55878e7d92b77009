"""`amazon_tags inspect explain`, by the bundled model on rendered chips."""

import csv
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from amazon_tags.files.hashes import sha256_bytes
from amazon_tags.inspection import explain
from amazon_tags.inspection.evidence import gather_evidence, strongest_quarter
from amazon_tags.inspection.explain import ExplainOptions, inspect_explain
from amazon_tags.inspection.nearest_chips import read_training_chips
from amazon_tags.model import bundle
from amazon_tags.model.file_entry import FileEntry
from amazon_tags.model.vector_origin import VectorInput
from ensemble.heads.fitted import NeighboursHead
from ensemble.second_level.models import StackedHead
from features.images import chips, listing
from tests.bundle_copies import copied


@pytest.fixture(scope="module")
def loaded():
    return bundle.load(bundle.DEFAULT)


@pytest.fixture
def two(world, tmp_path):
    """Two chips in a folder of their own."""
    folder = tmp_path / "two"
    folder.mkdir()
    for path in listing.chips([world.test_jpg])[:2]:
        shutil.copy(path, folder)
    return folder


def test_the_command_writes_a_table_pictures_and_a_page(two, run, tmp_path):
    outputs = ("-o", tmp_path / "a.csv", "--overlays", tmp_path / "heat", "--html", tmp_path / "a.html")
    done = run("inspect", "explain", two, "--json", "--tags", "road,water", *outputs, "--jobs", 1)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["members"][0] == {"member": "student_v3", "method": "cam", "reason": None}
    assert found["patch"] is None
    assert [chip["chip"] for chip in found["chips"]] == ["test_0", "test_1"]
    assert [tag["tag"] for tag in found["chips"][0]["tags"]] == ["road", "water"]
    assert len(found["chips"][0]["nearest"]) == 3

    table = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [(row["chip"], row["tag"]) for row in table] == [
        (chip, tag) for chip in ("test_0", "test_1") for tag in ("road", "water")
    ]
    assert float(table[0]["score"]) == pytest.approx(found["rows"][0]["score"], abs=1e-6)
    pictures = sorted(path.name for path in (tmp_path / "heat").iterdir())
    assert pictures == [f"test_{chip}.{tag}.png" for chip in (0, 1) for tag in ("road", "water")]
    with Image.open(tmp_path / "heat" / pictures[0]) as picture:
        assert (picture.format, picture.size) == ("PNG", (256, 276))
    page = (tmp_path / "a.html").read_text()
    assert page.count('src="data:image/jpeg;base64,') == page.count("src=") == 6
    assert "://" not in page


def test_it_needs_no_keras(two):
    program = (
        "import sys; sys.modules.update(keras=None, tensorflow=None); sys.argv = ['amazon_tags', *sys.argv[1:]]; "
        "import runpy; runpy.run_module('amazon_tags', run_name='__main__')"
    )
    words = ["inspect", "explain", str(two), "--jobs", "1"]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "student_v3: class activation map of 8 x 8 places, with a mean weight of 0.50 in the blend" in done.stdout


def test_by_default_the_predicted_tags_and_two_near_misses_are_explained(two, loaded):
    details = inspect_explain(listing.chips([two])).details["chips"]
    for path, chip in zip(listing.chips([two]), details, strict=True):
        pixels = chips.load(path, loaded.spec)
        scores = loaded.scores([network(pixels[np.newaxis])[np.newaxis] for network in loaded.networks])
        predicted = [loaded.space.names[label] for label in np.flatnonzero(loaded.decide(scores)[0])]
        assert [tag["tag"] for tag in chip["tags"] if tag["predicted"]] == predicted
        assert [tag["predicted"] for tag in chip["tags"]] == [True] * len(predicted) + [False] * 2
        assert all(tag["score"] == scores[0, loaded.space.names.index(tag["tag"])] for tag in chip["tags"])


def test_members_are_blended_by_the_weights_of_the_bundle(two, loaded):
    pixels = chips.load(listing.chips([two])[0], loaded.spec)
    alone = [heat_with(loaded, weights, pixels) for weights in ([1, 0], [0, 1])]
    np.testing.assert_allclose(heat_with(loaded, [0.25, 0.75], pixels), 0.25 * alone[0] + 0.75 * alone[1], atol=1e-9)
    assert np.abs(alone[0] - alone[1]).max() > 0.1


def heat_with(loaded, weights, pixels):
    blend = replace(loaded.second, weights=np.repeat(np.float64(weights)[:, np.newaxis], 17, axis=1))
    return gather_evidence(replace(loaded, second=blend), "cam").heat(pixels)


def test_occlusion_states_its_patch_and_takes_any_bundle(two):
    options = ExplainOptions(tags=("clear",), method="occlusion", patch=128)
    findings = inspect_explain(listing.chips([two]), None, options)
    assert findings.notes[:2] == ("student_v3: occlusion", "student_v2: occlusion")
    assert "while a patch of 128 x 128 pixels in the chip's mean colour hides a place" in findings.notes[2]
    assert findings.details["patch"] == {"pixels": 128, "stride": 64}


def test_members_that_allow_no_map_turn_all_to_occlusion_with_the_reason(loaded, tmp_path):
    ones = np.ones(17, np.float32)
    head = NeighboursHead(ones, ones, np.eye(17, dtype=np.float32)[:3], np.eye(17, dtype=bool)[:3], k=1)
    name, content = head.pack()
    place = f"members/00-student_v3/{name}"
    files = {**loaded.manifest.files, place: FileEntry(len(content), sha256_bytes(content))}
    folder = copied(bundle.DEFAULT, tmp_path, files=files)
    (folder / place).write_bytes(content)
    model = replace(loaded, folder=folder, manifest=bundle.read_manifest(folder))

    evidence = gather_evidence(model, "auto")
    assert evidence.method == "occlusion"
    assert evidence.describe()[:2] == ["student_v3: occlusion, because its head is not linear", "student_v2: occlusion"]
    with pytest.raises(ValueError, match=r"1 of 2 members allow no class .* \(first: student_v3, because its head is"):
        gather_evidence(model, "cam")


def test_a_second_level_that_is_no_weighted_mean_turns_to_occlusion(loaded):
    evidence = gather_evidence(replace(loaded, second=StackedHead(None, 2)), "auto")
    assert evidence.method == "occlusion"
    assert evidence.describe()[0].endswith("because the members are joined by a model, not by a weighted mean")


def test_the_nearest_training_chip_is_found_by_scores_and_by_maps(world, model, two):
    trained = bundle.load(model)
    evidence = gather_evidence(trained, "auto")
    assert evidence.method == "cam"
    path = listing.chips([world.train_jpg])[0]
    pixels = chips.load(path, trained.spec)
    scores = trained.scores([network(pixels[np.newaxis])[np.newaxis] for network in trained.networks])[0]

    by_scores = read_training_chips(evidence, None)
    assert "by the cosine of the scores, less their mean, among the 48 chips" in by_scores.note
    assert re.fullmatch("[0-9a-f]{12}", by_scores.nearest(pixels, scores, "")[0].name)

    by_maps = read_training_chips(evidence, world.train_jpg)
    assert "last feature maps' means of net, vectors, less their mean, among 48 chips" in by_maps.note
    nearest = by_maps.nearest(pixels, scores, "")[0]
    assert (nearest.name, nearest.cosine) == ("train_0", pytest.approx(1))
    assert by_maps.nearest(pixels, scores, sha256_bytes(path.read_bytes()))[0].name != "train_0"
    with pytest.raises(ValueError, match="holds 2 chips, but none of the 48 that the bundle was trained on"):
        read_training_chips(evidence, two)


def test_a_chip_of_the_training_is_said_to_be_one(world, model):
    findings = inspect_explain(listing.chips([world.train_jpg])[:1], model, ExplainOptions(tags=("clear",)))
    assert findings.details["chips"][0]["is_training_chip"]
    assert any(note.startswith("train_0, which is a training chip itself: nearest are") for note in findings.notes)


def test_the_quarter_of_most_heat():
    heat = np.zeros((4, 4))
    assert strongest_quarter(heat - 1)[0] == "nowhere"
    heat[3, 0], heat[0, 3], heat[0, 0] = 3, 1, -5
    assert strongest_quarter(heat) == ("lower left", 0.75)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["{two}", "--tags", "raod"], 1, "1 of 1 --tags are none of the model's (first: 'raod' (did you mean road?)"),
        (["{two}/bad.jpg"], 1, "{two}/bad.jpg is not an image (starts with"),
        (["{two}/cut.jpg"], 1, "{two}/cut.jpg is a"),
        (["{home}/empty"], 1, "{home}/empty holds no chips"),
        (["{two}/none.jpg"], 2, "does not exist"),
        (["{two}", "--overlays", "{two}"], 1, "{two} exists and is never overwritten"),
        (["{two}", "--overlays", "{home}/no/heat"], 74, "{home}/no/heat cannot be written"),
        (["{two}", "--html", "{home}/no/a.html"], 74, "{home}/no/a.html cannot be written"),
        (["{two}/test_0.jpg", "-o", "{two}/test_0.jpg"], 1, "is one of the inputs and would be lost"),
        (["{two}/test_0.jpg", "--method", "occlusion", "--patch", "300"], 1, "--patch is 300 pixels, but the model"),
        (["{two}/test_0.jpg", "--train-chips", "{two}/test_0.jpg"], 1, "but none of the 771 that the bundle"),
        (["{two}/test_0.jpg", "--model", "{home}/vectors"], 1, "has no network for chips"),
        (["{two}/test_0.jpg", "--model", "{home}/empty"], 4, "has no manifest.json"),
    ],
)
def test_every_refusal_is_one_line_and_leaves_no_file(two, run, tmp_path, words, code, message):
    good = (two / "test_0.jpg").read_bytes()
    (tmp_path / "empty").mkdir()
    if "bad.jpg" in words[0]:
        (two / "bad.jpg").write_bytes(b"no image")
    if "cut.jpg" in words[0]:
        (two / "cut.jpg").write_bytes(good[: len(good) // 2])
    if "{home}/vectors" in words:
        copied(bundle.DEFAULT, tmp_path, vectors=VectorInput(16)).rename(tmp_path / "vectors")
    before = sorted(tmp_path.rglob("*"))
    done = run("inspect", "explain", *(word.format(two=two, home=tmp_path) for word in words), "--jobs", 1)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert message.format(two=two, home=tmp_path) in done.stderr.strip().splitlines()[-1]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_damaged_chip_leaves_no_overlays(two, tmp_path):
    (two / "test_9.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"test_9\.jpg"):
        inspect_explain(listing.chips([two]), None, ExplainOptions(overlays=tmp_path / "heat"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["two"]


def test_a_page_has_a_limit_of_chips(two, monkeypatch):
    monkeypatch.setattr(explain, "MAX_PAGE_CHIPS", 1)
    with pytest.raises(ValueError, match="2 chips are too many for one page, which holds at most 1"):
        inspect_explain(listing.chips([two]), None, ExplainOptions(with_pictures=True))
