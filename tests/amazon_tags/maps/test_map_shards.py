"""Shards of a map, with small parts."""

import pytest

from amazon_tags.maps.map_scenes import MapOptions, map_scenes
from amazon_tags.maps.plan import MapSettings
from amazon_tags.prediction import part_files, predict_shard
from amazon_tags.prediction.merge import merge_shards
from amazon_tags.prediction.shard import Shard
from amazon_tags.prediction.submission import OutputPaths
from amazon_tags.prediction.tag_chips import TagOptions
from tests.scene_files import noise, write_scene


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for module in (part_files, predict_shard):
        monkeypatch.setattr(module, "CHIPS_A_PART", 16)


@pytest.fixture
def make(tmp_path, model):
    """A function that maps a scene, or a shard of it."""
    scene = write_scene(tmp_path / "scene.tif", noise(600, 800))

    def make(name, *, checkpoint=None, shard=None):
        tagging = TagOptions(precision="f32", checkpoint=checkpoint)
        options = MapOptions(MapSettings(pixels=64), tagging, shard=shard)
        map_scenes([scene], tmp_path / name, model=model, options=options)
        return tmp_path / name

    return make


def test_a_map_of_shards_is_the_bytes_of_one_run(make, tmp_path):
    alone = make("alone.geojson").read_bytes()
    for number in (3, 1, 2, 1):
        assert not make("shard.geojson", checkpoint=tmp_path / "run", shard=Shard(number, 3)).exists()
    times = [path.stat().st_mtime_ns for path in sorted((tmp_path / "run").glob("*.parquet"))]
    assert make("merged.geojson", checkpoint=tmp_path / "run").read_bytes() == alone
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "run").glob("*.parquet"))] == times


def test_merge_says_that_windows_are_merged_by_map(make, model, tmp_path):
    make("shard.geojson", checkpoint=tmp_path / "run", shard=Shard(1, 1))
    with pytest.raises(ValueError, match="amazon_tags map"):
        merge_shards(tmp_path / "run", OutputPaths(tmp_path / "tags.csv"), model=model)


def test_a_shard_of_a_map_without_a_checkpoint_is_refused(make, run, tmp_path):
    with pytest.raises(ValueError, match="needs a checkpoint"):
        make("shard.geojson", shard=Shard(1, 2))
    done = run("map", tmp_path / "scene.tif", "-o", tmp_path / "tags.geojson", "--shard", "1/2")
    assert done.returncode == 2
    assert "needs --checkpoint" in done.stderr
