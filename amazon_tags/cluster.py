"""Tasks on the workers of a Dask cluster, whose scheduler sees names and counts only.

Tasks are functions of this package: what they work on lies in folders that all machines see by the same paths. A task
may run twice, on any worker, so it must leave the same files then. Importing this needs the extra `dask`.
"""

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dask
import distributed
from distributed.comm import CommClosedError

from amazon_tags import progress
from amazon_tags.errors import IO_ERROR

CONNECT_SECONDS = 20
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
MAX_DEATHS = 10  # of workers at one task; Dask's 3 are soon reached where machines are taken away
MAX_TRIES = 3  # of a task that ends in an error, such as of a network folder
# For a cluster on this machine, and as long as it runs: a worker that takes the place of a dead one reads them too.
LOCAL_SETTINGS = {"distributed.scheduler.allowed-failures": MAX_DEATHS, "distributed.worker.daemon": False}
LOCAL_PAGES = "127.0.0.1:0"  # any port; without an address, Dask serves pages on its state to all machines
AGAIN = "run the same command again: finished parts are kept."


@dataclass(frozen=True)
class Cluster:
    """Where to run.

    Attributes:
        scheduler: the address of a running scheduler; None starts one on this machine.
        insecure: whether a scheduler on another machine may be reached without TLS.
        workers: how many are started with a scheduler on this machine.
    """

    scheduler: str | None = None
    insecure: bool = False
    workers: int = 2


@dataclass(frozen=True)
class Task:
    """The call `function(*arguments)` on a worker, when the tasks of the names in `after` have ended."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    after: tuple[str, ...] = ()


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
def connect(cluster: Cluster) -> Iterator[distributed.Client]:
    """Give a client of the cluster, which is stopped at the end if it was started here.

    Raises:
        ConnectionError: the scheduler does not answer.
        RuntimeError: the workers could not be started.
        ValueError: as of `refuse_open_scheduler`.
    """
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
    with dask.config.set(LOCAL_SETTINGS), _start_cluster(cluster.workers) as local, distributed.Client(local) as client:
        progress.say(
            f"a Dask scheduler listens at {local.scheduler_address}, and {cluster.workers} workers at ports of their "
            "own: only programs on this machine reach them"
        )
        yield client


def _start_cluster(workers: int) -> distributed.LocalCluster:
    """Return a scheduler and workers of one thread on this machine, which the end of a `with` stops."""
    try:
        return distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            scheduler_kwargs={"dashboard": False, "dashboard_address": LOCAL_PAGES},
            worker_dashboard_address=LOCAL_PAGES,
            silence_logs=logging.CRITICAL,
        )
    except RuntimeError as error:
        raise RuntimeError(
            f"{workers} workers could not be started ({error}); try again, with fewer --jobs if memory is short."
        ) from error


def run_tasks(client: distributed.Client, tasks: Sequence[Task]) -> Iterator[tuple[str, Any]]:
    """Yield name and result of each task as it ends; cancels what is left after an error.

    Args:
        client: as `connect` gives it.
        tasks: each one comes behind those that it waits for.

    Raises:
        ConnectionError: the scheduler is lost.
        RuntimeError: a task was tried in vain by many workers, or these lack a package.
        Exception: what a task raised at its last try.
    """
    run = uuid.uuid4().hex  # or two runs on one scheduler would share the results of tasks of one name
    futures: dict[str, distributed.Future] = {}
    for task in tasks:
        waited = [futures[name] for name in task.after]
        futures[task.name] = client.submit(
            _call, task.function, task.arguments, waited, key=f"{task.name} {run}", retries=MAX_TRIES - 1
        )
    names = {future.key: name for name, future in futures.items()}
    try:
        for future in distributed.as_completed(futures.values()):
            yield names[future.key], _result(future, names[future.key])
    except BaseException:
        client.cancel(list(futures.values()))
        raise


def _call(function: Callable[..., Any], arguments: tuple[Any, ...], _waited: Sequence[Any]) -> Any:
    try:
        return function(*arguments)
    except OSError as error:
        if error.errno is not None:  # which a message of ours loses on its way to the client
            vars(error)["exit_code"] = IO_ERROR
        raise


def _result(future: distributed.Future, name: str) -> Any:
    """Return what a task returned, or raise its error in our words."""
    try:
        return future.result()
    except distributed.KilledWorker as error:
        raise RuntimeError(f"{name}: {MAX_DEATHS} workers died at it, perhaps for want of memory; {AGAIN}") from error
    except (CancelledError, CommClosedError) as error:
        raise ConnectionError(f"the Dask scheduler was lost; {AGAIN}") from error
    except ImportError as error:
        raise RuntimeError(
            f"a worker cannot import {error.name}; install this version of amazon_tags there, with the same extras."
        ) from error
