"""Vectors by shards, with small groups."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from pyarrow import parquet as pq

from amazon_tags.prediction.shard import Shard
from amazon_tags.training import vector_shards
from amazon_tags.training.embed import FeatureExtractor, embed
from amazon_tags.training.vector_shards import embed_shard, merge_vectors
from features.images.chips import ChipError
from tests import processes
from tests.scene_files import noise, write_scene

TRUNK = FeatureExtractor("toy", weights="none")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(vector_shards, "GROUP", 3)


@pytest.fixture
def folder(world, tmp_path):
    """Shards of the ten test chips, in another order, one of them twice."""
    for number in (3, 1, 2, 1):
        embed_shard([world.test_jpg], tmp_path / "shards", Shard(number, 3), TRUNK)
    return tmp_path / "shards"


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("count", [1, 3, 20])
def test_merged_shards_are_the_bytes_of_one_run(world, tmp_path, count, half):
    extractor = replace(TRUNK, half=half)
    embed([world.test_jpg], tmp_path / "alone.parquet", extractor, views=2)
    for number in range(count, 0, -1):
        embed_shard([world.test_jpg], tmp_path / "shards", Shard(number, count), extractor, views=2)
    assert merge_vectors(tmp_path / "shards", tmp_path / "merged.parquet") == 10
    assert (tmp_path / "merged.parquet").read_bytes() == (tmp_path / "alone.parquet").read_bytes()


EMBED_ALL = """
from pathlib import Path

from amazon_tags.prediction.shard import Shard
from amazon_tags.training import vector_shards
from amazon_tags.training.embed import FeatureExtractor

vector_shards.GROUP = 3
trunk = FeatureExtractor("toy", weights="none")
for number in {order}:
    vector_shards.embed_shard([Path({chips!r})], Path({folder!r}), Shard(number, 3), trunk)
"""


@pytest.mark.slow
def test_processes_that_write_all_shards_at_once_lose_and_tear_nothing(world, folder, tmp_path):
    shared = tmp_path / "shared"
    orders = [[1, 2, 3], [3, 2, 1], [2, 3, 1], [2, 1, 3]]
    codes = [EMBED_ALL.format(order=order, chips=str(world.test_jpg), folder=str(shared)) for order in orders]
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda code: processes.run_code(code, timeout=120), codes))
    assert [process.returncode for process in ended] == [0] * 4, ended[0].stderr
    assert {path.name: path.read_bytes() for path in shared.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_a_shard_that_is_there_is_not_embedded_again(world, folder):
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert "already" in embed_shard([world.test_jpg], folder, Shard(2, 3), TRUNK)
    assert "of width" in embed_shard([world.test_jpg], folder, Shard(2, 3), replace(TRUNK, pool="max"))
    assert sum(path.stat().st_mtime_ns != time for path, time in times.items()) == 1


def refused(folder, match):
    with pytest.raises(ValueError, match=match):
        merge_vectors(folder, folder.parent / "merged.parquet")
    assert not (folder.parent / "merged.parquet").exists()


def test_a_missing_shard_is_named(folder):
    sorted(folder.iterdir())[1].unlink()
    refused(folder, r"lacks 1 of 3 shards \(first: 2/3\)")


def test_a_damaged_shard_is_named(folder):
    path = sorted(folder.iterdir())[1]
    path.write_bytes(path.read_bytes()[:-50])
    refused(folder, path.name)


@pytest.mark.parametrize("change", [{"pool": "max"}, {"half": True}, {"layer": "edges"}])
def test_a_shard_of_another_extractor_is_named(world, folder, change):
    embed_shard([world.test_jpg], folder, Shard(2, 3), replace(TRUNK, **change))
    refused(folder, "vectors-00002-of-00003.parquet and vectors-00001")


def test_a_shard_of_other_chips_or_of_another_number_is_named(world, folder):
    embed_shard([world.train_jpg], folder, Shard(2, 3), TRUNK)
    refused(folder, "vectors-00002-of-00003.parquet and vectors-00001")
    embed_shard([world.test_jpg], folder, Shard(2, 3), TRUNK)
    embed_shard([world.test_jpg], folder, Shard(2, 4), TRUNK)
    refused(folder, "vectors-00002-of-00004.parquet")


def test_shards_whose_rows_were_changed_are_refused(folder):
    path = sorted(folder.iterdir())[1]
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    refused(folder, "do not hold the chips")
    pq.write_table(table.replace_schema_metadata({"amazon_tags_shard": json.dumps({"number": 2})}), path)
    refused(folder, "is no shard of embed")


def test_chips_with_a_position_are_refused(tmp_path):
    (tmp_path / "chips").mkdir()
    write_scene(tmp_path / "chips" / "a.tif", noise(64, 64))
    with pytest.raises(ValueError, match="in one run"):
        embed_shard([tmp_path / "chips"], tmp_path / "shards", Shard(1, 1), TRUNK)


def test_a_chip_that_cannot_be_used_ends_the_shard(world, tmp_path):
    (tmp_path / "chip.jpg").write_bytes(next(world.test_jpg.iterdir()).read_bytes()[:200])
    with pytest.raises(ChipError):
        embed_shard([tmp_path / "chip.jpg"], tmp_path / "shards", Shard(1, 1), TRUNK)
    assert not list((tmp_path / "shards").glob("*.parquet"))


def test_options_that_do_not_go_together_are_usage_errors(run, world, folder):
    embed = ["embed", world.test_jpg, "--backbone", "toy"]
    for words, reason in (
        (embed, "name -o"),
        ([*embed, "-o", "v.parquet", "--checkpoint", "run"], "name -o"),
        ([*embed, "--shard", "1/2"], "needs --checkpoint"),
        ([*embed, "--shard", "1/2", "--checkpoint", "run", "-o", "v"], "pass -o to"),
        (["merge", folder], "pass only -o"),
        (["merge", folder, "-o", "v.parquet", "--scores", "s.csv"], "pass only -o"),
    ):
        done = run(*words)
        assert done.returncode == 2, words
        assert reason in done.stderr, words
