"""The checks of a candidate: each passes for a sound one and fails for a wrong one."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amazon_tags.files.hashes import sha256
from amazon_tags.model import bundle, bundle_writer, engine, training_record
from amazon_tags.model.bundle import Verified
from amazon_tags.model.manifest import digest
from amazon_tags.retraining import answers, checks, model_checks
from amazon_tags.retraining.answers import ModelAnswers
from amazon_tags.retraining.job import GateLimits
from amazon_tags.tables import labels
from amazon_tags.training.training_data import TrainingData
from ensemble.metrics import score
from features.images import listing
from features.networks import openvino_runtime

import openvino  # isort: skip  after runtime, which keeps its telemetry out
import openvino.opset13 as operations  # isort: skip

SPACE = labels.PLANET
ROAD = SPACE.names.index("road")
CHIPS = 400


def tags_with(errors, *, seed=0):
    """Truth of 400 chips and answers with a share of wrong tags."""
    truth = np.random.default_rng(7).random((CHIPS, len(SPACE.names))) < 0.3
    truth[:, 0] = True
    wrong = np.random.default_rng(seed).random(truth.shape) < errors
    return truth, truth ^ wrong


def training_data(truth):
    none = np.zeros_like(truth)
    return TrainingData([Path(f"{row}.jpg") for row in range(CHIPS)], [], truth, none, SPACE, "", [])


def answered(tags, model=None, withheld=80):
    """Answers of a model that was trained on all chips but the first `withheld`."""
    out_of_fold = np.arange(CHIPS) >= withheld
    return ModelAnswers(model, tags.astype(np.float32), tags, out_of_fold, np.zeros((CHIPS, 6), np.float32))


@pytest.fixture(scope="module")
def opened(model):
    """The trained model, loaded once."""
    return Verified(0, {"f32": bundle.load(model)})


@pytest.fixture
def compare():
    def compare(champion, candidate, truth, limits=None):
        results = model_checks.compare_models(training_data(truth), champion, candidate, limits or GateLimits())
        json.dumps(checks.table(results))  # or the record of a run could not be written
        return {check.name.split()[0]: check for check in results}, checks.reasons(results)

    return compare


def test_the_same_answers_pass(compare, opened):
    truth, tags = tags_with(0.05)
    results, why = compare(answered(tags, opened), answered(tags, opened), truth, GateLimits(growth=10))
    assert why == ""
    assert set(results) == {"folds", "F2", "withheld", "recall", "rate", "size", "time"}


def test_worse_answers_are_rejected_with_how_much(compare, opened):
    truth, tags = tags_with(0.05)
    _, worse = tags_with(0.10)
    results, why = compare(answered(tags, opened), answered(worse, opened), truth)
    assert not results["F2"].passed
    gap = score.f2(truth, worse) - score.f2(truth, tags)
    assert f"its F2 differs by {gap:+.4f} from the current model's" in why


def test_a_tag_that_lost_its_recall_is_named(compare, opened):
    truth, tags = tags_with(0.02)
    lost = tags.copy()
    lost[:, ROAD] &= np.random.default_rng(1).random(CHIPS) < 0.6
    results, why = compare(answered(tags, opened), answered(lost, opened), truth)
    assert not results["recall"].passed
    assert "the recall of road falls from" in why


def test_a_rate_that_moved_is_named(compare, opened):
    truth, tags = tags_with(0.02)
    many = tags.copy()
    many[:, ROAD] = True
    results, why = compare(answered(tags, opened), answered(many, opened), truth)
    assert not results["rate"].passed
    assert "it gives road to 100.0% of the chips" in why


def test_a_mistake_made_after_the_folds_shows_on_withheld_chips(compare, opened):
    truth, tags = tags_with(0.05)
    packaged = tags.copy()
    packaged[:80] ^= np.random.default_rng(3).random((80, truth.shape[1])) < 0.05
    results, why = compare(answered(tags, opened), answered(packaged, opened), truth)
    assert not results["withheld"].passed
    assert "on 80 chips that no model was trained on" in why
    assert compare(answered(tags, opened), answered(packaged, opened, withheld=20), truth)[0]["withheld"].passed


def test_leaked_folds_are_rejected(compare, opened):
    truth, tags = tags_with(0.10)
    tags[80:] = truth[80:]  # as good as if the folds had been trained on them
    results, why = compare(None, answered(tags, opened), truth)
    assert not results["folds"].passed
    assert "its F2 out of fold is 1.0000" in why
    assert compare(None, answered(tags, opened, withheld=20), truth)[0]["folds"].passed  # too few for the check


def test_without_a_champion_the_same_tags_for_all_chips_are_the_measure(compare, opened):
    truth, tags = tags_with(0.05)
    assert compare(None, answered(tags, opened), truth)[1] == ""
    constant = np.tile(truth.mean(axis=0) > 0.2, (CHIPS, 1))
    assert "the same tags for all chips" in compare(None, answered(constant, opened), truth)[1]


def test_a_larger_model_is_rejected(compare, opened, model, tmp_path):
    truth, tags = tags_with(0.05)
    large = tmp_path / "large"
    shutil.copytree(model, large)
    (large / "members" / "more.bin").write_bytes(bytes(10_000_000))
    values = json.loads((large / "manifest.json").read_text())
    values["files"]["members/more.bin"] = {"size": 10_000_000, "sha256": sha256(large / "members" / "more.bin")}
    (large / "manifest.json").write_text(json.dumps({**values, "sha256": digest(values)}))
    results, why = compare(answered(tags, opened), answered(tags, Verified(0, {"f32": bundle.load(large)})), truth)
    assert not results["size"].passed
    assert "its size is" in why


def test_a_bundle_that_was_trained_on_other_data_is_rejected(model, world):
    record = training_record.read(model)
    paths = list(listing.chips([world.train_jpg]))
    mark = bundle.read_manifest(model).data.fingerprint
    trained = TrainingData(paths, record.hashes, record.truth, np.zeros_like(record.truth), SPACE, mark, [])
    assert checks.reasons(model_checks.check_bundle(model, trained)[0]) == ""
    for other in (replace(trained, fingerprint="0"), replace(trained, truth=~trained.truth)):
        results, candidate = model_checks.check_bundle(model, other)
        assert "it was trained on other chips or labels" in checks.reasons(results)
        assert candidate.bundle.golden_distance <= model_checks.MAX_GOLDEN_DISTANCE


def test_a_damaged_bundle_is_a_reason(model, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    (path,) = list(broken.glob("members/00-*/network.bin"))
    path.write_bytes(bytes(len(path.read_bytes())))
    (check,), candidate = model_checks.check_bundle(broken, None)
    assert not check.passed
    assert candidate is None
    assert "network.bin was changed" in check.why


@pytest.fixture
def trained(model, world):
    """The model's training chips."""
    record = training_record.read(model)
    paths = list(listing.chips([world.train_jpg]))
    return TrainingData(paths, record.hashes, record.truth, np.zeros_like(record.truth), SPACE, "", [])


def test_a_packaged_model_that_does_worse_than_its_folds_is_rejected(model, trained):
    sound = answers.answer_chips(bundle.verify(model), trained, 2)
    assert sound.out_of_fold.all()
    cheap = engine.affordable_precisions(bundle.read_manifest(model))
    results = model_checks.check_packaged(trained, sound, 2)
    assert [check.name for check in results if check.passed] == [
        *(f"packaged in {name}" for name in cheap),
        "bands",
        "decision",
    ]
    leaked = replace(sound, tags=trained.truth)
    check, *_ = model_checks.check_packaged(trained, leaked, 2)
    assert not check.passed
    assert "without training on them" in check.why


def test_each_precision_that_auto_may_choose_is_checked(model, trained, tmp_path):
    spoilt = tmp_path / "spoilt"
    shutil.copytree(model, spoilt)
    manifest = bundle.read_manifest(model)
    for folder in (spoilt / "members").iterdir():
        network = openvino.Core().read_model(folder / "network.xml")
        end = network.get_results()[0]
        end.input(0).replace_source_output(operations.multiply(end.input_value(0), np.float32(0)).output(0))
        openvino_runtime.save(network, folder / "int8.xml")  # the same tags for all chips
    with np.load(spoilt / "golden.npz") as archive:
        golden = archive["chips"]
    for name in ("manifest.json", "golden.npz"):
        (spoilt / name).unlink()
    costs = manifest.precision.costs
    affordable = replace(costs["int8"], loss=0.0)  # or auto would not choose it
    precision = replace(manifest.precision, costs={**costs, "int8": affordable})
    bundle_writer.seal(spoilt, replace(manifest, precision=precision), golden)
    results = model_checks.check_packaged(trained, answers.answer_chips(bundle.verify(spoilt), trained, 2), 2)
    assert [check.name for check in results if not check.passed] == ["packaged in int8"]
