"""Shards that fill a checkpoint, and what is merged from it, with small parts."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from pyarrow import parquet as pq

from amazon_tags.files import locks
from amazon_tags.model import bundle
from amazon_tags.prediction import merge, part_files, predict_shard
from amazon_tags.prediction.checkpoint import predict_with_checkpoint
from amazon_tags.prediction.merge import merge_shards
from amazon_tags.prediction.shard import Shard
from amazon_tags.prediction.submission import OutputPaths
from amazon_tags.prediction.tag_chips import TagOptions, tag_chips
from features.images import listing
from tests import processes

PART = 16


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for module in (part_files, merge, predict_shard):
        monkeypatch.setattr(module, "CHIPS_A_PART", PART)


@pytest.fixture(scope="module")
def chips(world, tmp_path_factory):
    """Seventy chips, of which two are damaged."""
    folder = tmp_path_factory.mktemp("shards") / "chips"
    folder.mkdir()
    sources = listing.chips([world.train_jpg])
    for number in range(70):
        content = sources[number % len(sources)].read_bytes()
        (folder / f"chip_{number}.jpg").write_bytes(content[:200] if number in {5, 40} else content)
    return folder


@pytest.fixture(scope="module")
def filled(chips, model, tmp_path_factory):
    """A checkpoint that three shards filled in another order, one of them twice."""
    folder = tmp_path_factory.mktemp("filled") / "run"
    with pytest.MonkeyPatch.context() as patch:
        for module in (part_files, predict_shard):
            patch.setattr(module, "CHIPS_A_PART", PART)
        for number in (3, 1, 2, 1):
            score(chips, Shard(number, 3), folder, model)
    return folder


@pytest.fixture
def checkpoint(filled, tmp_path):
    """A copy of the filled checkpoint."""
    folder = tmp_path / "run"
    folder.mkdir()
    for path in filled.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def score(chips, shard, folder, model, **options):
    predict_shard.predict_shard(
        [chips], shard, folder, model=model, options=TagOptions(**{"on_error": "skip", **options})
    )


def outputs(folder, suffix=".csv"):
    folder.mkdir()
    return OutputPaths(folder / "tags.csv", folder / f"scores{suffix}", folder / "errors.jsonl")


def written(paths):
    return [path.read_bytes() for path in (paths.tags, paths.scores, paths.errors)]


def parts(folder):
    return sorted(folder.glob("*.parquet"))


@pytest.mark.parametrize("on_error", ["skip", "fill"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_merged_shards_are_the_bytes_of_one_run(chips, model, filled, tmp_path, suffix, on_error):
    alone, merged = outputs(tmp_path / "alone", suffix), outputs(tmp_path / "merged", suffix)
    options = TagOptions(on_error=on_error, checkpoint=tmp_path / "one")
    expected = tag_chips([chips], alone, model=model, options=options)
    assert merge_shards(filled, merged, model=model, options=TagOptions(on_error=on_error)) == expected
    assert written(merged) == written(alone)


@pytest.mark.parametrize("on_error", ["fail", "fill"])
def test_shards_of_a_sample_submission_are_merged_in_its_order(chips, model, tmp_path, on_error):
    names = [f"chip_{number}" for number in range(69, -1, -1) if number not in {5, 40}]
    if on_error == "fill":
        names[7:7] = ["absent_1", "absent_2", "chip_5"]
    like = tmp_path / "like.csv"
    like.write_text("image_name,tags\n" + "".join(f"{name}.jpg,\n" for name in names))
    options = TagOptions(like, on_error=on_error)
    alone, merged = outputs(tmp_path / "alone"), outputs(tmp_path / "merged")
    expected = tag_chips([chips], alone, model=model, options=options)
    for number in (2, 1):
        score(chips, Shard(number, 2), tmp_path / "run", model, like=like, on_error=on_error)
    assert merge_shards(tmp_path / "run", merged, model=model, options=options) == expected
    assert (
        written(merged) == written(alone) if on_error == "fill" else merged.tags.read_bytes() == alone.tags.read_bytes()
    )
    like.write_text("image_name,tags\n" + "".join(f"{name}.jpg,\n" for name in reversed(names)))
    with pytest.raises(ValueError, match="same --like"):
        merge_shards(tmp_path / "run", merged, model=model, options=options)


def test_one_run_resumes_what_shards_began(chips, model, checkpoint):
    parts(checkpoint)[1].unlink()
    scored = predict_with_checkpoint(
        checkpoint, listing.chips([chips]), bundle.load(model, precision="auto"), tolerant=True
    )
    assert sum(len(part.ids) for part in scored) == 70
    assert len(parts(checkpoint)) == 5


SCORE_ALL = """
from pathlib import Path

from amazon_tags.prediction import part_files, predict_shard
from amazon_tags.prediction.shard import Shard
from amazon_tags.prediction.tag_chips import TagOptions

part_files.CHIPS_A_PART = predict_shard.CHIPS_A_PART = {part}
for number in {order}:
    options = TagOptions(on_error="skip")
    predict_shard.predict_shard(
        [Path({chips!r})], Shard(number, 5), Path({folder!r}), model=Path({model!r}), options=options
    )
"""


@pytest.mark.slow
def test_processes_that_work_on_all_shards_at_once_lose_and_tear_nothing(chips, model, filled, tmp_path):
    folder, order = tmp_path / "run", np.random.default_rng(0)
    codes = [
        SCORE_ALL.format(
            part=PART, order=(order.permutation(5) + 1).tolist(), chips=str(chips), folder=str(folder), model=str(model)
        )
        for _ in range(8)
    ]
    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(lambda code: processes.run_code(code, timeout=120), codes))
    assert [process.returncode for process in ended] == [0] * 8, ended[0].stderr
    assert [path.read_bytes() for path in parts(folder)] == [path.read_bytes() for path in parts(filled)]
    assert [path.name for path in parts(folder)] == [path.name for path in parts(filled)]


def test_a_shard_of_few_chips_may_be_empty(chips, model, tmp_path):
    score(chips, Shard(1, 9), tmp_path / "run", model)
    assert not parts(tmp_path / "run")


def test_a_shard_waits_for_no_other_but_is_refused_beside_a_whole_run(chips, model, checkpoint):
    with locks.hold_lock(checkpoint / "lock", shared=True):
        score(chips, Shard(1, 3), checkpoint, model)
        with pytest.raises(BlockingIOError, match="Another run"):
            next(
                predict_with_checkpoint(
                    checkpoint, listing.chips([chips]), bundle.load(model, precision="auto"), tolerant=True
                )
            )
    with locks.hold_lock(checkpoint / "lock"), pytest.raises(BlockingIOError, match="Another run"):
        score(chips, Shard(1, 3), checkpoint, model)


def test_a_shard_with_other_views_is_refused(chips, model, checkpoint):
    with pytest.raises(ValueError, match="1 views, but this run averages 2"):
        score(chips, Shard(1, 3), checkpoint, model, views=2)


def refused(checkpoint, model, match, **options):
    tags = checkpoint.parent / "tags.csv"
    with pytest.raises(ValueError, match=match):
        merge_shards(checkpoint, OutputPaths(tags), model=model, options=TagOptions(**options))
    assert not tags.exists()


def test_a_missing_part_is_named(checkpoint, model):
    parts(checkpoint)[4].unlink()
    parts(checkpoint)[1].unlink()
    refused(checkpoint, model, r"lacks 2 of 5 parts \(first: that of the chips 17 to 32 of 70\)")


def test_a_part_of_chips_that_have_changed_is_named(checkpoint, model):
    path = parts(checkpoint)[1]
    (checkpoint / f"000001-{'0' * 32}.parquet").write_bytes(path.read_bytes())
    refused(checkpoint, model, path.name)


def test_a_part_past_the_last_chip_is_named(checkpoint, model):
    (checkpoint / f"000005-{'0' * 32}.parquet").write_bytes(parts(checkpoint)[1].read_bytes())
    refused(checkpoint, model, "000005-0+.parquet is no part of 70 chips")


def test_a_damaged_part_is_named(checkpoint, model):
    path = parts(checkpoint)[2]
    path.write_bytes(path.read_bytes()[:100])
    refused(checkpoint, model, f"{path.name} is damaged")


def test_parts_of_other_chips_or_another_run_are_refused(chips, checkpoint, model, tmp_path):
    first, second = parts(checkpoint)[:2]
    swapped = second.read_bytes()
    second.write_bytes(first.read_bytes())
    refused(checkpoint, model, "not those of the 70 chips")
    second.write_bytes(swapped)
    score(chips, Shard(1, 1), tmp_path / "other", model, views=2)
    second.write_bytes(parts(tmp_path / "other")[1].read_bytes())
    refused(checkpoint, model, f"{second.name} holds scores of 2 views")


def test_another_model_or_version_is_refused(checkpoint, model):
    refused(checkpoint, bundle.DEFAULT, "with hash")
    change_journal(checkpoint, version="0.0.1")
    refused(checkpoint, model, "amazon_tags 0.0.1")


def test_checkpoints_of_windows_of_earlier_versions_and_other_folders_are_refused(checkpoint, model, tmp_path):
    change_journal(checkpoint, kind="windows")
    refused(checkpoint, model, "amazon_tags map")
    change_journal(checkpoint, kind="chips", count=0)
    refused(checkpoint, model, "earlier version")
    (checkpoint / "journal.json").write_text("[]")
    refused(checkpoint, model, "not the file of a checkpoint")
    refused(tmp_path, model, "not a checkpoint")


def test_parts_without_a_run_are_refused(checkpoint, model):
    path = parts(checkpoint)[0]
    pq.write_table(pq.read_table(path).replace_schema_metadata({}), path)
    refused(checkpoint, model, "states no run")


def change_journal(checkpoint, **values):
    path = checkpoint / "journal.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_outputs_may_not_replace_a_part(checkpoint, model):
    with pytest.raises(ValueError, match=parts(checkpoint)[0].name):
        merge_shards(checkpoint, OutputPaths(parts(checkpoint)[0]), model=model)


def test_the_monitor_sees_merged_chips_as_those_of_one_run(chips, model, filled, tmp_path):
    lines = []
    for name in ("alone", "merged"):
        paths = replace(outputs(tmp_path / name), log=tmp_path / f"{name}.jsonl")
        options = TagOptions(on_error="skip")
        if name == "alone":
            tag_chips([chips], paths, model=model, options=options)
        else:
            merge_shards(filled, paths, model=model, options=options)
        line = json.loads(paths.log.read_text())
        lines.append({key: value for key, value in line.items() if key not in {"when", "seconds"}})
    assert lines[0] == lines[1]


def test_a_list_of_errors_is_written_only_where_chips_could_be_left_out(run, world, model, tmp_path):
    words = ("--model", model, "--checkpoint", "run", "--shard", "1/1")
    for on_error, is_listed in (("fail", False), ("skip", True)):
        folder = tmp_path / on_error
        folder.mkdir()
        assert run("predict", world.test_jpg, *words, "--on-error", on_error, cwd=folder).returncode == 0
        assert run("merge", "run", "--model", model, "-o", "tags.csv", cwd=folder).returncode == 0
        assert (folder / "errors.jsonl").exists() == is_listed
