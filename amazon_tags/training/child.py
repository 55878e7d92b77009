"""Calls in a child process, for work with Keras beside a Dask client or worker.

Keras takes random numbers from generators of the whole process, and so do the threads of Dask: what is trained beside
them would not be what a run without Dask trains. A child also gives back the memory of a training.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import TypeVar

Result = TypeVar("Result")

# Children are forks of a server without threads, whose locks a fork of this process would have. Unlike a process that
# is spawned, they need no seconds to import Keras.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["amazon_tags.training.members"])


def call_in_child(function: Callable[..., Result], *arguments: object) -> Result:
    """Return what `function(*arguments)` returns in a new process, which ends with this one at the latest.

    Raises:
        RuntimeError: the process ended without an answer, or this one may not start others.
        Exception: what the function raised.
    """
    receiver, sender = _processes.Pipe(duplex=False)
    child = _processes.Process(target=_answer, args=(sender, function, arguments))
    try:
        child.start()
    except AssertionError as error:  # of a daemon
        raise RuntimeError(
            "this worker may not start processes; start workers with DASK_DISTRIBUTED__WORKER__DAEMON=False."
        ) from error
    sender.close()  # so that the end of the child is seen
    try:
        is_result, answer = receiver.recv()
    except EOFError as error:
        child.join()
        raise RuntimeError(
            f"the process that ran {function.__name__} ended with exit code {child.exitcode} and without a result, "
            "perhaps for want of memory."
        ) from error
    finally:
        child.kill()
        child.join()
    if is_result:
        result: Result = answer
        return result
    raise answer


def _answer(sender: Connection, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    """Send what the call returns or raises to the parent."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(2, 1)  # what Keras prints is no answer of the command
    try:
        answer = (True, function(*arguments))
    except Exception as error:  # noqa: BLE001  the parent raises it
        answer = (False, error)
    sender.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
        os._exit(1)
