"""The checkpoint of `predict`, with small shards."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from amazon_tags.files import atomic, locks
from amazon_tags.model import bundle
from amazon_tags.prediction import checkpoint, part_files
from amazon_tags.prediction.checkpoint import predict_with_checkpoint
from amazon_tags.prediction.predict import predict_chips, score_chips
from features.images import listing


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(part_files, "CHIPS_A_PART", 16)


@pytest.fixture(scope="module")
def opened(model):
    return bundle.load(model)


@pytest.fixture
def chips(world, tmp_path):
    """Seventy chips, of which two are damaged."""
    sources = listing.chips([world.train_jpg])
    (tmp_path / "chips").mkdir()
    for number in range(70):
        content = sources[number % len(sources)].read_bytes()
        broken = number in {5, 40}
        (tmp_path / "chips" / f"chip_{number}.jpg").write_bytes(content[:200] if broken else content)
    return tmp_path / "chips"


def tagged(parts):
    parts = list(parts)
    return (
        [name for part in parts for name in part.ids],
        np.concatenate([part.scores for part in parts]).tobytes(),
        np.concatenate([part.tags for part in parts]).tobytes(),
        np.concatenate([part.band_statistics for part in parts]).tobytes(),
        [pair for part in parts for pair in zip(part.files, part.errors, strict=True)],
    )


def test_with_a_checkpoint_the_tags_are_the_same_as_without(chips, opened, tmp_path):
    paths = listing.chips([chips])
    expected = tagged(predict_chips(paths, opened, tolerant=True))
    for _ in range(2):  # written, then read
        assert tagged(predict_with_checkpoint(tmp_path / "checkpoint", paths, opened, tolerant=True)) == expected
    assert len(list((tmp_path / "checkpoint").glob("*.parquet"))) == 5


@pytest.mark.parametrize("finished", [[0], [2], [0, 1, 3], [4], [0, 1, 2, 3, 4]])
def test_missing_shards_are_scored_again_and_no_others(chips, opened, tmp_path, monkeypatch, finished):
    paths = listing.chips([chips])
    folder = tmp_path / "checkpoint"
    expected = tagged(predict_with_checkpoint(folder, paths, opened, tolerant=True))
    shards = sorted(folder.glob("*.parquet"))
    for number, path in enumerate(shards):
        if number not in finished:
            path.unlink()
    requested = []
    score = score_chips
    monkeypatch.setattr(
        checkpoint,
        "score_chips",
        lambda paths, *rest, **options: requested.extend(paths) or score(paths, *rest, **options),
    )
    assert tagged(predict_with_checkpoint(folder, paths, opened, tolerant=True)) == expected
    assert requested == [path for row, path in enumerate(paths) if row // 16 not in finished]
    assert sorted(folder.glob("*.parquet")) == shards


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": 2}, "holds scores of 1 views, but this run averages 2"),
        ({"tolerant": False}, "--on-error skip or fill: True, this run: False"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_with_the_reason(chips, opened, tmp_path, change, message):
    paths = listing.chips([chips])
    list(predict_with_checkpoint(tmp_path / "checkpoint", paths, opened, tolerant=True))
    with pytest.raises(ValueError, match=f"{message}; name another folder, or delete this one"):
        next(predict_with_checkpoint(tmp_path / "checkpoint", paths, opened, **{"tolerant": True, **change}))


@pytest.mark.parametrize("key", ["version", "model", "precision", "chips"])
def test_a_checkpoint_of_another_version_model_precision_or_other_names_is_refused(chips, opened, tmp_path, key):
    paths = listing.chips([chips])
    list(predict_with_checkpoint(tmp_path / "checkpoint", paths, opened, tolerant=True))
    path = tmp_path / "checkpoint" / "journal.json"
    atomic.write_json(path, {**json.loads(path.read_text()), key: "another"})
    with pytest.raises(ValueError, match="another"):
        next(predict_with_checkpoint(tmp_path / "checkpoint", paths, opened, tolerant=True))


def test_changed_chips_are_refused_before_the_first_part(chips, opened, tmp_path):
    paths = listing.chips([chips])
    list(predict_with_checkpoint(tmp_path / "checkpoint", paths, opened, tolerant=True))
    shutil.copy(chips / "chip_1.jpg", chips / "chip_60.jpg")
    with pytest.raises(ValueError, match=r"the chips of 000003-.*\.parquet have changed since it was written"):
        next(predict_with_checkpoint(tmp_path / "checkpoint", paths, opened, tolerant=True))


def test_a_folder_with_other_files_is_left_alone(chips, opened):
    with pytest.raises(ValueError, match="holds other files, but no checkpoint"):
        next(predict_with_checkpoint(chips, listing.chips([chips]), opened))
    assert not (chips / "journal.json").exists()


def test_a_damaged_shard_is_named(chips, opened, tmp_path):
    paths = listing.chips([chips])
    list(predict_with_checkpoint(tmp_path / "checkpoint", paths, opened, tolerant=True))
    shard = sorted((tmp_path / "checkpoint").glob("*.parquet"))[1]
    shard.write_bytes(shard.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"is damaged .* delete it, and its chips are scored again"):
        list(predict_with_checkpoint(tmp_path / "checkpoint", paths, opened, tolerant=True))


@pytest.mark.parametrize("content", ["{}", "[]", "torn", '{"version": "1", "surprise": 2}'])
def test_a_damaged_run_file_is_refused(chips, opened, tmp_path, content):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "journal.json").write_text(content)
    with pytest.raises(ValueError, match=r"journal\.json is not the file of a checkpoint .* name another folder"):
        next(predict_with_checkpoint(tmp_path / "checkpoint", listing.chips([chips]), opened))


def test_a_shard_holds_null_statistics_and_the_error_of_a_damaged_chip(chips, opened, tmp_path):
    from pyarrow import parquet as pq  # noqa: PLC0415

    list(predict_with_checkpoint(tmp_path / "checkpoint", listing.chips([chips]), opened, tolerant=True))
    table = pq.read_table(next((tmp_path / "checkpoint").glob("000000-*.parquet")))
    assert table.column_names == [*opened.space.names, " name", " file", " error", " looks", " remarks"]
    errors, looks = table.column(" error").to_pylist(), table.column(" looks").to_pylist()
    assert [row for row, error in enumerate(errors) if error is not None] == [5]
    assert [row for row, values in enumerate(looks) if values is None] == [5]


def test_two_runs_do_not_share_a_checkpoint(world, model, run, tmp_path):
    (tmp_path / "checkpoint").mkdir()
    with locks.hold_lock(tmp_path / "checkpoint" / "lock"):
        result = run("predict", world.test_jpg, "--model", model, "--journal", tmp_path / "checkpoint")
    assert result.returncode == 75
    assert not result.stdout


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_in_the_same_bytes(world, model, run, tmp_path):
    (tmp_path / "chips").mkdir()
    sources = listing.chips([world.train_jpg])
    for number in range(5000):
        (tmp_path / "chips" / f"chip_{number}.jpg").hardlink_to(sources[number % len(sources)])
    arguments = ["predict", tmp_path / "chips", "--model", model, "-o", tmp_path / "tags.csv"]
    plain = run(*arguments)
    assert plain.returncode == 0, plain.stderr
    expected = (tmp_path / "tags.csv").read_bytes()
    (tmp_path / "tags.csv").unlink()

    arguments += ["--journal", tmp_path / "checkpoint"]
    for shards in (1, 2, 3):
        kill_after(shards, arguments, tmp_path / "checkpoint")
        assert not (tmp_path / "tags.csv").exists()
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "tags.csv").read_bytes() == expected
    assert {path.suffix for path in (tmp_path / "checkpoint").iterdir()} == {"", ".json", ".parquet"}


def kill_after(shards, arguments, folder):
    """Run a command, and kill it as soon as the folder holds so many shards."""
    command = [sys.executable, "-m", "amazon_tags", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while len(list(folder.glob("*.parquet"))) < shards:
            assert process.poll() is None, f"it ended before it had written {shards} shards"
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL
