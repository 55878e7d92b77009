"""Calls in a child process."""

import math
import os
import signal
import subprocess
import sys

import pytest

from amazon_tags.training.child import call_in_child


def test_a_child_answers_or_raises_as_a_call_here():
    assert call_in_child(math.hypot, 3, 4) == 5
    assert call_in_child(os.getpid) != os.getpid()
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        call_in_child(math.sqrt, -1)


def test_a_child_that_is_killed_is_an_error_of_one_line():
    with pytest.raises(RuntimeError, match=r"raise_signal ended with exit code -9 .* memory"):
        call_in_child(signal.raise_signal, signal.SIGKILL)


@pytest.mark.slow
def test_what_a_child_prints_is_no_answer():
    code = "from amazon_tags.training.child import call_in_child; call_in_child(print, 'loading weights')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == ""
    assert "loading weights\n" in done.stderr
