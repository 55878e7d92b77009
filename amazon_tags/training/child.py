"""Calls in a child process, for work with Keras beside a Dask client or worker.

Keras takes random numbers from generators of the whole process, and so do the threads of Dask: what is trained beside
them would not be what a run without Dask trains. A child also gives back the memory of a training.
"""

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

COMMAND = (sys.executable, "-m", "amazon_tags.training.child")


def call_in_child(function: Callable[..., Result], *arguments: object) -> Result:
    """Return what `function(*arguments)` returns in a new process, which ends with this one at the latest.

    Raises:
        RuntimeError: the process ended without an answer.
        Exception: what the function raised.
    """
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603
        if not child.stdin or not child.stdout:
            raise RuntimeError("a process could not be started with pipes.")
        try:
            pickle.dump((function, arguments), child.stdin)
            child.stdin.flush()  # it stays open: its end tells the child that this process has ended
            is_result, answer = pickle.load(child.stdout)  # noqa: S301  of a process of our own
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            child.kill()
            raise RuntimeError(
                f"the process that ran {function.__name__} ended with exit code {child.wait()} and without a result, "
                "perhaps for want of memory."
            ) from error
        except BaseException:
            child.kill()
            raise
    if is_result:
        result: Result = answer
        return result
    raise answer


def _answer_parent() -> None:
    """Run the call that the parent writes to stdin, and write its result to stdout."""
    with os.fdopen(os.dup(1), "wb") as output:
        os.dup2(2, 1)  # what Keras prints must not be read as an answer
        function, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301  of the parent
        threading.Thread(target=_end_with_parent, daemon=True).start()
        try:
            answer = (True, function(*arguments))
        except Exception as error:  # noqa: BLE001  the parent raises it
            answer = (False, error)
        pickle.dump(answer, output)


def _end_with_parent() -> None:
    os.read(0, 1)  # not `sys.stdin`, whose lock would be held when this process ends
    os._exit(1)


if __name__ == "__main__":
    _answer_parent()
