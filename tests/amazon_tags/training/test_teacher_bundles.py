"""`train --teacher`, and recipes whose teachers are bundles."""

import json
from dataclasses import replace

import numpy as np
import pytest

from amazon_tags.model import bundle
from amazon_tags.model.recipe import recipe_from_json
from amazon_tags.model.recipe_file import read_recipe
from amazon_tags.prediction.predict import score_chips
from amazon_tags.training import members
from amazon_tags.training.preparation import TrainOptions, prepare_data
from amazon_tags.training.teacher_bundles import add_teachers, read_teachers, stored_teachers, teach
from amazon_tags.training.training_data import TrainingSource
from features.images.layout import AS_STATED

STUDENT = """
folds = 2
side = 64
decision = "flat"

[[members]]
kind = "tuned"
name = "student"
backbone = "toy"
weights = "none"
epochs = 1
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "student.toml").write_text(STUDENT)
    return read_recipe(tmp_path / "student.toml")


def data_of(world, recipe, table=None, space="planet"):
    return prepare_data(
        TrainingSource(world.train_jpg, table or world.labels, space), recipe=recipe, options=TrainOptions()
    )


def test_a_teacher_that_is_a_bundle_is_found_from_the_recipe_and_stored_without_its_folder(tmp_path, model, world):
    (tmp_path / "teacher").symlink_to(model)
    (tmp_path / "student.toml").write_text(STUDENT + 'teachers = ["./teacher"]\n')
    recipe = read_recipe(tmp_path / "student.toml")
    assert recipe.members[0].teachers == (str(tmp_path / "teacher"),)
    teachers = read_teachers(recipe, data_of(world, recipe))
    digest = bundle.read_manifest(model).sha256
    assert stored_teachers(recipe, teachers).members[0].teachers == (f"bundle:{digest[:12]}",)
    (teacher,) = teachers.values()
    assert (teacher.record.sha256, teacher.record.shared) == (digest, 48)


def test_a_teacher_says_the_mean_of_its_scores_over_quarter_turns_with_the_columns_of_the_students_labels(
    model, world, recipe, tmp_path
):
    table = tmp_path / "two.csv"
    table.write_text("image_name,tags\ntrain_0,primary\ntrain_1,clear primary\ntrain_2,clear\n")
    data = data_of(world, recipe, table, "table")
    (teacher,) = read_teachers(add_teachers(recipe, (model,)), data).values()
    loaded = bundle.load(model)
    expected = next(score_chips(data.paths, loaded, views=4)).scores
    columns = [loaded.space.names.index(name) for name in data.space.names]
    found = teach(teacher, data, AS_STATED, jobs=1)
    assert found.shape == (3, 2)
    np.testing.assert_array_equal(found, expected[:, columns])


def test_targets_mix_the_truth_with_what_the_bundle_says(tmp_path, recipe, world):
    data = data_of(world, recipe)
    examples = members.Examples(
        data.paths, data.truth, bundle.read_manifest(bundle.DEFAULT).spec, np.arange(48) % 2, 1, 0, 1,
        unlabelled=data.paths[:2],
    )  # fmt: skip
    says = np.random.default_rng(0).random((1, 50, 17)).astype(np.float32)
    np.save(tmp_path / members.BUNDLE_LESSONS, says)
    lessons = members._bundle_lessons(tmp_path, examples)
    settings = replace(recipe.members[0], trust=0.25)
    source = members._batch_source(settings, examples, [3, 5], lessons)
    np.testing.assert_allclose(source.targets, 0.75 * data.truth[[3, 5]] + 0.25 * says[0, [3, 5]], rtol=1e-6)
    np.testing.assert_array_equal(source.unlabelled_targets, says[0, 48:])


def test_a_student_of_a_bundle_says_what_its_teacher_may_know(run, world, model, tmp_path):
    recipe = tmp_path / "student.toml"
    recipe.write_text(STUDENT)
    student = tmp_path / "student"
    options = ("--recipe", recipe, "--teacher", model, "--unlabelled", world.test_jpg)
    done = run("train", world.train_jpg, world.labels, "-o", student, *options)
    assert done.returncode == 0, done.stderr
    assert "was trained on 48 of these 48 labelled chips" in done.stderr
    manifest = json.loads((student / "manifest.json").read_text())
    name = f"bundle:{bundle.read_manifest(model).name}"
    assert manifest["recipe"]["members"][0]["teachers"] == [name]
    assert manifest["teachers"][name]["shared"] == 48
    assert recipe_from_json(manifest["recipe"])
    card = (student / "card.md").read_text()
    assert f"The teacher `{name}` was trained on 48 of these 48 labelled chips" in card
    assert "held-out scores may be too high" in card
    assert str(model) not in card + json.dumps(manifest)


@pytest.mark.parametrize(
    ("teacher", "expected"),
    [
        ("missing/bundle", "neither an earlier member of the recipe nor the folder of a bundle"),
        (".", "has no manifest.json"),
    ],
)
def test_a_teacher_that_is_no_bundle_is_refused_before_training(tmp_path, recipe, world, teacher, expected):
    student = replace(recipe.members[0], teachers=(str(tmp_path / teacher),))
    with pytest.raises(ValueError, match=expected):
        data_of(world, replace(recipe, members=(student,)))


def test_a_teacher_without_a_label_of_the_chips_is_refused(tmp_path, recipe, world, model):
    table = tmp_path / "other.csv"
    table.write_text("image_name,tags\ntrain_0,swamp\ntrain_1,primary\ntrain_2,swamp\n")
    with pytest.raises(ValueError, match=r"does not know 1 of 2 labels \(first: 'swamp'\)"):
        data_of(world, add_teachers(recipe, (model,)), table, "table")


def test_a_teacher_of_frozen_members_alone_is_refused(frozen_recipe_file, model):
    with pytest.raises(ValueError, match="has no student"):
        add_teachers(read_recipe(frozen_recipe_file), (model,))
