"""Signals: after `catch_signals`, SIGINT, SIGTERM and SIGHUP unwind the run, so that files are cleaned up."""

import atexit
import signal
import sys
from types import FrameType
from typing import NoReturn

SECONDS_BETWEEN_SIGNALS = 3.0  # time that a run has to unwind before the signal is raised in it again
received_signals: list[int] = []  # signal numbers, in the order of arrival


def catch_signals() -> None:
    """Turn SIGINT, SIGTERM and SIGHUP into exceptions from here on.

    Commands call this after their imports: until then there is nothing to clean up, and a signal ends the process.

    Python drops an exception that is raised inside a destructor or a garbage collector callback. So the exception is
    raised again every few seconds until Python ends, where it would change the exit code.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup and shells set signals to be ignored
            signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    if not received_signals:
        atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
    received_signals.append(number)
    signal.signal(signal.SIGALRM, lambda _number, frame: _stop(number, frame))
    signal.setitimer(signal.ITIMER_REAL, SECONDS_BETWEEN_SIGNALS)
    sys.unraisablehook = lambda _dropped: None  # or Python prints a traceback for each exception that it drops
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
