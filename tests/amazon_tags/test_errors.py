"""Exit codes of exceptions that a command raises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FAILING = """
import errno, click
from amazon_tags.errors import RefusedError, run_command_line
@click.command()
def command():
    raise {error}
run_command_line(command)
"""
USAGE = "Usage: amazon_tags [OPTIONS]\nTry 'amazon_tags --help' for help.\n\n"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ("ValueError('one\\ntwo')", 1, "Error: one two\n"),
        ("FileNotFoundError('no such chip')", 1, "Error: no such chip\n"),
        ("MemoryError", 1, "Error: out of memory; use fewer --jobs\n"),
        ("click.ClickException('no chips')", 1, "Error: no chips\n"),
        ("click.UsageError('no chips')", 2, f"{USAGE}Error: no chips\n"),
        ("RefusedError('damaged')", 4, "Error: damaged\n"),
        ("OSError(errno.ENOSPC, 'disk full')", 74, "Error: [Errno 28] disk full\n"),
        ("BrokenPipeError", 74, ""),
        ("BlockingIOError('held')", 75, "Error: held\n"),
        ("KeyboardInterrupt", 130, "Stopped.\n"),
    ],
)
def test_each_way_of_failing_has_its_exit_code_and_message(error, code, message):
    command = [sys.executable, "-c", FAILING.format(error=error)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", message)


NO_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")


@NO_FULL
@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("click.UsageError('no chips')", 2),
        ("RefusedError('damaged')", 4),
        ("ValueError('one')", 1),
        ("KeyboardInterrupt", 130),
        ("SystemExit(click.echo('a message', err=True))", 74),
    ],
)
def test_a_full_stderr_keeps_the_exit_code(error, code, buffered):
    command = [sys.executable, "-c", FAILING.format(error=error)]
    environment = {**os.environ, "PYTHONUNBUFFERED": buffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, env=environment, timeout=600, check=False)
    assert (done.returncode, done.stdout) == (code, b"")


@NO_FULL
@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("words", [("--version",), ("--help",), ("evaluate", "--help")])
def test_help_for_a_full_stdout_names_it(words, buffered):
    command = [sys.executable, "-m", "amazon_tags", *words]
    environment = {**os.environ, "PYTHONUNBUFFERED": buffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment, timeout=600, check=False)
    assert done.returncode == 74
    assert done.stderr == b"Error: stdout cannot be written: no space left on device; make room and start it again.\n"
