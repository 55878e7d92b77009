"""Journals of `predict`, with shards made small."""

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
from amazon_tags.prediction import checkpoint
from amazon_tags.prediction.checkpoint import predict_with_checkpoint
from amazon_tags.prediction.predict import predict_chips, score_chips
from features.images import listing


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(checkpoint, "CHIPS_A_SHARD", 16)


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
        [(str(place), error) for part in parts for place, error in part.failures],
    )


@pytest.mark.parametrize("on_error", ["skip", "fill"])
def test_with_a_journal_the_tags_are_those_without(chips, opened, tmp_path, on_error):
    paths = listing.chips([chips])
    expected = tagged(predict_chips(paths, opened, on_error=on_error))
    for _ in range(2):  # made, then read
        assert tagged(predict_with_checkpoint(tmp_path / "journal", paths, opened, on_error=on_error)) == expected
    assert len(list((tmp_path / "journal").glob("*.parquet"))) == 5


@pytest.mark.parametrize("done", [[0], [2], [0, 1, 3], [4], [0, 1, 2, 3, 4]])
def test_what_is_missing_is_made_anew_and_nothing_else(chips, opened, tmp_path, monkeypatch, done):
    paths = listing.chips([chips])
    folder = tmp_path / "journal"
    expected = tagged(predict_with_checkpoint(folder, paths, opened, on_error="skip"))
    shards = sorted(folder.glob("*.parquet"))
    for number, path in enumerate(shards):
        if number not in done:
            path.unlink()
    asked = []
    score = score_chips
    monkeypatch.setattr(
        checkpoint, "score_chips", lambda paths, *rest, **options: asked.extend(paths) or score(paths, *rest, **options)
    )
    assert tagged(predict_with_checkpoint(folder, paths, opened, on_error="skip")) == expected
    assert asked == [place for row, place in enumerate(paths) if row // 16 not in done]
    assert sorted(folder.glob("*.parquet")) == shards


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": 2}, "holds scores of 1 views, and this run takes 2"),
        ({"on_error": "fail"}, "whose --on-error is skip or fill: True, of this one: False"),
    ],
)
def test_a_journal_of_another_run_is_refused_with_the_reason(chips, opened, tmp_path, change, message):
    paths = listing.chips([chips])
    list(predict_with_checkpoint(tmp_path / "journal", paths, opened, on_error="skip"))
    with pytest.raises(ValueError, match=f"{message}; name another folder, or delete this one"):
        next(predict_with_checkpoint(tmp_path / "journal", paths, opened, **{"on_error": "skip", **change}))


@pytest.mark.parametrize("key", ["version", "model", "precision", "chips"])
def test_a_journal_of_another_version_model_precision_or_other_names_is_refused(chips, opened, tmp_path, key):
    paths = listing.chips([chips])
    list(predict_with_checkpoint(tmp_path / "journal", paths, opened, on_error="skip"))
    path = tmp_path / "journal" / "journal.json"
    atomic.write_json(path, {**json.loads(path.read_text()), key: "another"})
    with pytest.raises(ValueError, match="another"):
        next(predict_with_checkpoint(tmp_path / "journal", paths, opened, on_error="skip"))


def test_chips_that_changed_are_noticed_before_anything_is_said(chips, opened, tmp_path):
    paths = listing.chips([chips])
    list(predict_with_checkpoint(tmp_path / "journal", paths, opened, on_error="skip"))
    shutil.copy(chips / "chip_1.jpg", chips / "chip_60.jpg")
    with pytest.raises(ValueError, match=r"the chips of 000003-.*\.parquet are not what they were"):
        next(predict_with_checkpoint(tmp_path / "journal", paths, opened, on_error="skip"))


def test_a_folder_that_is_no_journal_is_left_alone(chips, opened):
    with pytest.raises(ValueError, match="holds files and is no journal"):
        next(predict_with_checkpoint(chips, listing.chips([chips]), opened))
    assert not (chips / "journal.json").exists()


def test_a_damaged_shard_is_named(chips, opened, tmp_path):
    paths = listing.chips([chips])
    list(predict_with_checkpoint(tmp_path / "journal", paths, opened, on_error="skip"))
    shard = sorted((tmp_path / "journal").glob("*.parquet"))[1]
    shard.write_bytes(shard.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"is damaged .* delete it, and its chips are scored again"):
        list(predict_with_checkpoint(tmp_path / "journal", paths, opened, on_error="skip"))


def test_two_runs_do_not_share_a_journal(world, model, run, tmp_path):
    (tmp_path / "journal").mkdir()
    with locks.hold_lock(tmp_path / "journal" / "lock"):
        done = run("predict", world.test_jpg, "--model", model, "--journal", tmp_path / "journal")
    assert done.returncode == 75
    assert not done.stdout


def test_runs_that_are_killed_again_and_again_end_in_the_same_bytes(world, model, run, tmp_path):
    (tmp_path / "chips").mkdir()
    sources = listing.chips([world.train_jpg])
    for number in range(5000):
        (tmp_path / "chips" / f"chip_{number}.jpg").hardlink_to(sources[number % len(sources)])
    arguments = ["predict", tmp_path / "chips", "--model", model, "-o", tmp_path / "tags.csv"]
    plain = run(*arguments)
    assert plain.returncode == 0, plain.stderr
    expected = (tmp_path / "tags.csv").read_bytes()
    (tmp_path / "tags.csv").unlink()
    arguments += ["--journal", tmp_path / "journal"]
    killed = 0
    for seconds in (1.2, 1.6, 2.1, 2.7):
        process = subprocess.Popen(
            [sys.executable, "-m", "amazon_tags", *map(str, arguments)], stderr=subprocess.DEVNULL
        )
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tags.csv").read_bytes() == expected
    assert killed
    assert {path.suffix for path in (tmp_path / "journal").iterdir()} == {"", ".json", ".parquet"}
