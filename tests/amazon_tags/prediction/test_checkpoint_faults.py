"""Checkpoints on a full disk, and checkpoints that are gone while a run writes to them or reads them."""

import shutil

import pytest

from tests import processes
from tests.scene_files import noise, write_scene

COMMANDS = {
    "predict": ["predict", "CHIPS", "--precision", "f32", "-o", "tags.csv"],
    "predict --shard": ["predict", "CHIPS", "--precision", "f32", "--shard", "1/1"],
    "map": ["map", "SCENE", "--precision", "f32", "--pixels", "64", "-o", "tags.geojson"],
    "map --shard": ["map", "SCENE", "--precision", "f32", "--pixels", "64", "-o", "tags.geojson", "--shard", "1/1"],
    "embed --shard": ["embed", "CHIPS", "--backbone", "toy", "--weights", "none", "--shard", "1/1"],
}
FULL = """
import resource, signal, sys
sys.dont_write_bytecode = True  # or bytecode would be written in part
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def fill():
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
if "embed" in {words!r}:  # its network has room
    from amazon_tags.training import vector_shards
    write = vector_shards.write_embedding_table
    vector_shards.write_embedding_table = lambda *rest, **options: [fill(), write(*rest, **options)]
else:
    fill()
"""
GONE = """
import pathlib, shutil
from amazon_tags.files import atomic
sync = atomic.sync
def lose(path):
    if path.parent.name == "run" and list(path.parent.glob("*.json")) or "embed" in {words!r}:
        shutil.rmtree("run", ignore_errors=True)
    sync(path)
atomic.sync = lose
"""
READ_ONLY = """
import errno, os
from amazon_tags.files import locks, system
def refuse(path, flags, *mode, open=os.open):
    if "run" in str(path) and flags & (os.O_WRONLY | os.O_RDWR):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    return open(path, flags, *mode)
system.os = locks.os = type("ReadOnly", (), {**vars(os), "open": staticmethod(refuse)})
"""
MAIN = """
import sys
from amazon_tags import cli
sys.argv[1:] = {words!r}
cli.main()
"""


@pytest.fixture
def run_with(world, tmp_path, monkeypatch):
    """A function that runs a command with `run` as its checkpoint after some statements, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    write_scene(tmp_path / "scene.tif", noise(300, 400))
    places = {"CHIPS": str(world.train_jpg), "SCENE": "scene.tif"}

    def run_with(statements, command):
        words = [places.get(word, word) for word in COMMANDS[command]] + ["--checkpoint", "run"]
        done = processes.run_code((statements + MAIN).replace("{words!r}", repr(words)), timeout=120)
        assert not (tmp_path / "tags.csv").exists()
        assert not (tmp_path / "tags.geojson").exists()
        return done

    return run_with


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("fault", "reason"), [(FULL, "cannot be written: file too large; make room"), (READ_ONLY, "read-only file system")]
)
def test_a_checkpoint_that_cannot_be_written_ends_the_run_with_one_line(run_with, tmp_path, command, fault, reason):
    (tmp_path / "run").mkdir()
    done = run_with(fault, command)
    assert done.returncode == 74, done.stderr
    assert reason in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {"lock", "journal.json"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_checkpoint_that_is_gone_ends_the_run_with_one_line(run_with, tmp_path, command):
    (tmp_path / "run").mkdir()
    done = run_with(GONE, command)
    assert done.returncode == 74, done.stderr
    assert "cannot be written: the folder" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_part_that_is_gone_when_it_is_read_is_named(run, world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["predict", world.test_jpg, "--precision", "f32", "--checkpoint", "run"]
    assert run(*words).returncode == 0
    (part,) = (tmp_path / "run").glob("*.parquet")
    code = """
from amazon_tags.prediction import checkpoint
from pathlib import Path
names = checkpoint.part_name
def lose(*arguments):
    name = names(*arguments)
    Path("run", name).unlink()
    return name
checkpoint.part_name = lose
"""
    main = MAIN.replace("{words!r}", repr([*map(str, words), "-o", "tags.csv"]))
    done = processes.run_code(code + main, timeout=120)
    assert done.returncode == 74, done.stderr
    assert f"run/{part.name} is gone since the run began" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "tags.csv").exists()
    shutil.rmtree("run")
