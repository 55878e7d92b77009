import subprocess
import sys

import pytest

LOST = """
import os, signal, time
from amazon_tags import signals
signals.SECONDS_BETWEEN_SIGNALS = 0.2
signal.signal({number}, signal.SIG_DFL)  # whatever the tests were started under
signals.catch_signals()
class Dying:
    def __del__(self):
        os.kill(os.getpid(), {number})
        time.sleep(0.1)
Dying()  # what the signal raises in there is lost
time.sleep(20)
"""


@pytest.mark.parametrize(("number", "code"), [(15, 143), (1, 129)])
def test_a_signal_that_a_destructor_swallows_ends_the_run_all_the_same(number, code):
    done = subprocess.run([sys.executable, "-c", LOST.format(number=number)], timeout=15, check=False)
    assert done.returncode == code


TURNED = """
import os, signal, time
import click
from amazon_tags.errors import run_command_line
from amazon_tags.signals import catch_signals
signal.signal({number}, signal.SIG_DFL)  # whatever the tests were started under
@click.command()
def turning():
    catch_signals()
    try:
        os.kill(os.getpid(), {number})
        time.sleep(20)
    except BaseException as error:  # as a library in C++ does
        raise RuntimeError("Check 'all is well' failed") from error
run_command_line(turning)
"""


@pytest.mark.parametrize(("number", "code"), [(15, 143), (2, 130)])
def test_a_signal_that_a_library_turned_into_its_own_error_is_told_as_one(number, code):
    command = [sys.executable, "-c", TURNED.format(number=number)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=15, check=False)
    assert (done.returncode, done.stderr) == (code, "Stopped.\n")
