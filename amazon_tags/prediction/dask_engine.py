"""`predict --engine dask`: the parts of a checkpoint as tasks of a Dask cluster.

A task is the number of a part. Its worker lists the chips and loads the model once, and writes the part into the
checkpoint; nothing but counts comes back. A part may run twice, on any worker, as for `--shard`.
"""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import distributed

from amazon_tags import progress
from amazon_tags.cluster import Cluster, Task, connect, run_tasks
from amazon_tags.model import bundle, registry
from amazon_tags.model.bundle import Bundle
from amazon_tags.prediction.checkpoint import score_shard
from amazon_tags.prediction.merge import merge_shards
from amazon_tags.prediction.part_files import part_count
from amazon_tags.prediction.run_key import Chips, RunKey, refuse_other_run, run_key
from amazon_tags.prediction.shard import Shard
from amazon_tags.prediction.submission import OutputPaths
from amazon_tags.prediction.tag_chips import TagOptions, TagSummary, find_wanted_chips, open_model


@dataclass(frozen=True)
class _Request:
    """What a worker needs to score parts: names and options."""

    inputs: tuple[Path, ...]
    model: Path
    options: TagOptions
    checkpoint: Path
    key: RunKey


def predict_on_cluster(
    inputs: Sequence[Path], outputs: OutputPaths, cluster: Cluster, *, model: Path | None = None, options: TagOptions
) -> TagSummary:
    """Tag chips as `tag_chips` does, with the parts of the checkpoint divided among the workers of a Dask cluster.

    Every machine must see chips, model and checkpoint by the same paths, and have this version of the package.

    Args:
        inputs: as of `tag_chips`, like `outputs` and `model`.
        outputs: where to write.
        cluster: where to run.
        model: a bundle or a registry.
        options: as of `tag_chips`; `checkpoint` is required, `jobs` is not used: a worker has one thread.

    Raises:
        ConnectionError: the scheduler cannot be reached, or is lost.
        RuntimeError: a part was tried in vain by many workers.
        ValueError: the scheduler is on another machine and has no TLS; otherwise as of `tag_chips` and `merge_shards`.
    """
    if options.checkpoint is None:
        raise ValueError("a cluster needs a checkpoint: the folder that all workers write to.")
    paths, _ = find_wanted_chips(inputs, options)
    outputs.refuse(paths.files(), [options.like] if options.like else [])
    checkpoint = options.checkpoint.resolve()

    with registry.hold_model(model or bundle.DEFAULT) as folder:
        alone = replace(options, jobs=1, like=options.like and options.like.resolve())
        key = run_key(paths, open_model(folder, alone), views=options.views, tolerant=options.on_error != "fail")
        request = _Request(tuple(path.resolve() for path in inputs), folder.resolve(), alone, checkpoint, key)
        with connect(cluster) as client:
            score_parts(client, score_part, request, key.count)
    return merge_shards(checkpoint, outputs, model=model, options=options)


def score_parts(client: distributed.Client, function: Callable[[Any, int], int], request: Any, count: int) -> None:
    """Let the workers score all parts of so many chips; `function(request, number)` returns the chips of a part."""
    tasks = [Task(f"part {number}", function, (request, number)) for number in range(part_count(count))]
    with progress.bar("tagging", count) as advance:
        for _, chips in run_tasks(client, tasks):
            advance(chips)


def score_part(request: _Request, number: int) -> int:
    """Score a part into the checkpoint, on a worker, and return its number of chips."""
    paths, model = _open_request(request)
    return write_part_of(request.checkpoint, paths, model, request.key, number)


def write_part_of(checkpoint: Path, paths: Chips, model: Bundle, key: RunKey, number: int) -> int:
    """Score one part of a run into its checkpoint, unless it is there, and return its number of chips."""
    shard = Shard(number + 1, part_count(len(paths)))
    return sum(len(part.ids) for part in score_shard(checkpoint, paths, model, key, shard, jobs=1))


def refuse_other_chips(key: RunKey, paths: Chips, model: Bundle) -> None:
    """Raise ValueError, on a worker, if its chips or its model are not those of the run."""
    own = run_key(paths, model, views=key.views, tolerant=key.tolerant)
    refuse_other_run(f"the run that a worker on {platform.node()} was given", key, own)


@lru_cache(maxsize=1)
def _open_request(request: _Request) -> tuple[Chips, Bundle]:
    """Return all chips and the model, and refuse them if they are not those of the run."""
    paths, _ = find_wanted_chips(request.inputs, request.options)
    model = open_model(request.model, request.options)
    refuse_other_chips(request.key, paths, model)
    return paths, model
