"""From the competition's folder to a submission, and in a notebook."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile

import pytest

from tests import competition as competitions
from tests import world as worlds


@pytest.fixture(scope="module")
def data(world, tmp_path_factory):
    """The competition's folder as fetch.py leaves it."""
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
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def out(data, recipe_file, tmp_path_factory):
    """What the script made of it."""
    folder = tmp_path_factory.mktemp("made") / "out"
    done = script("produce", data, folder, "--recipe", recipe_file, "--views", 2)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("| train |") == done.stderr.count("| predict |") == 1
    return folder


def test_a_submission_has_the_rows_of_the_sample(out, data):
    with zipfile.ZipFile(out / "submission.csv.zip") as packed:
        assert packed.namelist() == ["submission.csv"]
        content = packed.read("submission.csv")
    assert content == (out / "submission.csv").read_bytes()
    rows = list(csv.reader(io.StringIO(content.decode())))
    sample = list(csv.reader((data / "sample_submission_v2.csv").read_text().splitlines()))
    assert [row[0] for row in rows] == [row[0] for row in sample]
    told = json.loads((out / "stages.json").read_text())
    assert [stage["name"] for stage in told] == ["train", "predict"]
    assert all(stage["memory"] > 2**20 and stage["seconds"] > 0 and stage["disk"] > 0 for stage in told)


def test_started_again_it_does_no_work_twice(out, data, recipe_file):
    before = (out / "model" / "manifest.json").read_bytes()
    done = script("produce", data, out, "--recipe", recipe_file)
    assert done.returncode == 0, done.stderr
    assert not done.stderr.startswith("amazon_tags")
    assert (out / "model" / "manifest.json").read_bytes() == before


def test_when_its_time_is_over_it_stops_and_goes_on_another_time(data, recipe_file, tmp_path):
    out = tmp_path / "out"
    done = script("produce", data, out, "--recipe", recipe_file, "--hours", 0)
    assert done.returncode == 75, done.stderr
    assert "the time is over: train was stopped" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (out / "submission.csv").exists()
    assert script("produce", data, out, "--recipe", recipe_file).returncode == 0


def test_a_stage_that_fails_has_said_why(data, tmp_path):
    done = script("produce", data, tmp_path / "out", "--recipe", "quik")
    assert done.returncode == 1
    assert "quik" in done.stderr.splitlines()[-2]
    assert done.stderr.splitlines()[-1].startswith("Error: train ended with")


def test_a_signal_ends_the_stage_too(data, recipe_file, tmp_path):
    command = [sys.executable, competitions.SCRIPTS / "produce.py", data, tmp_path / "out", "--recipe", recipe_file]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline() == "amazon_tags train\n"
        process.send_signal(signal.SIGTERM)
        said = process.communicate()[1]
    assert process.returncode == 143, said
    assert "Traceback" not in said


def test_the_submission_names_its_model(out, world, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    competition = competitions.build(world, store)
    tried = competition.script("submit", out, "--dry-run")
    assert (tried.returncode, competition.asked()) == (0, [])
    done = competition.script("submit", out)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((out / "model" / "manifest.json").read_text())
    ((*_, message, quiet),) = competition.asked()
    assert quiet == "-q"
    assert manifest["sha256"][:12] in message
    assert f"F2 {manifest['scores']['f2']:.4f} out of fold on {worlds.TRAIN} chips" in message
    assert message in tried.stderr
    assert "Successfully submitted" in done.stderr
    refused = competition.script("submit", out, mood="rules")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "the rules of the competition are not accepted" in refused.stderr
    none = competition.script("submit", tmp_path)
    assert "submission.csv.zip is not there; make it first" in none.stderr


@pytest.fixture
def attached(tmp_path):
    """What a notebook's session has: a data set with scripts and a weight file."""
    folder = tmp_path / "input"
    offline = folder / "amazon-tags-offline"
    shutil.copytree(competitions.SCRIPTS, offline / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (offline / "weights").mkdir()
    (offline / "weights" / "net_no_top.h5").write_bytes(b"weights")
    return folder


def test_a_notebook_unpacks_goes_on_and_submits_nothing(attached, world, out, tmp_path):
    store = attached / "competition"
    store.mkdir()
    competitions.build(world, store)
    shutil.copytree(out, attached / "before" / "out")  # the output of the version before
    scratch, working = tmp_path / "scratch", tmp_path / "working"
    scratch.mkdir()
    fetch = attached / "amazon-tags-offline" / "scripts" / "fetch.py"
    fetch.write_text(fetch.read_text().replace("rehearsal.TEST + rehearsal.FILES", str(worlds.TEST)))
    fetch.write_text(fetch.read_text().replace("rehearsal.TRAIN", str(worlds.TRAIN)))
    done = script("notebook", attached, working, TMPDIR=str(scratch), KERAS_HOME=str(tmp_path / "keras"))
    assert done.returncode == 0, done.stderr
    assert "going on with what" in done.stdout
    assert "amazon-tags 0" in done.stdout
    assert (working / "out" / "submission.csv").read_bytes() == (out / "submission.csv").read_bytes()
    assert (tmp_path / "keras" / "models" / "net_no_top.h5").read_bytes() == b"weights"
    assert (scratch / "amazon_tags_data" / "train-jpg").is_dir()


def test_a_notebook_says_what_is_not_attached(attached, tmp_path):
    environment = {"KERAS_HOME": str(tmp_path / "keras")}
    done = script("notebook", attached, tmp_path, **environment)
    assert (done.returncode, "has neither train-jpg nor train-jpg.tar.7z" in done.stderr) == (1, True)
    shutil.rmtree(attached / "amazon-tags-offline")
    done = script("notebook", attached, tmp_path, **environment)
    assert "has no data set with scripts/produce.py" in done.stderr


def test_the_kernel_is_a_script_without_a_network():
    told = json.loads((competitions.SCRIPTS / "kernel-metadata.json").read_text())
    assert (competitions.SCRIPTS / told["code_file"]).is_file()
    assert (told["kernel_type"], told["enable_internet"], told["enable_gpu"]) == ("script", False, True)
    assert told["competition_sources"] == ["planet-understanding-the-amazon-from-space"]
