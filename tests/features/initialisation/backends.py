"""A script run on each Keras backend."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec

import keras
import pytest

NEEDS_JAX = pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")


def printed_on_both(script: str) -> list[str]:
    """Return what a script prints on jax and on TensorFlow; the backend in use needs no process of its own."""
    printed = []
    for backend in ("jax", "tensorflow"):
        if backend == keras.backend.backend():
            with redirect_stdout(io.StringIO()) as stream:
                exec(script, {"__name__": "__main__"})  # noqa: S102
            printed.append(stream.getvalue())
            continue
        environment = os.environ | {"KERAS_BACKEND": backend}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    return printed
