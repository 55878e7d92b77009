"""Exit codes of exceptions that a command raises."""

import subprocess
import sys

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
