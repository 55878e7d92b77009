"""The gate's checks, each made to say yes and no."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amazon_tags.model import bundle, bundle_writer, engine, training_record
from amazon_tags.retraining import model_checks
from amazon_tags.retraining.job import GateLimits
from amazon_tags.retraining.model_checks import ModelAnswers
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


def given(truth):
    none = np.zeros_like(truth)
    return TrainingData([Path(f"{row}.jpg") for row in range(CHIPS)], [], truth, none, SPACE, "", [])


def judged(tags, folder=None, withheld=80):
    blind = np.arange(CHIPS) >= withheld
    return ModelAnswers(folder, tags.astype(np.float32), tags, blind, np.zeros((CHIPS, 6), np.float32))


@pytest.fixture
def compare():
    def compare(champion, candidate, truth, limits=None):
        checks = model_checks.compare_models(given(truth), champion, candidate, limits or GateLimits())
        json.dumps(model_checks.table(checks))  # or the record of a run could not be written
        return {check.name.split()[0]: check for check in checks}, model_checks.reasons(checks)

    return compare


def test_the_same_answers_pass(compare, model):
    truth, tags = tags_with(0.05)
    checks, why = compare(judged(tags, model), judged(tags, model), truth, GateLimits(growth=10))
    assert why == ""
    assert set(checks) == {"folds", "F2", "withheld", "recall", "rate", "size", "time"}


def test_worse_answers_are_rejected_with_how_much(compare, model):
    truth, tags = tags_with(0.05)
    _, worse = tags_with(0.10)
    checks, why = compare(judged(tags, model), judged(worse, model), truth)
    assert not checks["F2"].passed
    gap = score.f2(truth, worse) - score.f2(truth, tags)
    assert f"its F2 is {gap:+.4f} from the champion's" in why


def test_a_tag_that_lost_its_recall_is_named(compare, model):
    truth, tags = tags_with(0.02)
    lost = tags.copy()
    lost[:, ROAD] &= np.random.default_rng(1).random(CHIPS) < 0.6
    checks, why = compare(judged(tags, model), judged(lost, model), truth)
    assert not checks["recall"].passed
    assert "the recall of road falls from" in why


def test_a_rate_that_moved_is_named(compare, model):
    truth, tags = tags_with(0.02)
    many = tags.copy()
    many[:, ROAD] = True
    checks, why = compare(judged(tags, model), judged(many, model), truth)
    assert not checks["rate"].passed
    assert "it gives road to 100.0% of the chips" in why


def test_what_went_wrong_after_the_folds_shows_on_withheld_chips(compare, model):
    truth, tags = tags_with(0.05)
    packaged = tags.copy()
    packaged[:80] ^= np.random.default_rng(3).random((80, truth.shape[1])) < 0.05
    checks, why = compare(judged(tags, model), judged(packaged, model), truth)
    assert not checks["withheld"].passed
    assert "on 80 chips that no model ever saw" in why
    assert compare(judged(tags, model), judged(packaged, model, withheld=20), truth)[0]["withheld"].passed


def test_folds_that_promise_too_much_are_told(compare, model):
    truth, tags = tags_with(0.10)
    tags[80:] = truth[80:]  # as good as if they had seen the chips
    checks, why = compare(None, judged(tags, model), truth)
    assert not checks["folds"].passed
    assert "its folds promise F2 1.0000" in why
    assert compare(None, judged(tags, model, withheld=20), truth)[0]["folds"].passed  # too few to tell


def test_without_a_champion_one_answer_for_all_is_the_measure(compare, model):
    truth, tags = tags_with(0.05)
    assert compare(None, judged(tags, model), truth)[1] == ""
    constant = np.tile(truth.mean(axis=0) > 0.2, (CHIPS, 1))
    assert "one answer for all chips" in compare(None, judged(constant, model), truth)[1]


def test_a_larger_model_is_rejected(compare, model, tmp_path):
    truth, tags = tags_with(0.05)
    large = tmp_path / "large"
    shutil.copytree(model, large)
    (large / "members" / "more.bin").write_bytes(bytes(10_000_000))
    checks, why = compare(judged(tags, model), judged(tags, large), truth)
    assert not checks["size"].passed
    assert "its size is" in why


def test_what_a_bundle_was_trained_on_is_held_against_the_run(model, world):
    held = training_record.read(model)
    paths = list(listing.chips([world.train_jpg]))
    mark = bundle.read_manifest(model).data.fingerprint
    trained = TrainingData(paths, held.hashes, held.truth, np.zeros_like(held.truth), SPACE, mark, [])
    assert model_checks.reasons(model_checks.check_bundle(model, trained)) == ""
    for other in (replace(trained, fingerprint="0"), replace(trained, truth=~trained.truth)):
        assert "it was trained on other chips or labels" in model_checks.reasons(
            model_checks.check_bundle(model, other)
        )


def test_a_damaged_bundle_is_a_reason(model, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    (path,) = list(broken.glob("members/00-*/network.bin"))
    path.write_bytes(bytes(len(path.read_bytes())))
    (check,) = model_checks.check_bundle(broken, None)
    assert not check.passed
    assert "network.bin was changed" in check.why


@pytest.fixture
def trained(model, world):
    """The chips that the model learnt from."""
    held = training_record.read(model)
    paths = list(listing.chips([world.train_jpg]))
    return TrainingData(paths, held.hashes, held.truth, np.zeros_like(held.truth), SPACE, "", [])


def test_a_packaged_model_that_does_worse_than_its_folds_is_rejected(model, trained):
    sound = model_checks.answer_chips(model, trained, 2)
    assert sound.blind.all()
    cheap = engine.affordable_precisions(bundle.read_manifest(model))
    asked = model_checks.check_packaged(trained, sound, 2)
    assert [check.name for check in asked if check.passed] == [
        *(f"packaged in {name}" for name in cheap),
        "bands",
        "decision",
    ]
    seeing = replace(sound, tags=trained.truth)  # folds that knew the truth
    check, *_ = model_checks.check_packaged(trained, seeing, 2)
    assert not check.passed
    assert "but its folds, which had not seen them, " in check.why


def test_a_precision_that_auto_may_choose_is_looked_at_by_itself(model, trained, tmp_path):
    spoilt = tmp_path / "spoilt"
    shutil.copytree(model, spoilt)
    manifest = bundle.read_manifest(model)
    for folder in (spoilt / "members").iterdir():
        network = openvino.Core().read_model(folder / "network.xml")
        end = network.get_results()[0]
        end.input(0).replace_source_output(operations.multiply(end.input_value(0), np.float32(0)).output(0))
        openvino_runtime.save(network, folder / "int8.xml")  # one answer for all chips
    with np.load(spoilt / "golden.npz") as archive:
        golden = archive["chips"]
    for name in ("manifest.json", "golden.npz"):
        (spoilt / name).unlink()
    costs = manifest.precision.costs
    affordable = replace(costs["int8"], loss=0.0)  # or nobody would get it without asking
    precision = replace(manifest.precision, costs={**costs, "int8": affordable})
    bundle_writer.seal(spoilt, replace(manifest, precision=precision), golden)
    bundle.verify(spoilt)
    asked = model_checks.check_packaged(trained, model_checks.answer_chips(spoilt, trained, 2), 2)
    assert [check.name for check in asked if not check.passed] == ["packaged in int8"]
