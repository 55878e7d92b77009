"""`predict --engine dask`: the parts of a checkpoint as tasks of a Dask cluster, whose scheduler sees names only.

A task is the number of a part. Its worker lists the chips and loads the model once, and writes the part into the
checkpoint; nothing but counts comes back. A part may run twice, on any worker, as for `--shard`.
"""

import logging
import platform
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import dask
import distributed
from distributed.comm import CommClosedError

from amazon_tags import progress
from amazon_tags.model import bundle, registry
from amazon_tags.model.bundle import Bundle
from amazon_tags.prediction.checkpoint import score_shard
from amazon_tags.prediction.merge import merge_shards
from amazon_tags.prediction.part_files import part_count
from amazon_tags.prediction.run_key import RunKey, refuse_other_run, run_key
from amazon_tags.prediction.shard import Shard
from amazon_tags.prediction.submission import OutputPaths
from amazon_tags.prediction.tag_chips import TagOptions, TagSummary, find_wanted_chips, open_model
from features.images.listing import Listing

CONNECT_SECONDS = 20
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
MAX_DEATHS = 10  # of workers at one part; Dask's 3 are soon reached where machines are taken away
MAX_TRIES = 3  # of a part that ends in an error, such as of a network folder


@dataclass(frozen=True)
class Cluster:
    """Where to run.

    Attributes:
        scheduler: the address of a running scheduler; None starts one on this machine.
        insecure: whether a scheduler on another machine may be reached without TLS.
    """

    scheduler: str | None = None
    insecure: bool = False


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
        options: as of `tag_chips`; `checkpoint` is required, `jobs` is the number of workers that are started here.

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
        with _connect(cluster, options.jobs) as client:
            _score_all(client, request)
    return merge_shards(checkpoint, outputs, model=model, options=options)


def refuse_open_scheduler(cluster: Cluster) -> None:
    """Raise ValueError for a scheduler on another machine that is reached without TLS, unless that is allowed."""
    if cluster.scheduler is None or cluster.insecure:
        return
    scheme, _, place = cluster.scheduler.rpartition("://")
    if scheme != "tls" and place.rsplit(":", 1)[0] not in LOCAL_HOSTS:
        raise ValueError(
            f"{cluster.scheduler} is on another machine and not reached by TLS, so that who changes what is sent could "
            "run programs on both; pass a tls:// address, or --insecure in a network that you trust."
        )


@contextmanager
def _connect(cluster: Cluster, workers: int) -> Iterator[distributed.Client]:
    """Give a client of the cluster, which is stopped at the end if it was started here."""
    refuse_open_scheduler(cluster)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its warnings say what is handled here
    if cluster.scheduler:
        try:
            client = distributed.Client(cluster.scheduler, timeout=CONNECT_SECONDS)
        except (OSError, TimeoutError) as error:
            raise ConnectionError(f"no Dask scheduler answers at {cluster.scheduler}; start it first.") from error
        with client:
            progress.say(f"connected to the Dask scheduler at {cluster.scheduler}")
            yield client
        return
    with _start_cluster(workers) as local, distributed.Client(local) as client:
        progress.say(
            f"a Dask scheduler listens at {local.scheduler_address}, and {workers} workers at ports of their own: only "
            "programs on this machine reach them"
        )
        yield client


def _start_cluster(workers: int) -> distributed.LocalCluster:
    """Return a scheduler and workers of one thread on this machine, which the end of a `with` stops."""
    settings = {"distributed.scheduler.allowed-failures": MAX_DEATHS, "distributed.worker.daemon": False}
    with dask.config.set(settings):
        try:
            return distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            )
        except RuntimeError as error:
            raise RuntimeError(
                f"{workers} workers could not be started ({error}); try again, with fewer --jobs if memory is short."
            ) from error


def _score_all(client: distributed.Client, request: _Request) -> None:
    """Let the workers score all parts; cancels what is left after an error."""
    total = part_count(request.key.count)
    futures = [
        client.submit(score_part, request, number, key=f"part-{number}", pure=False, retries=MAX_TRIES - 1)
        for number in range(total)
    ]
    try:
        with progress.bar("tagging", request.key.count) as advance:
            for future in distributed.as_completed(futures):
                advance(_result(future))
    except BaseException:
        client.cancel(futures)
        raise


def _result(future: Any) -> int:
    """Return how many chips a task scored, or raise its error in our words."""
    again = "run the same command again: finished parts are kept."
    try:
        chips: int = future.result()
    except distributed.KilledWorker as error:
        raise RuntimeError(
            f"{future.key}: {MAX_DEATHS} workers died at it, perhaps for want of memory; {again}"
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise ConnectionError(f"the Dask scheduler was lost; {again}") from error
    return chips


def score_part(request: _Request, number: int) -> int:
    """Score a part into the checkpoint, on a worker, and return its number of chips."""
    paths, model = _open_request(request)
    shard = Shard(number + 1, part_count(len(paths)))
    return sum(len(part.ids) for part in score_shard(request.checkpoint, paths, model, request.key, shard, jobs=1))


@lru_cache(maxsize=1)
def _open_request(request: _Request) -> tuple[Listing, Bundle]:
    """Return all chips and the model, and refuse them if they are not those of the run."""
    paths, _ = find_wanted_chips(request.inputs, request.options)
    model = open_model(request.model, request.options)
    key = run_key(paths, model, views=request.key.views, tolerant=request.key.tolerant)
    refuse_other_run(f"the run that a worker on {platform.node()} was given", request.key, key)
    return paths, model
