"""The `train` command on the rendered world; the bundle of the fixture `model` is what it wrote."""

import json
import os
import shutil
import signal

import h5py
import numpy as np
import pytest

from amazon_tags.files import locks
from amazon_tags.files.hashes import sha256
from amazon_tags.model import bundle, decision_file
from amazon_tags.model.recipe import Recipe
from amazon_tags.model.recipe_file import read_recipe
from amazon_tags.tables import score_tables, truth_tables
from amazon_tags.tables.labels import PLANET
from amazon_tags.training.combination import fit_recipe_decision
from amazon_tags.training.preparation import TrainOptions
from amazon_tags.training.train import train
from amazon_tags.training.training_data import TrainingSource, read_training_data
from ensemble.decisions import tuning
from ensemble.decisions.decision import flat_decision
from ensemble.decisions.thresholds import fit_thresholds, nested_thresholds
from ensemble.decisions.tuning import TuningProblem
from ensemble.metrics import folds, score
from ensemble.networks.build import build_network
from ensemble.second_level.candidates import SECOND_LEVELS
from features.networks import backbones
from tests import processes
from tests import world as worlds


@pytest.fixture(scope="module")
def truth(world):
    return truth_tables.read_truth(world.labels, PLANET)


def source(world, **options):
    return TrainingSource(world.train_jpg, world.labels, **options)


def test_out_of_fold_scores_stand_beside_the_bundle_as_csv_and_parquet(model, truth):
    ids, scores, names = score_tables.read_scores(model.with_name("model.scores.csv"))
    again = score_tables.read_scores(model.with_name("model.scores.parquet"))
    assert (ids, names) == (truth.ids, truth.space.names) == (again[0], again[2])
    np.testing.assert_array_equal(scores, again[1])


def test_the_reported_f2_is_that_of_the_scores_with_thresholds_from_the_other_folds(model, truth):
    _, scores, _ = score_tables.read_scores(model.with_name("model.scores.csv"))
    manifest = bundle.read_manifest(model)
    fold = folds.stratify(truth.truth, folds=2, seed=0)
    tags = nested_thresholds(scores, truth.truth, fold)
    assert manifest.scores.f2 == pytest.approx(score.f2(truth.truth, tags))
    low, high = manifest.scores.interval
    assert low < manifest.scores.f2 < high
    assert f"| thresholds, one view | {score.f2(truth.truth, tags):.4f} |" in bundle.read_card(model)


def test_the_thresholds_of_the_bundle_are_fitted_on_all_out_of_fold_scores(model, truth):
    _, scores, _ = score_tables.read_scores(model.with_name("model.scores.csv"))
    expected = fit_thresholds(scores, truth.truth)
    np.testing.assert_array_equal(bundle.load(model).decision.thresholds, expected)


def test_the_manifest_says_what_the_model_was_made_of(model, recipe_file):
    manifest = bundle.read_manifest(model)
    assert manifest.read_recipe() == read_recipe(recipe_file)
    assert manifest.data.chips == worlds.TRAIN
    assert len(manifest.data.fingerprint) == 64
    assert len(manifest.scores.folds) == 2


def test_the_card_lists_every_label_and_the_rare_ones(model, truth):
    text = bundle.read_card(model)
    for name, support in zip(truth.space.names, truth.truth.sum(axis=0), strict=True):
        assert f"| {name} | {support} |" in text
    assert f"Fewer than 20 chips carry agriculture, artisinal_mine, bare_ground, blooming, {worlds.ONCE}" in text


def test_the_weights_to_train_on_are_those_of_the_network_and_nothing_more(model, recipe_file):
    settings = read_recipe(recipe_file).members[0]
    opened = bundle.load(model)
    inside = model / "members" / "00-net"
    again = build_network(settings, opened.spec, np.full(17, 0.5))
    again.load_weights(inside / "network.weights.h5")
    with np.load(model / "golden.npz") as archive:
        pixels = archive["chips"]
    np.testing.assert_allclose(again.predict_on_batch(pixels), opened.networks[0](pixels), atol=1e-5)
    values = sum(weight.size for weight in again.get_weights())
    with h5py.File(inside / "network.weights.h5") as archive:
        held = []
        archive.visititems(lambda _, item: held.append(item.size) if isinstance(item, h5py.Dataset) else None)
    assert sum(held) == values


def test_nothing_but_the_bundle_its_scores_and_its_page_is_left(model):
    scores = {"model.scores.csv", "model.scores.parquet"}
    assert {path.name for path in model.parent.iterdir()} == {"model", "model.html", *scores}


@pytest.mark.slow
def test_a_killed_run_resumes_and_ends_as_if_it_had_not_been_killed(model, world, run, recipe_file, tmp_path):
    target = tmp_path / "model"
    arguments = ["train", world.train_jpg, world.labels, "-o", target, "--recipe", recipe_file, "--views", 2]
    killed = processes.kill_command([str(argument) for argument in arguments], at="net fold_1: epoch 1 of 2")
    assert killed.returncode == -signal.SIGKILL
    assert not target.exists()
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert "net fold_1: resuming after epoch" in done.stderr
    assert "net fold_0: epoch" not in done.stderr
    expected, got = (
        {
            name: file
            for name, file in bundle.read_manifest(folder).files.items()
            if name not in ("card.md", "README.md")
        }
        for folder in (model, target)
    )
    assert got == expected  # but for the times on the card and its copy, all files are the same to the byte
    assert score_tables.read_scores(model.with_name("model.scores.csv"))[1].tobytes() == (
        score_tables.read_scores(target.with_name("model.scores.csv"))[1].tobytes()
    )


@pytest.mark.slow
def test_a_second_run_on_the_same_bundle_leaves_at_once(world, run, recipe_file, tmp_path):
    (tmp_path / "model.work").mkdir()
    with locks.hold_lock(tmp_path / "model.work" / "lock"):
        done = run("train", world.train_jpg, world.labels, "-o", tmp_path / "model", "--recipe", recipe_file)
    assert done.returncode == 75
    assert "Another run holds" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('backbone = "toy"', 'backbone = "toi"', "no backbone named toi .did you mean toy"),
        ('head = "ridge"', 'head = "rigde"', "no head named rigde .did you mean ridge"),
        ('head = "ridge"', 'cut = "edge"', "no layer of toy named edge .did you mean edges"),
        ("folds = 2", "folds = 49", "cannot make 49 folds"),
    ],
)
def test_names_that_stand_in_no_table_are_refused_before_any_work(world, recipe_file, tmp_path, old, new, message):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(recipe_file.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        train(source(world), tmp_path / "model", recipe=read_recipe(wrong))
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.toml"]


def test_weights_for_a_backbone_that_no_member_has_are_refused(world, recipe_file, tmp_path):
    with pytest.raises(ValueError, match=r"no backbone in the recipe named tox .did you mean toy"):
        train(
            source(world),
            tmp_path / "model",
            recipe=read_recipe(recipe_file),
            options=TrainOptions({"tox": recipe_file}),
        )


def test_an_existing_bundle_is_never_overwritten(world, model, recipe_file):
    with pytest.raises(FileExistsError, match="is never overwritten"):
        train(source(world), model, recipe=read_recipe(recipe_file))


def test_labels_of_chips_that_are_missing_are_refused_or_left_out(world, tmp_path, recipe_file):
    few = tmp_path / "few"
    few.mkdir()
    for number in range(12, 40):
        shutil.copy(world.train_jpg / f"train_{number}.jpg", few)
    missing = TrainingSource(few, world.labels)
    with pytest.raises(ValueError, match=r"20 of 48 chips named in .* are missing .*first: train_0.*--skip-missing"):
        train(missing, tmp_path / "model", recipe=read_recipe(recipe_file))
    given = read_training_data(TrainingSource(few, world.labels, skip_missing=True), 1)
    assert [path.stem for path in given.paths] == [f"train_{number}" for number in range(12, 40)]
    assert given.truth.shape == (28, 17)


def test_chips_without_labels_are_left_out_with_a_word(world, tmp_path, capsys):
    table = tmp_path / "half.csv"
    table.write_text("\n".join(world.labels.read_text().splitlines()[:25]) + "\n")
    given = read_training_data(TrainingSource(world.train_jpg, table), 1)
    assert len(given.paths) == 24
    assert "24 of 48 chips have no labels and are left out" in capsys.readouterr().err


def test_the_names_of_chips_do_not_change_the_model(world, tmp_path):
    """Names decide the order of chips and nothing else."""
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    rows = [row.split(",") for row in world.labels.read_text().splitlines()]
    for name, _ in rows[1:]:
        shutil.copy(world.train_jpg / f"{name}.jpg", renamed / f"x{name}.jpg")
    table = tmp_path / "renamed.csv"
    table.write_text("image_name,tags\n" + "".join(f"x{name},{tags}\n" for name, tags in rows[1:]))
    first, second = (read_training_data(entry, 1) for entry in (source(world), TrainingSource(renamed, table)))
    np.testing.assert_array_equal(first.truth, second.truth)
    assert [path.read_bytes() for path in first.paths] == [path.read_bytes() for path in second.paths]


@pytest.mark.slow
def test_another_label_space_needs_no_code(world, tmp_path, run, recipe_file):
    table = tmp_path / "other.csv"
    table.write_text(world.labels.read_text().replace("primary", "tree").replace("clear", "sun"))
    target = tmp_path / "model"
    done = run("train", world.train_jpg, table, "-o", target, "--recipe", recipe_file, "--labels", "table")
    assert done.returncode == 0, done.stderr
    shown = run("predict", world.test_jpg, "--model", target)
    tags = {tag for row in shown.stdout.splitlines()[1:] for tag in row.split(",")[1].split()}
    known = set(json.loads((target / "manifest.json").read_text())["labels"]["labels"])
    assert tags <= known
    assert {"tree", "sun"} <= known
    assert not {"primary", worlds.NEVER} & known


@pytest.mark.slow
def test_the_weights_of_a_backbone_and_the_ground_of_chips_are_what_the_command_states(
    world, run, tmp_path, frozen_recipe_file
):
    weights = tmp_path / "start.weights.h5"
    backbones.BACKBONES["toy"].make(input_shape=(64, 64, 3), include_top=False, weights=None).save_weights(weights)
    target = tmp_path / "model"
    arguments = ("train", world.train_jpg, world.labels, "-o", target, "--recipe", frozen_recipe_file, "--ground", 640)
    done = run(*arguments, "--weights", f"toy={weights}", "--note", "Farms of my own, free to use.")
    assert done.returncode == 0, done.stderr
    assert bundle.read_manifest(target).ground == 640
    assert "Reads a satellite chip of 640 m of ground a side" in bundle.read_card(target)
    assert bundle.read_manifest(target).started_from == {"toy": sha256(weights)}
    assert f"a weight file of SHA-256 {sha256(weights)[:16]}" in bundle.read_card(target)
    assert bundle.read_card(target).endswith("\nFarms of my own, free to use.\n")
    wrong = run("train", world.train_jpg, world.labels, "-o", tmp_path / "other", "--weights", "toy")
    assert wrong.returncode == 2
    assert "must be BACKBONE=FILE" in wrong.stderr


@pytest.mark.slow
def test_a_chosen_decision_is_what_tune_would_choose(model, truth, world):
    _, scores, _ = score_tables.read_scores(model.with_name("model.scores.csv"))
    given = read_training_data(source(world), 1)
    recipe = Recipe((), decision="chosen")
    made, tags = fit_recipe_decision(recipe, given, scores, np.zeros(len(scores), np.int64))
    start = flat_decision(17, rules=decision_file.rules(given.space))
    tuned = tuning.tune_decision(TuningProblem(scores, truth.truth, start, {}))
    assert decision_file.to_json(given.space, made) == decision_file.to_json(given.space, tuned.decision)
    np.testing.assert_array_equal(tags, tuned.choice.tags)


STUDENT = """
folds = 2
side = 64
ship = ["net"]
[[members]]
kind = "frozen"
name = "vectors"
backbone = "toy"
weights = "none"
head = "ridge"
[[members]]
kind = "tuned"
name = "net"
backbone = "toy"
weights = "none"
output = "grouped"
epochs = 1
teachers = ["vectors"]
"""


@pytest.mark.slow
def test_a_student_is_shipped_without_its_teachers(world, run, tmp_path):
    (tmp_path / "student.toml").write_text(STUDENT)
    target, copy = tmp_path / "model", tmp_path / "copy"
    copy.mkdir()
    for path in world.train_jpg.iterdir():  # labelled chips, of which a student would see those held out
        shutil.copy(path, copy / f"other_{path.name}")
    arguments = ("train", world.train_jpg, world.labels, "-o", target, "--recipe", tmp_path / "student.toml")
    done = run(*arguments, "--unlabelled", world.test_jpg, "--unlabelled", copy)
    assert done.returncode == 0, done.stderr
    assert (
        f"{worlds.TRAIN} of {worlds.TRAIN + worlds.TEST} unlabelled chips have the content of a labelled chip"
        in done.stderr
    )
    assert [path.name for path in (target / "members").iterdir()] == ["00-net"]
    assert bundle.read_manifest(target).data.unlabelled == worlds.TEST
    text = bundle.read_card(target)
    assert "with vectors as teachers" in text
    assert "a ridge head. Not in this bundle." in text
    weather = bundle.load(target).networks[0](np.zeros((2, 64, 64, 3), np.uint8))
    places = [PLANET.names.index(name) for name in PLANET.groups[0]]
    np.testing.assert_allclose(weather[:, places].sum(axis=1), 1, rtol=1e-5)


def test_chips_without_labels_are_refused_without_teachers(world, recipe_file, tmp_path):
    with pytest.raises(ValueError, match="give a member of the recipe teachers"):
        train(source(world, unlabelled=(world.test_jpg,)), tmp_path / "model", recipe=read_recipe(recipe_file))


@pytest.mark.slow
def test_a_budget_and_a_chosen_second_level_are_kept_to_and_shown(world, recipe_file, tmp_path, run):
    recipe = tmp_path / "plan.toml"
    words = 'budget_mb = 1000\nsecond = "chosen"\nview_mean = "geometric"\n'
    recipe.write_text(words + recipe_file.read_text())
    target = tmp_path / "model"
    done = run("train", world.train_jpg, world.labels, "-o", target, "--recipe", recipe, "--views", 2)
    assert done.returncode == 0, done.stderr
    manifest = bundle.read_manifest(target)
    chosen = [entry for entry in manifest.front if entry.chosen]
    assert [entry.members for entry in chosen] == [manifest.shipped]
    assert chosen[0].f2 == max(entry.f2 for entry in manifest.front)
    text = bundle.read_card(target)
    assert "is the geometric mean of 2 dihedral views" in text
    assert "| members | ms a chip | MiB | F2 | |" in text
    if len(manifest.shipped) > 1:
        for name in (*SECOND_LEVELS, "the choice itself"):
            assert f"| {name} | 0." in text
    assert bundle.verify(target).files > 5


@pytest.mark.slow
def test_four_bands_of_a_sensor_train_a_network_of_two_streams(world, run, tmp_path):
    table = tmp_path / "few.csv"
    table.write_text("\n".join(world.labels.read_text().splitlines()[: worlds.TIFS + 1]) + "\n")
    recipe = tmp_path / "plan.toml"
    recipe.write_text(
        'folds = 2\nside = 64\nbands = ["blue", "green", "red", "nir"]\n[[members]]\nkind = "tuned"\nname = "net"\n'
        'backbone = "toy"\nweights = "none"\nsees = "streams"\nepochs = 1\n'
    )
    target = tmp_path / "model"
    done = run("train", world.train_tif, table, "-o", target, "--recipe", recipe)
    assert done.returncode == 0, done.stderr
    shown = run("predict", world.train_tif, "--model", target)
    assert len(shown.stdout.splitlines()) == worlds.TIFS + 1
    wrong = run("predict", world.train_jpg, "--model", target)
    assert wrong.returncode == 1
    assert "states the bands red, green, blue, so no nir, but the model expects blue, green, red, nir" in wrong.stderr


@pytest.mark.slow
def test_what_does_not_change_a_members_fit_does_not_train_it_again(world, run, recipe_file, tmp_path):
    target = tmp_path / "model"
    arguments = ["train", world.train_jpg, world.labels, "-o", target, "--recipe"]
    (tmp_path / "wrong.toml").write_text("budget_ms = 1e-6\n" + recipe_file.read_text())
    done = run(*arguments, tmp_path / "wrong.toml")
    assert done.returncode == 1
    assert "no member fits 1e-06 ms a chip; the fastest takes" in done.stderr
    (tmp_path / "right.toml").write_text('decision = "flat"\n' + recipe_file.read_text())
    done = run(*arguments, tmp_path / "right.toml")
    assert done.returncode == 0, done.stderr
    assert "net fold_0: epoch" not in done.stderr
    assert "net all: epoch" in done.stderr


@pytest.mark.slow
def test_a_damaged_file_of_a_former_run_is_named(world, frozen_recipe_file, tmp_path):
    (tmp_path / "wrong.toml").write_text("budget_ms = 1e-6\n" + frozen_recipe_file.read_text())
    with pytest.raises(ValueError, match="no member fits"):
        train(source(world), tmp_path / "model", recipe=read_recipe(tmp_path / "wrong.toml"))
    kept = next((tmp_path / "model.work").glob("*/vectors/fold_0.scores.npy"))
    kept.write_bytes(kept.read_bytes()[:-9])
    with pytest.raises(
        ValueError, match=r"fold_0\.scores\.npy, of an earlier run, is damaged .*delete .*vectors and start"
    ):
        train(source(world), tmp_path / "model", recipe=read_recipe(frozen_recipe_file))


@pytest.mark.parametrize("backend", ["nonsense", "numpy"])
def test_a_backend_that_cannot_train_is_refused(world, run, recipe_file, tmp_path, backend):
    environment = {**os.environ, "KERAS_BACKEND": backend}
    arguments = ("train", world.train_jpg, world.labels, "-o", tmp_path / "model", "--recipe", recipe_file)
    done = run(*arguments, env=environment)
    assert done.returncode == 1
    assert f"KERAS_BACKEND is {backend}, which is not installed or cannot train" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_table_of_unknown_tags_only_is_refused(world, recipe_file, tmp_path):
    table = tmp_path / "doubts.csv"
    rows = [row.split(",") for row in world.labels.read_text().splitlines()[1:]]
    table.write_text("image_name,tags\n" + "".join(f"{name},clear? primary?\n" for name, _ in rows))
    with pytest.raises(ValueError, match=r"no chip of .*doubts\.csv has a tag without a question mark"):
        train(TrainingSource(world.train_jpg, table), tmp_path / "model", recipe=read_recipe(recipe_file))
