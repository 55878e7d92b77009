"""`embed --engine dask`: shards of vectors, one for each 1,024 chips, as tasks of a Dask cluster.

A worker lists the chips and builds the network once, and writes the files that `embed --shard` would write.
"""

import platform
import sys
import threading
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from amazon_tags import progress
from amazon_tags.cluster import Cluster, Task, connect, run_tasks
from amazon_tags.files import preflight
from amazon_tags.model.vector_origin import VectorOrigin
from amazon_tags.prediction.shard import Shard
from amazon_tags.tables import vector_tables
from amazon_tags.training.child import call_in_child
from amazon_tags.training.embed import EmbedSummary, FeatureExtractor, build_network
from amazon_tags.training.vector_shards import ShardedEmbedding, merge_vectors, open_embedding, write_shard
from features.networks.foreign_settings import is_foreign

_one_at_a_time = threading.Lock()  # a worker may have several threads, but memory for one network


@dataclass(frozen=True)
class _Request:
    """What a worker needs to embed shards: names and options."""

    inputs: tuple[Path, ...]
    extractor: FeatureExtractor
    folder: Path
    origin: VectorOrigin
    names: str


def embed_on_cluster(
    inputs: Sequence[Path],
    output: Path,
    checkpoint: Path,
    cluster: Cluster,
    extractor: FeatureExtractor,
    *,
    views: int = 1,
) -> EmbedSummary:
    """Write the vectors of chips to a Parquet file as `embed` does, by shards that the workers of a cluster write.

    Every machine must see chips, weights and checkpoint by the same paths, and have this version of the package.

    Args:
        inputs: as of `embed`, like `extractor` and `views`.
        output: the Parquet file.
        checkpoint: the folder of the shards.
        cluster: where to run.
        extractor: what makes the vectors.
        views: dihedral views.

    Raises:
        ConnectionError: the scheduler cannot be reached, or is lost.
        RuntimeError: a shard was tried in vain by many workers.
        ValueError: the output is no Parquet file; otherwise as of `embed_shard` and `merge_vectors`.
    """
    if not vector_tables.is_vector_path(output):
        raise ValueError(f"{output} is no {vector_tables.SUFFIX} file, which a cluster writes; name one.")
    inputs, extractor = [path.absolute() for path in inputs], _absolute(extractor)
    embedding = open_embedding(inputs, extractor, views=views)
    preflight.refuse_outputs([output], embedding.paths.files())
    request = _Request(tuple(inputs), extractor, checkpoint.absolute(), embedding.origin, embedding.names)
    shards = [Shard(number, embedding.groups) for number in range(1, embedding.groups + 1)]
    tasks = [Task(f"shard {shard}", embed_on_worker, (request, shard)) for shard in shards]
    with connect(cluster) as client, progress.bar("embedding", len(tasks)) as advance:
        for _ in run_tasks(client, tasks):
            advance(1)
    count = merge_vectors(checkpoint, output)
    return EmbedSummary(f"{count} vectors", count, 0)


def _absolute(extractor: FeatureExtractor) -> FeatureExtractor:
    """Return the extractor with the paths of its files as other machines see them."""
    if Path(extractor.weights).is_file():
        extractor = replace(extractor, weights=str(Path(extractor.weights).absolute()))
    if is_foreign(extractor.backbone) and Path(extractor.backbone).is_file():
        extractor = replace(extractor, backbone=str(Path(extractor.backbone).absolute()))
    return extractor


def embed_on_worker(request: _Request, shard: Shard) -> str:
    """Write a shard, on a worker."""
    with _one_at_a_time, redirect_stdout(sys.stderr):
        return write_shard(_open_request(request), request.folder, shard)


@lru_cache(maxsize=1)
def _open_request(request: _Request) -> ShardedEmbedding:
    """Return all chips and the extractor, and refuse them if they are not those of the run."""
    embedding = open_embedding(request.inputs, request.extractor, views=request.origin.views, jobs=1)
    if embedding.own is None:  # Keras builds it
        embedding = replace(embedding, build=partial(call_in_child, build_network))
    if (embedding.origin, embedding.names) != (request.origin, request.names):
        raise ValueError(
            f"the chips or the backbone that a worker on {platform.node()} sees are not those of the run; let all "
            "machines see the same files by the same paths."
        )
    return embedding
