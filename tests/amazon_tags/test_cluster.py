"""Tasks on a cluster whose workers are threads of this process."""

import os
import signal
import threading

import distributed
import pytest

from amazon_tags import cluster
from amazon_tags.cluster import Cluster, Task, connect, refuse_open_scheduler, run_tasks


@pytest.fixture(scope="module")
def client():
    """A client of a scheduler and two workers in this process."""
    with distributed.Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        yield client


may_begin = threading.Event()
calls: list[str] = []


def work(name: str) -> str:
    if name == "first":
        may_begin.wait(10)
    calls.append(name)
    return name.upper()


def fail(name: str) -> None:
    calls.append(name)
    raise ValueError(f"{name} is damaged")


def lack() -> None:
    import package_that_nobody_has  # noqa: F401, PLC0415


def test_a_task_begins_when_those_that_it_waits_for_have_ended(client):
    calls.clear()
    tasks = [
        Task("first", work, ("first",)),
        Task("alone", work, ("alone",)),
        Task("last", work, ("last",), after=("first", "alone")),
    ]
    results = run_tasks(client, tasks)
    assert next(results) == ("alone", "ALONE")
    may_begin.set()
    assert [*results] == [("first", "FIRST"), ("last", "LAST")]
    assert calls == ["alone", "first", "last"]


def test_two_runs_with_tasks_of_the_same_names_share_no_result(client):
    runs = [run_tasks(client, [Task("part 0", str, (number,)), Task("part 1", str, (number,))]) for number in (1, 2)]
    assert [next(run)[1] for run in runs] == ["1", "2"]
    assert [next(run)[1] for run in runs] == ["1", "2"]


def test_a_task_that_fails_is_tried_again_and_then_ends_the_run(client):
    calls.clear()
    with pytest.raises(ValueError, match="chip_3 is damaged"):
        list(run_tasks(client, [Task("part 0", fail, ("chip_3",))]))
    assert calls == ["chip_3"] * cluster.MAX_TRIES


def test_a_worker_without_the_package_is_reported_with_what_to_do(client):
    with pytest.raises(RuntimeError, match="a worker cannot import package_that_nobody_has; install"):
        list(run_tasks(client, [Task("part 0", lack, ())]))


@pytest.mark.slow
def test_a_worker_in_the_place_of_a_dead_one_may_start_processes_too():
    facts = "__import__('os').getpid(), __import__('multiprocessing').current_process().daemon"
    with connect(Cluster(workers=1)) as client:
        ((_, (dead, _)),) = run_tasks(client, [Task("first", eval, (facts,))])
        os.kill(dead, signal.SIGKILL)
        ((_, (pid, is_daemon)),) = run_tasks(client, [Task("second", eval, (facts,))])
    assert pid != dead
    assert not is_daemon


@pytest.mark.parametrize(
    "address", ["tcp://example.org:8786", "example.org:8786", "ws://10.0.0.1:8786", "tcp://[::2]:1"]
)
def test_a_scheduler_on_another_machine_without_tls_is_refused(address):
    with pytest.raises(ValueError, match="--insecure"):
        refuse_open_scheduler(Cluster(address))
    refuse_open_scheduler(Cluster(address, insecure=True))


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:8786", "localhost:8786", "tcp://[::1]:1", "tls://example.org:8786", None]
)
def test_a_scheduler_here_or_behind_tls_is_used(address):
    refuse_open_scheduler(Cluster(address))


def test_a_scheduler_that_does_not_answer_is_refused(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with (
        pytest.raises(ConnectionError, match="no Dask scheduler answers at tcp://127"),
        connect(Cluster("tcp://127.0.0.1:9")),
    ):
        os.abort()


COMMANDS = {
    "predict": ["CHIPS"],
    "map": ["CHIP", "-o", "tags.geojson"],
    "embed": ["CHIPS", "--backbone", "toy", "-o", "vectors.parquet"],
    "train": ["CHIPS", "TABLE", "-o", "model"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("words", "exit_code", "reason"),
    [
        (["--scheduler", "localhost:8786"], 2, "are for --engine dask"),
        (["--engine", "dask", "--scheduler", "tcp://example.org:8786"], 1, "not reached by TLS"),
        (["--engine", "dask", "--shard", "1/2"], 2, "leave out --shard"),
        (["--engine", "dask"], 2, "needs --checkpoint"),
    ],
)
def test_options_of_clusters_that_do_not_go_together_are_refused(run, world, command, words, exit_code, reason):
    if command == "train" and ("--shard" in words or len(words) == 2):
        return  # it has neither shards nor a checkpoint of its own
    places = {"CHIPS": world.test_jpg, "CHIP": next(world.test_jpg.iterdir()), "TABLE": world.labels}
    done = run(command, *[places.get(word, word) for word in COMMANDS[command]], *words)
    assert (done.returncode, reason in done.stderr) == (exit_code, True), done.stderr
    assert len(done.stderr.strip().splitlines()[-1:]) == 1
