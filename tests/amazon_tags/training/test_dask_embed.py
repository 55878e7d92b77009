"""Vectors by the workers of a cluster, which are threads of this process, with small groups."""

from contextlib import contextmanager

import distributed
import pytest

from amazon_tags.cluster import Cluster
from amazon_tags.training import dask_embed, vector_shards
from amazon_tags.training.dask_embed import embed_on_cluster
from amazon_tags.training.embed import FeatureExtractor, embed

TRUNK = FeatureExtractor("toy", weights="none")


@contextmanager
def connect(_cluster):
    with distributed.Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        yield client


def test_vectors_by_a_cluster_are_the_bytes_of_one_run(world, tmp_path, monkeypatch):
    monkeypatch.setattr(vector_shards, "GROUP", 3)
    monkeypatch.setattr(dask_embed, "connect", connect)
    embed([world.test_jpg], tmp_path / "alone.parquet", TRUNK, views=2)
    for name in ("cluster.parquet", "again.parquet"):
        summary = embed_on_cluster([world.test_jpg], tmp_path / name, tmp_path / "run", Cluster(), TRUNK, views=2)
        assert summary.chips == 10
        assert (tmp_path / name).read_bytes() == (tmp_path / "alone.parquet").read_bytes()
    assert len(list((tmp_path / "run").iterdir())) == 4


def test_a_cluster_writes_no_bank(world, tmp_path):
    with pytest.raises(ValueError, match=r"is no \.parquet file"):
        embed_on_cluster([world.test_jpg], tmp_path / "bank", tmp_path / "run", Cluster(), TRUNK)
    assert not (tmp_path / "run").exists()
