"""Processes for tests, forked from one that has imported Keras, since each start of Python with Keras takes seconds.

A fork has what a process has: signals, streams, a folder and an exit code of its own. What a start of Python does, such
as which modules a command imports, is for tests with a real one.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.02  # at what a process that will be killed has printed

has_imported = threading.Event()  # whether there is a process to fork from, whose start takes seconds

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["amazon_tags.training.train"])  # and with it Keras, OpenVINO, NNCF and XGBoost


def run_command(
    words: list[str], *, cwd: Path | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess:
    """Run the command line; `words` are its arguments."""
    return _run(_command, words, Path(cwd or Path.cwd()), timeout)


def run_code(code: str, *, timeout: float) -> subprocess.CompletedProcess:
    """Run statements of Python."""
    return _run(_execute, code, Path.cwd(), timeout)


def kill_command(words: list[str], *, at: str) -> subprocess.CompletedProcess:
    """Run the command line until it prints a line to stderr that begins with `at`, and kill it there."""
    return _run(_command, words, Path.cwd(), None, at)


def _run(
    function: Callable, argument: object, cwd: Path, timeout: float | None, kill_at: str = ""
) -> subprocess.CompletedProcess:
    has_imported.set()
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("stdout", "stderr")]
        process = _forks.Process(target=_enter, args=(function, argument, cwd, dict(os.environ), streams))
        process.start()
        while kill_at and process.exitcode is None:
            if streams[1].exists() and any(row.startswith(kill_at) for row in streams[1].read_text().splitlines()):
                process.kill()
            process.join(SECONDS_BETWEEN_LOOKS)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(str(argument), timeout, *(path.read_bytes() for path in streams))
        return subprocess.CompletedProcess(argument, process.exitcode, *(path.read_text() for path in streams))


def _enter(function: Callable, argument: object, cwd: Path, environment: dict[str, str], streams: list[Path]) -> None:
    for number, path in enumerate(streams, start=1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    function(argument)


def _execute(code: str) -> None:
    exec(code, {"__name__": "__main__"})  # noqa: S102


def _command(words: list[str]) -> None:
    sys.argv[1:] = words
    runpy.run_module("amazon_tags", run_name="__main__", alter_sys=True)
