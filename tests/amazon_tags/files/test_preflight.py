import errno
import os

import pytest

from amazon_tags.files import preflight


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_a_signal_during_the_check_leaves_no_file(old, monkeypatch):
    close = os.close

    def stopped(descriptor):
        close(descriptor)
        raise SystemExit(143)

    with monkeypatch.context() as patched:
        patched.setattr(os, "close", stopped)
        with pytest.raises(SystemExit):
            preflight.refuse_unwritable(old)
    assert names(old.parent) == ["table.csv"]


def test_checking_a_writable_path_changes_nothing(tmp_path, old):
    preflight.refuse_unwritable(old)
    preflight.refuse_unwritable(tmp_path / "new.csv")
    assert names(tmp_path) == ["table.csv"]
    assert old.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("none/out.csv", FileNotFoundError, "none does not exist; create it first"),
        ("", IsADirectoryError, "is a folder; name a file"),
        ("table.csv/out.csv", NotADirectoryError, "not a directory"),
        ("n" * 256, OSError, "too long"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_in_one_line(tmp_path, old, name, error, text):
    with pytest.raises(error, match=text) as caught:
        preflight.refuse_unwritable(old.parent / name)
    assert "\n" not in str(caught.value)
    assert ".part" not in str(caught.value)
    assert names(tmp_path) == ["table.csv"]


@pytest.mark.parametrize(("number", "error"), [(errno.EACCES, PermissionError), (errno.EROFS, OSError)])
def test_a_folder_that_cannot_take_a_file_is_refused(tmp_path, monkeypatch, number, error):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(error, match=r"out\.csv cannot be written: .*; name a place") as caught:
        preflight.refuse_unwritable(tmp_path / "out.csv")
    assert caught.value.errno == number


@pytest.mark.skipif(os.geteuid() == 0, reason="mode bits say nothing to root")
def test_mode_bits_are_respected(tmp_path, old):
    old.chmod(0o444)
    with pytest.raises(PermissionError):
        preflight.refuse_unwritable(old)
    tmp_path.chmod(0o555)
    with pytest.raises(PermissionError):
        preflight.refuse_unwritable(tmp_path / "new.csv")
    tmp_path.chmod(0o755)
