"""A map by the worker of a cluster, which is a thread of this process, with small parts."""

from contextlib import contextmanager
from dataclasses import replace

import distributed
import pytest

from amazon_tags.cluster import Cluster
from amazon_tags.maps import dask_map
from amazon_tags.maps.dask_map import map_on_cluster
from amazon_tags.maps.map_scenes import MapOptions, map_scenes
from amazon_tags.maps.plan import MapSettings
from amazon_tags.prediction import part_files
from amazon_tags.prediction.tag_chips import TagOptions
from tests.scene_files import noise, write_scene


@contextmanager
def connect(_cluster):
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        yield client
        client.submit(close_scenes).result()


def close_scenes():
    """Close the scenes in the thread that opened them."""
    dask_map._open_request.cache_clear()


def test_a_map_by_a_cluster_is_the_bytes_of_one_run(model, tmp_path, monkeypatch):
    monkeypatch.setattr(part_files, "CHIPS_A_PART", 16)
    monkeypatch.setattr(dask_map, "connect", connect)
    scene = write_scene(tmp_path / "scene.tif", noise(600, 800))
    tagging = TagOptions(precision="f32", checkpoint=tmp_path / "run")
    options = MapOptions(MapSettings(pixels=64), tagging)
    map_scenes(
        [scene], tmp_path / "alone.geojson", model=model, options=replace(options, tagging=TagOptions(precision="f32"))
    )
    map_on_cluster([scene], tmp_path / "cluster.geojson", Cluster(), model=model, options=options)
    assert (tmp_path / "cluster.geojson").read_bytes() == (tmp_path / "alone.geojson").read_bytes()
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*.parquet")}
    assert len(times) == 8
    map_on_cluster([scene], tmp_path / "again.geojson", Cluster(), model=model, options=options)
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_a_map_by_a_cluster_needs_a_checkpoint(model, tmp_path):
    with pytest.raises(ValueError, match="needs a checkpoint"):
        map_on_cluster([tmp_path / "a.tif"], tmp_path / "b.geojson", Cluster(), model=model, options=MapOptions())
