"""Members whose units the workers of a cluster fit."""

import signal
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from amazon_tags.model import bundle
from amazon_tags.training import dask_train
from amazon_tags.training.members import ALL_CHIPS, PlannedMember
from ensemble.networks.settings import FrozenMember, TunedMember


@pytest.fixture
def student(tmp_path):
    """A student with a frozen and a tuned teacher, of which no unit is there."""
    members = []
    for settings in (FrozenMember("vectors", "toy"), TunedMember("net", "toy"), TunedMember("student", "toy")):
        (tmp_path / settings.name).mkdir()
        members.append(PlannedMember(settings, tmp_path / settings.name))
    return replace(members[2], teachers=tuple(members[:2]))


def planned(members, number):
    """The names of tasks with those that they wait for."""
    missing = [(member, number) for member in dask_train._missing(members, number)]
    return {task.name: task.after for task in dask_train._tasks(None, missing)}


def test_a_unit_waits_for_the_units_of_its_teachers_and_for_what_all_units_share(student):
    assert planned([student], 0) == {
        "vectors vectors": (),
        "vectors lesson": (),
        "vectors fold_0": ("vectors vectors",),
        "net fold_0": (),
        "student fold_0": ("vectors lesson", "vectors fold_0", "net fold_0"),
    }


def test_finished_units_are_left_out_with_what_only_they_need(student):
    for folder, name in (("vectors", "all"), ("net", "all")):
        (student.folder.parent / folder / name).mkdir()
    (student.folder.parent / "vectors" / "lesson.npy").touch()
    assert planned([student], ALL_CHIPS) == {"student all": ()}
    (student.folder / "all").mkdir()
    assert planned([student], ALL_CHIPS) == {}
    (student.folder / "fold_0").mkdir()
    assert "student fold_0" in planned([student], 0)  # its scores are missing


@pytest.mark.slow
def test_a_cluster_whose_worker_is_killed_trains_the_model_of_one_machine(model, world, recipe_file, tmp_path):
    target = tmp_path / "model"
    words = ["train", world.train_jpg, world.labels, "-o", target, "--recipe", recipe_file, "--views", 2]
    words += ["--engine", "dask", "--jobs", 2]
    command = [sys.executable, "-m", "amazon_tags", *map(str, words)]
    killed, lines = False, []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            lines.append(line)
            if "done by a worker, 1 of" in line and not killed:
                workers = [
                    child
                    for child in psutil.Process(process.pid).children()  # not those that train for a worker
                    if "spawn_main" in " ".join(child.cmdline())
                ]
                workers[-1].send_signal(signal.SIGKILL)
                killed = True
    assert process.returncode == 0, "".join(lines)
    assert killed
    assert "only programs on this machine reach them" in "".join(lines)
    expected, files = (
        {
            name: file
            for name, file in bundle.read_manifest(folder).files.items()
            if name not in ("card.md", "README.md")
        }
        for folder in (model, target)
    )
    assert files == expected  # but for the times on the card and its copy
    for suffix in (".scores.csv", ".scores.parquet"):
        assert target.with_name(f"model{suffix}").read_bytes() == model.with_name(f"model{suffix}").read_bytes()
    assert not target.with_name("model.work").exists()
