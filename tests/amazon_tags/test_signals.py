import subprocess
import sys

import pytest

DESTRUCTOR = """
import os, signal, time
from amazon_tags import signals
signals.SECONDS_BETWEEN_SIGNALS = 0.2
signal.signal({number}, signal.SIG_DFL)  # the tests may run under nohup
signals.catch_signals()
class Dying:
    def __del__(self):
        os.kill(os.getpid(), {number})
        time.sleep(0.1)
Dying()  # Python drops what the signal raises in there
time.sleep(600)
"""


@pytest.mark.parametrize(("number", "code"), [(15, 143), (1, 129)])
def test_a_signal_that_a_destructor_swallows_still_ends_the_run(number, code):
    done = subprocess.run([sys.executable, "-c", DESTRUCTOR.format(number=number)], timeout=300, check=False)
    assert done.returncode == code


LIBRARY = """
import os, signal, time
import click
from amazon_tags.errors import run_command_line
from amazon_tags.signals import catch_signals
signal.signal({number}, signal.SIG_DFL)  # the tests may run under nohup
@click.command()
def command():
    catch_signals()
    try:
        os.kill(os.getpid(), {number})
        time.sleep(600)
    except BaseException as error:  # as a library in C++ does
        raise RuntimeError("Check 'all is well' failed") from error
run_command_line(command)
"""


@pytest.mark.parametrize(("number", "code"), [(15, 143), (2, 130)])
def test_a_signal_that_a_library_turned_into_its_own_error_is_reported_as_a_signal(number, code):
    command = [sys.executable, "-c", LIBRARY.format(number=number)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (code, "Stopped.\n")
