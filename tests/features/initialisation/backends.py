"""A script run on each Keras backend, in processes of their own."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

NEEDS_JAX = pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")


def printed_on_both(script: str) -> list[str]:
    """Return what a script prints on jax and on TensorFlow."""
    printed = []
    for backend in ("jax", "tensorflow"):
        environment = os.environ | {"KERAS_BACKEND": backend}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    return printed
