"""Signals: from `catch_signals` on, SIGINT, SIGTERM and SIGHUP unwind the run instead of cutting it off."""

import signal
import sys
from types import FrameType
from typing import NoReturn

SECONDS_BETWEEN_SIGNALS = 3.0  # seconds that a run has to unwind, before a signal is raised in it again
received_signals: list[int] = []  # signals that have come


def catch_signals() -> None:
    """From here on a signal unwinds what was begun; before, while libraries load, it just ends the process.

    What is raised inside of a destructor or a callback of the garbage collector is lost. So it is raised again every
    few seconds, until the run has ended.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup, or where a shell has it ignored
            signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    received_signals.append(number)
    signal.signal(signal.SIGALRM, lambda _number, frame: _stop(number, frame))
    signal.setitimer(signal.ITIMER_REAL, SECONDS_BETWEEN_SIGNALS)
    sys.unraisablehook = lambda _lost: None  # or what is lost there would be told of with a traceback
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
