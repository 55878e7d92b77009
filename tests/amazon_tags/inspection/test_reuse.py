"""`amazon_tags inspect reuse`."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from amazon_tags.inspection.layer_vectors import build_layers
from amazon_tags.inspection.layered_model import LayeredModel
from amazon_tags.inspection.restored import HEAD, build_restorable, score_chips
from amazon_tags.inspection.reuse import ReuseOptions, inspect_reuse
from amazon_tags.inspection.reuse_findings import MeasuredBlock, MeasuredReuse, reuse_findings
from amazon_tags.inspection.tuned_member import TunedModel, read_tuned
from amazon_tags.model import bundle
from amazon_tags.model.manifest import StartBundle
from amazon_tags.model.recipe import recipe_to_json
from amazon_tags.model.vector_origin import VectorInput
from amazon_tags.training.compared_backbones import divide_chips
from amazon_tags.training.start_bundle import WEIGHTS
from amazon_tags.training.training_data import TrainingSource, match_chips
from ensemble.metrics import score
from ensemble.networks.build import build_network, finish_network
from ensemble.networks.settings import TunedMember
from features.images.layout import AS_STATED
from features.images.listing import chips as list_chips
from features.images.spec import ChipSpec
from features.networks import backbones
from tests.bundle_copies import copied

NO_START = ReuseOptions(jobs=1)
RATES = np.full(17, 0.3)


def own_file(model):
    """The weight file of the trained member, which as a start was not moved at all."""
    return model / "members" / "00-net" / WEIGHTS


def source(world):
    return TrainingSource(world.train_jpg, world.labels)


def measured(ckas, costs=(0.0, 0.1, 0.0, 0.0), trained_chips=0):
    """What would be measured of blocks with these CKAs, on 50 chips whose F2 is 0.8 with nothing restored."""
    whole = np.full(50, 0.8)
    blocks = [
        MeasuredBlock(name, whole - 0.2, whole - 0.1, whole - cost, 0.1, cka, place / 4)
        for place, (name, cka, cost) in enumerate(zip("abcd", ckas, costs, strict=True), 1)
    ]
    return MeasuredReuse("net", blocks, whole, whole - 0.5, trained_chips)


def test_reuse_ends_at_the_first_block_that_does_not_say_what_it_said():
    findings = reuse_findings(measured([0.99, 0.9, 0.7, 0.95]))
    assert findings.advice.startswith("Reuse ends at c: with a CKA of 0.700 it is the first block")
    assert "setting back b costs most, 0.1000 (0.1000 to 0.1000) F2: try freeze = 0.5 in the recipe" in findings.advice
    assert findings.rows[1] == ("b", *[pytest.approx(0.6)] * 3, *[pytest.approx(0.7)] * 3, *findings.rows[1][7:])
    assert findings.rows[1][7:] == (*[pytest.approx(0.1)] * 3, 0.1, 0.9)
    assert findings.to_json()["rows"][-1]["cost"] == pytest.approx(0.5)
    assert findings.to_json()["rows"][-1]["cka"] is None


@pytest.mark.parametrize(
    ("ckas", "words"),
    [
        ([0.89, 0.99, 0.99, 0.99], "so that no block is reused as it is: leave freeze at 0"),
        ([0.9, 0.91, 0.92, 1.0], "Reuse does not end: up to d, after fine-tuning every block says nearly what it said"),
        ([np.nan, 0.95, 0.5, np.nan], "Reuse ends at c"),
        ([np.nan] * 4, "Reuse cannot be judged: all chips have the same vectors at every block"),
    ],
)
def test_reuse_that_ends_at_once_or_never_or_cannot_be_judged_is_said(ckas, words):
    findings = reuse_findings(measured(ckas))
    assert words in findings.advice
    assert any(note.startswith("without a cka") for note in findings.notes) == bool(np.isnan(ckas).any())


def test_chips_of_the_training_are_counted_with_a_caveat():
    assert not any("trained on" in note for note in reuse_findings(measured([0.9] * 4)).notes)
    notes = reuse_findings(measured([0.9] * 4, trained_chips=20)).notes
    assert any(note.startswith("the bundle was trained on 20 of these 50 chips") for note in notes)


@pytest.fixture(scope="module")
def unmoved(world, model):
    """What is found of a member whose weights equal its start."""
    return inspect_reuse(source(world), str(model), ReuseOptions({"toy": own_file(model)}, jobs=1))


def test_a_member_that_equals_its_start_has_not_moved(unmoved):
    rows = unmoved.to_json()["rows"]
    assert [row["block"] for row in rows] == ["edges", "top", "(all)"]
    for row in rows[:-1]:
        assert (row["cost"], row["cost_low"], row["cost_high"], row["drift"]) == (0, 0, 0, 0)
        assert row["cka"] == pytest.approx(1)
        assert [row[f"before{end}"] for end in ("", "_low", "_high")] == [
            row[f"after{end}"] for end in ("", "_low", "_high")
        ]
    assert unmoved.advice.startswith("Reuse does not end")
    assert any("trained on 48 of these 48 chips" in note for note in unmoved.notes)


def test_only_chips_of_other_folds_vote(world, model, unmoved):
    tuned = read_tuned(str(model), {}, AS_STATED)
    matched = match_chips(world.train_jpg, world.labels, tuned.manifest.space, advice="")
    vectors = build_layers(tuned.trained, jobs=1).vectors(matched.paths, jobs=1)[-1].astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    fold = divide_chips(matched.truth, None)
    votes = np.exp(vectors @ vectors.T / np.outer(lengths, lengths) / 0.1) * (fold[:, np.newaxis] != fold)
    shares = votes @ matched.truth / votes.sum(axis=1, keepdims=True)
    assert unmoved.rows[1][1] == pytest.approx(score.f2(matched.truth, shares >= 0.2), abs=1e-9)


def test_restoring_nothing_changes_nothing_and_restoring_all_gives_the_untrained_scores(world, model):
    tuned = read_tuned(str(model), {}, AS_STATED)
    paths = list_chips([world.train_jpg])[:8]
    network = build_restorable(tuned, RATES)
    trained, start = (score_chips(one, paths, tuned.trained.spec, jobs=1) for one in (network.trained, network.start))
    assert np.abs(trained - start).max() > 1e-3

    for blocks, head, expected in (((), False, trained), (range(len(network.blocks)), True, start)):
        with network.restored(blocks, head=head) as changed:
            np.testing.assert_array_equal(score_chips(changed, paths, tuned.trained.spec, jobs=1), expected)
    with network.restored((0,)) as changed:
        middle = score_chips(changed, paths, tuned.trained.spec, jobs=1)
    assert np.abs(middle - trained).max() > 0
    np.testing.assert_array_equal(score_chips(network.trained, paths, tuned.trained.spec, jobs=1), trained)


def test_the_rebuilt_member_scores_as_the_member_of_the_bundle_does(model):
    tuned = read_tuned(f"{model}@net", {}, AS_STATED)
    member = bundle.load(model).members[0]
    pixels = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    network = build_restorable(tuned, RATES)
    np.testing.assert_allclose(network.trained.predict(pixels, verbose=0), member.network(pixels), atol=1e-5)


def test_the_start_of_random_weights_is_that_of_the_training(model):
    tuned = read_tuned(str(model), {}, AS_STATED)
    network = build_restorable(tuned, RATES)
    seed = tuned.manifest.read_recipe().seed
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    (trunk,) = backbones.settled_backbones(build_network(tuned.settings, tuned.trained.spec, RATES, seed=seed))
    (begun,) = backbones.settled_backbones(network.start)
    assert all(np.array_equal(*pair) for pair in zip(begun.get_weights(), trunk.get_weights(), strict=True))
    other = replace(tuned.manifest, recipe={**tuned.manifest.recipe, "seed": seed + 1})
    elsewhere = build_restorable(replace(tuned, manifest=other), RATES)
    assert network.drift(0) < 0.1 < elsewhere.drift(0)  # two epochs at a low rate move little


def test_the_drift_is_the_distance_over_the_norm_of_the_start(model):
    network = build_restorable(read_tuned(str(model), {"toy": own_file(model)}, AS_STATED), RATES)
    assert [network.drift(block) for block in range(2)] == [0, 0]
    ((layer, start),) = network.blocks[1]
    assert (layer.name, network.head[0].name) == ("shapes", HEAD)
    layer.set_weights([1.5 * value for value in layer.get_weights()])
    assert [network.drift(block) for block in range(2)] == [0, pytest.approx(0.5)]
    start.set_weights([0 * value for value in start.get_weights()])
    assert np.isnan(network.drift(1))
    assert [network.freeze(block) for block in range(2)] == [0, 1]


def test_batch_norms_that_stay_are_absorbed_in_the_start_as_they_are_after_training(model, tmp_path):
    settings = TunedMember("net", "resnet50_v2", layer="conv2_block2_out", weights="none")
    spec, manifest = ChipSpec(side=64), bundle.read_manifest(model)
    recipe = replace(manifest.read_recipe(), members=(settings,))
    keras.utils.clear_session()
    keras.utils.set_random_seed(recipe.seed)
    finished = finish_network(build_network(settings, spec, RATES), settings, spec, RATES, ())
    finished.save_weights(tmp_path / WEIGHTS)

    layered = LayeredModel("net", settings.backbone, settings.layer, str(tmp_path / WEIGHTS), spec)
    tuned = TunedModel(tmp_path, replace(manifest, recipe=recipe_to_json(recipe)), settings, layered, "none")
    network = build_restorable(tuned, RATES)
    assert network.names == ("pool1_pool", "conv2_block1_out", "conv2_block2_out")
    assert [network.drift(block) for block in range(3)] == [0, 0, 0]
    norms = [ours for pairs in network.blocks for ours, _ in pairs if isinstance(ours, keras.layers.BatchNormalization)]
    assert len(norms) == 2  # of the others, convolutions took the place
    weighted = [layer for layer in backbones.settled_backbones(network.trained)[0].network.layers if layer.weights]
    assert sorted(map(id, weighted)) == sorted(id(ours) for pairs in network.blocks for ours, _ in pairs)


def test_chips_that_are_all_alike_have_no_cka(world, model, tmp_path):
    chip = min(world.train_jpg.glob("*.jpg"))
    for number in range(6):
        shutil.copy(chip, tmp_path / f"chip_{number}.jpg")
    table = tmp_path / "labels.csv"
    table.write_text("image_name,tags\n" + "".join(f"chip_{number},clear primary\n" for number in range(6)))
    findings = inspect_reuse(TrainingSource(tmp_path, table), str(model), NO_START)
    assert findings.advice.startswith("Reuse cannot be judged")
    assert findings.rows[0][1] == 1  # all neighbours have the same tags


def test_chips_and_tables_that_do_not_fit_are_refused(world, model, tmp_path):
    table = tmp_path / "labels.csv"
    for text, words in (
        ("image_name,tags\ntrain_0,clear\ntrain_1,haze\n", "2 chips cannot make 5 folds"),
        ("image_name,tags\ntrain_0,clear primry\n", "primry"),
        ("image_name,tags\nother,clear\n", "missing from"),
        ("image_name,tags\n" + "".join(f"train_{number},\n" for number in range(6)), "no chip of .* has a tag"),
    ):
        table.write_text(text)
        with pytest.raises(ValueError, match=words):
            inspect_reuse(TrainingSource(world.train_jpg, table), str(model), NO_START)


def test_bundles_without_a_fine_tuned_member_are_refused(model, tmp_path):
    frozen = copied(model, tmp_path, members=("01-vectors",))
    heads = copied(model, tmp_path / "heads", vectors=VectorInput(16))
    for name, words in (
        ("toy", "toy is not the folder of a bundle"),
        (str(tmp_path), "has no manifest.json"),
        (str(frozen), r"has no fine-tuned member, only frozen ones \(vectors\)"),
        (f"{model}@vectors", "vectors of .* is a frozen member, which ends as it started"),
        (f"{model}@nett", r"no member nett .*\(did you mean net\?\)"),
        (str(heads), "has heads on vectors and no network"),
    ):
        with pytest.raises((ValueError, bundle.BundleError), match=words) as refused:
            read_tuned(name, {}, AS_STATED)
        assert "\n" not in str(refused.value)


def started(model, tmp_path, *, started_from=None, start=None, **changes):
    """A copy of the bundle that says that its member started otherwise."""
    recipe = bundle.read_manifest(model).read_recipe()
    members = (replace(recipe.members[0], **changes), *recipe.members[1:])
    values = {"recipe": recipe_to_json(replace(recipe, members=members))}
    values |= {"started_from": started_from} if started_from else {}
    return copied(model, tmp_path, **values, **({"start": start} if start else {}))


@pytest.mark.parametrize(
    ("changes", "weights", "words"),
    [
        ({}, "resnet50", "there are weights for resnet50, but net of .* has the backbone toy"),
        ({"init": "grad"}, "", "scaled on the training chips, which a bundle does not hold"),
        ({"init": "random"}, "toy", "started from random weights, not from a file"),
        ({"output": "softmax"}, "", "softmax over all labels, whose scale is only in its compiled network"),
        ({"started_from": {"toy": "ab" * 32}}, "", "pass --weights toy=FILE with that file"),
        ({"started_from": {"toy": "ab" * 32}}, "toy", r"with SHA-256 abababababab\.\.\., but that of"),
        ({"start": StartBundle("cd" * 32, {"net": "old"})}, "", "started from old of the bundle cdcdcdcdcdcd; pass"),
        ({"start": StartBundle("cd" * 32, {"net": "old"})}, "toy", "is of the bundle .*; pass --weights toy=BUNDLE"),
    ],
)
def test_starts_that_are_not_known_are_refused(model, tmp_path, changes, weights, words):
    folder = started(model, tmp_path, **changes)
    with pytest.raises(ValueError, match=words) as refused:
        read_tuned(str(folder), {weights: own_file(model)} if weights else {}, AS_STATED)
    assert "\n" not in str(refused.value)


def test_a_member_that_started_from_a_bundle_takes_the_file_of_that_bundle(model, tmp_path):
    start = StartBundle(bundle.read_manifest(model).sha256, {"net": "net"})
    folder = started(model, tmp_path, start=start)
    assert read_tuned(str(folder), {"toy": own_file(model)}, AS_STATED).start == str(own_file(model))
    lone = shutil.copy(own_file(model), tmp_path / "lone.weights.h5")
    with pytest.raises(ValueError, match=r"but .*lone.weights.h5 is of no bundle"):
        read_tuned(str(folder), {"toy": Path(lone)}, AS_STATED)


def test_weights_that_are_not_those_of_the_backbone_are_refused(world, model, tmp_path):
    network = backbones.architecture("toy")
    for scale, words in (
        (np.nan, "holds weights that are not finite"),
        (1e30, "not finite numbers at top of the start"),
    ):
        network.set_weights([np.full_like(value, scale) for value in network.get_weights()])
        network.save_weights(tmp_path / "bad.weights.h5")
        options = ReuseOptions({"toy": tmp_path / "bad.weights.h5"}, jobs=1)
        with pytest.raises(ValueError, match=words):
            inspect_reuse(source(world), str(model), options)
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ValueError, match="holds 8 weights, but toy needs"):
        inspect_reuse(source(world), str(model), ReuseOptions({"toy": tmp_path / "other.weights.h5"}, jobs=1))


def test_the_command_writes_its_files_and_refuses_in_one_line(world, model, run, tmp_path):
    files = ("-o", tmp_path / "a.csv", "--svg", tmp_path / "a.svg", "--html", tmp_path / "a.html")
    done = run("inspect", "reuse", world.train_jpg, world.labels, f"{model}@net", "--json", *files)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["block"] for row in rows] == ["edges", "top", "(all)"]
    assert all(row["before_low"] <= row["before"] <= row["before_high"] for row in rows[:-1])
    assert 0 < rows[0]["drift"] < 0.1
    assert (tmp_path / "a.svg").read_text() in (tmp_path / "a.html").read_text()
    table = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [float(table[0]["cost"]), table[-1]["cka"]] == [pytest.approx(rows[0]["cost"], abs=1e-6), ""]

    done = run("inspect", "reuse", world.train_jpg, world.labels, f"{model}@vectors")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "is a frozen member" in done.stderr
