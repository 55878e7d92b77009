"""The ledger: one row for each run of a job that came to an end, in SQLite, whatever else tracks them."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

FILE = "ledger.sqlite"
SYSTEM = {  # what SQLite says of the machine, and not of the file
    sqlite3.SQLITE_FULL: (errno.ENOSPC, "make room"),
    sqlite3.SQLITE_IOERR: (errno.EIO, "look at its disk"),
    sqlite3.SQLITE_CANTOPEN: (errno.EACCES, "let this user write there"),
    sqlite3.SQLITE_PERM: (errno.EACCES, "let this user write there"),
    sqlite3.SQLITE_READONLY: (errno.EACCES, "let this user write there"),
}


@dataclass(frozen=True)
class LedgerEntry:
    """A run: `fingerprint` is of data and settings, `outcome` promoted or rejected; times are UTC in ISO 8601."""

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
    """The latest row; raises like `write`."""
    if not (runs / FILE).exists():
        return None
    with _opened(runs) as connection:
        row = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM runs ORDER BY number DESC LIMIT 1").fetchone()  # noqa: S608  our own names
    return LedgerEntry(*row) if row else None


def write(runs: Path, entry: LedgerEntry) -> None:
    """One more row; it is there, whole, or not at all.

    Raises:
        BlockingIOError: somebody else holds the file, for longer than SQLite's five seconds.
        OSError: the disk is full, or does not let us.
        ValueError: the file is damaged.
    """
    places = ", ".join("?" * len(COLUMNS))
    with _opened(runs) as connection:
        connection.execute(f"INSERT INTO runs ({', '.join(COLUMNS)}) VALUES ({places})", astuple(entry))  # noqa: S608


@contextmanager
def _opened(runs: Path) -> Iterator[sqlite3.Connection]:
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
        code = (error.sqlite_errorcode or 0) & 0xFF  # the rest are details
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise BlockingIOError(f"{path} is held by somebody else; start again when they have ended.") from error
        if code in SYSTEM:
            number, advice = SYSTEM[code]
            refusal = OSError(f"{path} cannot be used: {os.strerror(number).lower()}; {advice} and start again.")
            refusal.errno = number
            raise refusal from error
        raise ValueError(f"{path} cannot be used: {error}; move it away, and the next run begins a new one.") from error
