"""The ledger's file, when it cannot be used."""

import errno
import sqlite3

import pytest

from amazon_tags.retraining import ledger
from amazon_tags.retraining.ledger import LedgerEntry

ENTRY = LedgerEntry(1, "then", "now", "mark", "promoted", "", None, "0123456789ab", None, 0.9, 100)


def test_what_is_written_is_the_last(tmp_path):
    assert ledger.last(tmp_path) is None
    ledger.write(tmp_path, ENTRY)
    assert ledger.last(tmp_path) == ENTRY


def test_a_locked_ledger_is_busy_and_not_damaged(tmp_path, monkeypatch):
    ledger.write(tmp_path, ENTRY)
    true = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path: true(path, timeout=0.1))
    holder = true(tmp_path / ledger.FILE)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(BlockingIOError, match="is locked by another process"):
            ledger.last(tmp_path)
    finally:
        holder.close()


def test_a_full_disk_is_one_and_the_file_stays(tmp_path, monkeypatch):
    ledger.write(tmp_path, ENTRY)
    true = sqlite3.connect

    def small(path):
        connection = true(path)
        connection.execute("PRAGMA max_page_count = 2")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    long = LedgerEntry(2, "then", "now", "mark", "rejected", 9000 * "why ", None, None, None, None, 100)
    with pytest.raises(OSError, match="no space left on device; make room") as caught:
        ledger.write(tmp_path, long)
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert ledger.last(tmp_path) == ENTRY


def test_what_is_no_ledger_is_damaged(tmp_path):
    (tmp_path / ledger.FILE).write_text("no database, and longer than the header of one " * 9)
    with pytest.raises(ValueError, match="move it away"):
        ledger.last(tmp_path)
    (tmp_path / ledger.FILE).unlink()
    (tmp_path / ledger.FILE).mkdir()
    with pytest.raises(OSError, match="give this user permission to write there"):
        ledger.last(tmp_path)
