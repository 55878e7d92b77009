"""The ledger: one row for each run of a job that has ended, in an SQLite file in the job's `runs`."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

FILE = "ledger.sqlite"
SYSTEM_ERRORS = {  # SQLite's codes for a problem of the machine, not of the file; error number and advice
    sqlite3.SQLITE_FULL: (errno.ENOSPC, "make room"),
    sqlite3.SQLITE_IOERR: (errno.EIO, "check the disk"),
    sqlite3.SQLITE_CANTOPEN: (errno.EACCES, "give this user permission to write there"),
    sqlite3.SQLITE_PERM: (errno.EACCES, "give this user permission to write there"),
    sqlite3.SQLITE_READONLY: (errno.EACCES, "give this user permission to write there"),
}


@dataclass(frozen=True)
class LedgerEntry:
    """A run that has ended.

    Attributes:
        number: the run's number.
        started: UTC in ISO 8601, as `ended`.
        fingerprint: of data and settings.
        outcome: `promoted` or `rejected`.
        why: the reasons of a rejection.
        champion: name of the model that was current before.
        candidate: name of the model that was trained, if it came to that.
        f2_champion: its F2 on the labelled chips; `f2_candidate` likewise.
        chips: how many labelled chips the job had.
    """

    number: int
    started: str
    ended: str
    fingerprint: str
    outcome: str
    why: str
    champion: str | None
    candidate: str | None
    f2_champion: float | None
    f2_candidate: float | None
    chips: int


COLUMNS = [entry.name for entry in fields(LedgerEntry)]


def last(runs: Path) -> LedgerEntry | None:
    """Return the latest row, or None; raise the same errors as `write`."""
    rows = _select(runs, "ORDER BY number DESC LIMIT 1")
    return rows[0] if rows else None


def entries(runs: Path) -> list[LedgerEntry]:
    """Return all rows, the oldest first; none without a ledger. Raise the same errors as `write`."""
    return _select(runs, "ORDER BY number")


def write(runs: Path, entry: LedgerEntry) -> None:
    """Add a row, in one transaction.

    Raises:
        BlockingIOError: another process locks the file for longer than SQLite's five seconds.
        OSError: the disk is full or broken, or permission is denied.
        ValueError: the file is damaged.
    """
    places = ", ".join("?" * len(COLUMNS))
    with _connect(runs) as connection:
        connection.execute(f"INSERT INTO runs ({', '.join(COLUMNS)}) VALUES ({places})", astuple(entry))  # noqa: S608


def _select(runs: Path, order: str) -> list[LedgerEntry]:
    if not (runs / FILE).exists():
        return []
    with _connect(runs) as connection:
        rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM runs {order}").fetchall()  # noqa: S608  our own names
    return [LedgerEntry(*row) for row in rows]


@contextmanager
def _connect(runs: Path) -> Iterator[sqlite3.Connection]:
    path = runs / FILE
    try:
        connection = sqlite3.connect(path)
        try:
            with connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS runs (number INTEGER PRIMARY KEY, started TEXT, ended TEXT, "
                    "fingerprint TEXT, outcome TEXT, why TEXT, champion TEXT, candidate TEXT, f2_champion REAL, "
                    "f2_candidate REAL, chips INTEGER)"
                )
                yield connection
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        code = (error.sqlite_errorcode or 0) & 0xFF  # the higher bits are details
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise BlockingIOError(f"{path} is locked by another process; run this again when it has ended.") from error
        if code in SYSTEM_ERRORS:
            number, advice = SYSTEM_ERRORS[code]
            refusal = OSError(f"{path} cannot be used: {os.strerror(number).lower()}; {advice}, then run this again.")
            refusal.errno = number
            raise refusal from error
        raise ValueError(
            f"{path} cannot be used: {error}; move it away, and the next run creates a new ledger."
        ) from error
