"""From the competition's folder to a submission, and in a notebook."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial

import keras
import pytest

from amazon_tags.model.recipe_file import choose_recipe
from features.networks import backbones
from tests import competition as competitions
from tests import world as worlds


@pytest.fixture(scope="module")
def data(world, tmp_path_factory):
    """The competition's folder, as fetch.py writes it."""
    folder = tmp_path_factory.mktemp("data")
    for place in (world.train_jpg, world.test_jpg):
        shutil.copytree(place, folder / place.name)
    for place in (world.labels, world.sample):
        shutil.copy(place, folder)
    (folder / "test-jpg-additional").mkdir()
    for path in sorted((folder / "test-jpg").iterdir())[: competitions.ADDITIONAL]:
        path.rename(folder / "test-jpg-additional" / path.name)
    return folder


def script(name, *arguments, **environment):
    command = [sys.executable, competitions.SCRIPTS / f"{name}.py", *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)


@pytest.fixture(scope="module")
def out(data, frozen_recipe_file, tmp_path_factory):
    """The folder that produce.py writes."""
    folder = tmp_path_factory.mktemp("produced") / "out"
    done = script("produce", data, folder, "--recipe", frozen_recipe_file)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("| train |") == done.stderr.count("| predict |") == 1
    return folder


@pytest.mark.slow
def test_a_submission_has_the_rows_of_the_sample(out, data):
    rows = list(csv.reader((out / "submission.csv").read_text().splitlines()))
    sample = list(csv.reader((data / "sample_submission_v2.csv").read_text().splitlines()))
    assert [row[0] for row in rows] == [row[0] for row in sample]
    stages = json.loads((out / "stages.json").read_text())
    assert [stage["name"] for stage in stages] == ["train", "predict"]
    assert all(stage["memory"] > 2**20 and stage["seconds"] > 0 and stage["disk"] > 0 for stage in stages)


@pytest.mark.slow
def test_a_second_run_does_no_work_twice(out, data, frozen_recipe_file):
    before = (out / "model" / "manifest.json").read_bytes()
    done = script("produce", data, out, "--recipe", frozen_recipe_file)
    assert done.returncode == 0, done.stderr
    assert "train:" not in done.stderr
    assert "predict:" not in done.stderr
    assert (out / "model" / "manifest.json").read_bytes() == before


@pytest.mark.slow
def test_the_work_of_another_command_is_refused(out, data, frozen_recipe_file, tmp_path):
    for options, other in (
        (("--recipe", frozen_recipe_file, "--views", 3), "views"),
        (("--recipe", "quick"), "recipe"),
    ):
        done = script("produce", data, out, *options)
        assert (done.returncode, f"out was started with other {other}; name another folder" in done.stderr) == (1, True)
    fewer = tmp_path / "data"
    shutil.copytree(data, fewer)
    rows = (fewer / "train_v2.csv").read_text().splitlines()
    (fewer / "train_v2.csv").write_text("\n".join(rows[:-1]) + "\n")
    assert "with other tables" in script("produce", fewer, out, "--recipe", frozen_recipe_file).stderr


@pytest.mark.slow
def test_a_submission_of_another_model_is_replaced(out, data, frozen_recipe_file, tmp_path):
    again = tmp_path / "out"
    shutil.copytree(out, again)
    (again / "submission.csv").write_text("image_name,tags\n")
    done = script("produce", data, again, "--recipe", frozen_recipe_file)
    assert done.returncode == 0, done.stderr
    assert (again / "submission.csv").read_bytes() == (out / "submission.csv").read_bytes()


@pytest.mark.slow
def test_missing_chips_are_reported_before_the_training(data, frozen_recipe_file, tmp_path):
    fewer = tmp_path / "data"
    shutil.copytree(data, fewer)
    next((fewer / "test-jpg").iterdir()).unlink()
    done = script("produce", fewer, tmp_path / "out", "--recipe", frozen_recipe_file)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"1 of the {worlds.TEST} chips that" in done.stderr
    shutil.rmtree(fewer / "test-jpg-additional")
    done = script("produce", fewer, tmp_path / "out", "--recipe", frozen_recipe_file)
    assert "test-jpg-additional are missing; fetch them first" in done.stderr


@pytest.mark.slow
def test_a_stopped_run_resumes(data, tmp_path):
    slow = tmp_path / "slow.toml"
    member = 'kind = "tuned"\nname = "net"\nbackbone = "toy"\nweights = "none"\nepochs = 150\n'
    slow.write_text(f"folds = 2\nside = 64\n[[members]]\n{member}")
    command = [sys.executable, competitions.SCRIPTS / "produce.py", data, tmp_path / "out", "--recipe", slow]
    first = []
    for _ in range(2):
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            first.append(next(line for line in process.stderr if "fold_0: epoch" in line))
            process.send_signal(signal.SIGTERM)
            output = process.communicate(timeout=600)[1]
        assert process.returncode == 143, output
        assert "Traceback" not in output
    assert "epoch 1 of 150" in first[0]
    assert "epoch 1 of 150" not in first[1]


@pytest.mark.slow
def test_a_rendered_folder_is_produced_like_the_real_one(out, frozen_recipe_file, run, tmp_path):
    like = tmp_path / "like.csv"
    rows = [f"train_{number},{' '.join(worlds.tags(number))}" for number in range(worlds.TRAIN)]
    like.write_text("\n".join(["image_name,tags", *rows]) + "\n")
    assert run("sample", tmp_path / "rendered", "--like", like, "-n", 20).returncode == 0
    shutil.copytree(out / "model", tmp_path / "out" / "model")  # so that no other is trained
    done = script("produce", tmp_path / "rendered", tmp_path / "out", "--recipe", frozen_recipe_file, "--views", 1)
    assert done.returncode == 0, done.stderr
    assert "20 chips to train on, 30 to tag" in done.stderr
    done = run("evaluate", tmp_path / "out" / "submission.csv", tmp_path / "rendered" / "test_truth.csv")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_stage_that_fails_has_printed_its_reason(data, tmp_path):
    done = script("produce", data, tmp_path / "out", "--recipe", "quik")
    assert done.returncode == 1
    assert "quik" in done.stderr.splitlines()[-2]
    assert done.stderr.splitlines()[-1] == "Error: train ended with exit code 1; its messages are above."


SLOW_STAGE = """
import signal, sys, time
def stop_slowly(*_):
    time.sleep(5)
    print("written", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, stop_slowly)
print("started", file=sys.stderr, flush=True)
time.sleep(600)
"""


def run_slow_stage(folder, end):
    """Start a process that runs a slow stage."""
    code = f"import sys; sys.path.insert(0, {str(competitions.SCRIPTS)!r}); import produce, time; "
    code += "from pathlib import Path; produce.catch_signals(); "
    code += f"produce.progress.show_messages(); command = [sys.executable, '-c', {SLOW_STAGE!r}]; "
    code += f"produce.run_stage(Path({str(folder)!r}), 'slow', command, {end})"
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_signal_waits_for_the_stage_to_save_its_work(tmp_path):
    with run_slow_stage(tmp_path, "float('inf')") as process:
        assert [process.stderr.readline() for _ in range(2)] == ["slow:\n", "started\n"]
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=600)
        assert process.stderr.readline() == "written\n"  # the stage ended first
    assert process.returncode == 143


@pytest.mark.slow
def test_when_the_time_is_up_the_stage_saves_its_work(tmp_path):
    with run_slow_stage(tmp_path, "time.monotonic() + 2") as process:
        output = process.communicate(timeout=600)[1]
    assert "written\n" in output
    assert "the time is up: slow was stopped, and its work so far is in" in output
    assert [stage["name"] for stage in json.loads((tmp_path / "stages.json").read_text())] == ["slow, stopped"]


def test_a_run_whose_time_is_up_ends_with_124(data, frozen_recipe_file, tmp_path):
    done = script("produce", data, tmp_path / "out", "--recipe", frozen_recipe_file, "--hours", 0)
    assert (done.returncode, done.stderr.count("Traceback")) == (124, 0)
    assert "start again to resume" in done.stderr


@pytest.mark.slow
def test_the_submission_names_its_model(out, world, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    competition, submission = competitions.build(world, store), out / "submission.csv"
    dry_run = competition.script("submit", submission, "--dry-run")
    assert (dry_run.returncode, competition.calls()) == (0, []), dry_run.stderr
    done = competition.script("submit", submission)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((out / "model" / "manifest.json").read_text())
    ((*_, message, quiet),) = competition.calls()
    assert quiet == "-q"
    assert manifest["sha256"][:12] in message
    assert f"F2 {manifest['scores']['f2']:.4f} out of fold on {worlds.TRAIN} chips" in message
    assert message in dry_run.stderr
    assert "Successfully submitted" in done.stderr
    refused = competition.script("submit", submission, failure="rules")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "the rules of the competition are not accepted" in refused.stderr


@pytest.mark.slow
def test_a_file_that_is_not_by_the_model_is_not_submitted_under_its_name(out, world, tmp_path):
    store, again = tmp_path / "store", tmp_path / "out"
    store.mkdir()
    competition = competitions.build(world, store)
    shutil.copytree(out, again)
    other = again / "submission.csv"
    other.write_text(other.read_text().replace("clear", "haze"))
    done = competition.script("submit", other)
    assert (done.returncode, "is not what produce.py wrote with" in done.stderr) == (1, True)
    done = competition.script("submit", other, "--message", "other thresholds")
    assert done.returncode == 0, done.stderr
    assert any(word.startswith("other thresholds; amazon_tags") for word in competition.calls()[0])
    other.write_text("image_name,tags\na,clear\n")
    done = competition.script("submit", other)
    assert f"has 1 rows, but the competition needs {worlds.TEST}" in done.stderr


@pytest.fixture
def attached(tmp_path, frozen_recipe_file):
    """The folder attached to a notebook: a data set with scripts, for a recipe that trains in seconds."""
    folder = tmp_path / "input"
    scripts = folder / "amazon-tags-offline" / "scripts"
    shutil.copytree(competitions.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    layout = (scripts / "layout.py").read_text()
    for name, count in (
        ("sample_competition.TEST + sample_competition.FILES", worlds.TEST),
        ("sample_competition.TRAIN", worlds.TRAIN),
    ):
        assert name in layout
        layout = layout.replace(name, str(count))
    (scripts / "layout.py").write_text(layout)
    notebook = (scripts / "notebook.py").read_text()
    assert 'RECIPE = "default"' in notebook
    (scripts / "notebook.py").write_text(
        notebook.replace('RECIPE = "default"', f"RECIPE = {str(frozen_recipe_file)!r}")
    )
    return folder


def session(attached, working, **environment):
    """Run the notebook as a session does."""
    command = [sys.executable, attached / "amazon-tags-offline" / "scripts" / "notebook.py", attached, working]
    environment = {**os.environ, "TMPDIR": str(working), **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)


@pytest.mark.slow
def test_a_notebook_unpacks_trains_tags_and_resumes_from_its_own_output(attached, world, tmp_path):
    store, working = attached / "competition", tmp_path / "working"
    for folder in (store, working):
        folder.mkdir()
    competitions.build(world, store)
    done = session(attached, working)
    assert done.returncode == 0, done.stderr
    assert "amazon-tags 0" in done.stdout
    assert (working / "out" / "submission.csv").read_text().count("\n") == worlds.TEST + 1
    shutil.copytree(working / "out", attached / "amazon-tags" / "out")  # the output of the previous version
    shutil.rmtree(working)
    working.mkdir()
    again = session(attached, working)
    assert again.returncode == 0, again.stderr
    assert "resuming from the output in" in again.stdout
    assert "train:" not in again.stderr


@pytest.mark.slow
def test_a_notebook_uses_the_competitions_folders_as_attached(attached, out, world, tmp_path):
    untagged = shutil.ignore_patterns("submission.*", "journal-*")
    shutil.copytree(out, attached / "amazon-tags" / "out", ignore=untagged)  # a previous version that ended there
    place = attached / "planet" / "planet"
    for folder in (world.train_jpg, world.test_jpg):
        shutil.copytree(folder, place / folder.name.replace("test-jpg", "test-jpg-v2"))
    for path in (world.labels, world.sample):
        (place / path.name).mkdir()
        shutil.copy(path, place / path.name)
    working = tmp_path / "working"
    working.mkdir()
    done = session(attached, working)
    assert done.returncode == 0, done.stderr
    assert f"{worlds.TRAIN} chips to train on, {worlds.TEST} to tag" in done.stderr
    assert (working / "out" / "submission.csv").read_bytes() == (out / "submission.csv").read_bytes()


@pytest.mark.slow
def test_a_notebook_reports_what_is_not_attached(attached, tmp_path):
    done = session(attached, tmp_path)
    assert (done.returncode, "has neither train-jpg nor train-jpg.tar.7z" in done.stderr) == (1, True)
    shutil.rmtree(attached / "amazon-tags-offline" / "scripts")
    done = script("notebook", attached, tmp_path)
    assert (done.returncode, "has no data set with scripts/produce.py" in done.stderr) == (1, True)


def test_weights_are_written_for_each_backbone_of_a_recipe(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(competitions.SCRIPTS)
    import weights  # noqa: PLC0415  a script beside others

    requests = []

    def make(name, **options):
        requests.append(options)
        inputs = keras.Input((8,))
        return keras.Model(inputs, keras.layers.Dense(2, name=name)(inputs))

    for name in ("mobilenet_v2_035", "mobilenet_v3_small"):
        entry = replace(backbones.BACKBONES[name], make=partial(make, name))
        monkeypatch.setitem(backbones.BACKBONES, name, entry)
    assert weights.write(choose_recipe("default"), tmp_path / "out") == ["mobilenet_v2_035", "mobilenet_v3_small"]
    assert requests == 2 * [{"include_top": False, "weights": "imagenet"}]
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == ["mobilenet_v2_035.weights.h5", "mobilenet_v3_small.weights.h5"]


def test_the_kernel_is_described_as_a_script_without_a_network():
    metadata = json.loads((competitions.SCRIPTS / "kernel-metadata.json").read_text())
    assert (competitions.SCRIPTS / metadata["code_file"]).is_file()
    assert (metadata["kernel_type"], metadata["enable_internet"], metadata["enable_gpu"]) == ("script", False, True)
    assert metadata["competition_sources"] == ["planet-understanding-the-amazon-from-space"]
