"""`map --engine dask`: the parts of a map's checkpoint as tasks of a Dask cluster.

A worker opens the scenes and the model and lays the windows once; then it scores parts, as `predict --engine dask`.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import distributed

from amazon_tags.cluster import Cluster, connect
from amazon_tags.maps.map_scenes import MapOptions, MapPlan, map_scenes, plan_map
from amazon_tags.prediction.dask_engine import refuse_other_chips, score_parts, write_part_of
from amazon_tags.prediction.run_key import RunKey
from amazon_tags.prediction.tag_chips import TagSummary
from features.scenes.remote import RemoteFile


@dataclass(frozen=True)
class _Request:
    """What a worker needs to score parts: names and options."""

    scenes: tuple[Path | RemoteFile, ...]
    model: Path
    options: MapOptions
    checkpoint: Path
    key: RunKey


def map_on_cluster(
    scenes: Sequence[Path | RemoteFile],
    output: Path,
    cluster: Cluster,
    *,
    model: Path | None = None,
    options: MapOptions,
    errors: Path | None = None,
) -> TagSummary:
    """Map scenes as `map_scenes` does, with the parts of the checkpoint divided among the workers of a Dask cluster.

    Every machine must see scenes, model and checkpoint by the same paths, and have this version of the package.

    Args:
        scenes: as of `map_scenes`, like `output`, `model`, `options` and `errors`.
        output: the map.
        cluster: where to run.
        model: a bundle or a registry.
        options: `checkpoint` of its `tagging` is required.
        errors: the file for windows that cannot be used.

    Raises:
        ConnectionError: the scheduler cannot be reached, or is lost.
        RuntimeError: a part was tried in vain by many workers.
        ValueError: the scheduler is on another machine and has no TLS; otherwise as of `map_scenes`.
    """
    if options.tagging.checkpoint is None:
        raise ValueError("a cluster needs a checkpoint: the folder that all workers write to.")
    places = tuple(scene.absolute() if isinstance(scene, Path) else scene for scene in scenes)
    with connect(cluster) as client:
        score_ahead = partial(_score_windows, client, places, options)
        return map_scenes(scenes, output, model=model, options=options, errors=errors, score_ahead=score_ahead)


def _score_windows(
    client: distributed.Client, scenes: tuple[Path | RemoteFile, ...], options: MapOptions, model: Path, key: RunKey
) -> None:
    alone = MapOptions(options.settings, replace(options.tagging, jobs=1))
    checkpoint = (options.tagging.checkpoint or Path()).absolute()
    score_parts(client, score_part, _Request(scenes, model.absolute(), alone, checkpoint, key), key.count)


def score_part(request: _Request, number: int) -> int:
    """Score a part into the checkpoint, on a worker, and return its number of windows."""
    plan, _scenes = _open_request(request)  # held until the end: without a reference they are closed
    return write_part_of(request.checkpoint, plan.windows, plan.model, request.key, number)


@lru_cache(maxsize=1)
def _open_request(request: _Request) -> tuple[MapPlan, ExitStack]:
    """Return the windows and the model, and refuse them if they are not those of the run; the scenes stay open."""
    with ExitStack() as opened:
        plan = opened.enter_context(plan_map(request.scenes, request.model, request.options))
        refuse_other_chips(request.key, plan.windows, plan.model)
        _ = plan.windows.picture.sha256  # once, before threads ask for it
        return plan, opened.pop_all()
