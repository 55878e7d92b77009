import errno
import json
import os
import resource
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from amazon_tags.files import atomic, preflight


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"a\r\nb\n" * 100_000])
def test_a_written_file_has_the_content(old, content):
    atomic.write_bytes(old, content)
    assert old.read_bytes() == content
    assert names(old.parent) == ["table.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_exception_keeps_the_old_file_and_leaves_nothing_else(old, error):
    def fail():
        with atomic.atomic_file(old) as stream:
            stream.write(b"half" * 100_000)
            raise error

    with pytest.raises(error):
        fail()
    assert old.read_bytes() == b"old"
    assert names(old.parent) == ["table.csv"]


def test_the_old_file_stays_until_the_block_ends(old):
    with atomic.atomic_file(old) as stream:
        stream.write(b"new")
        stream.flush()
        assert old.read_bytes() == b"old"
        assert all(name.startswith(".") for name in names(old.parent) if name != "table.csv")
    assert old.read_bytes() == b"new"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_file_and_leaves_nothing_else(old, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match=r"table\.csv cannot be written: no space left on device; make room") as caught:
        atomic.write_bytes(old, b"new")
    assert caught.value.errno == errno.ENOSPC
    assert old.read_bytes() == b"old"
    assert names(old.parent) == ["table.csv"]


@pytest.mark.parametrize("size", [5_000, 3_000_000])
def test_a_disk_that_takes_no_more_bytes_keeps_the_old_file_and_leaves_nothing_else(old, size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # the kernel refuses the bytes past it, as a full disk does
    try:
        with pytest.raises(OSError, match="too large"):
            atomic.write_bytes(old, b"x" * size)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert old.read_bytes() == b"old"
    assert names(old.parent) == ["table.csv"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_mode_of_a_plain_open(tmp_path, umask):
    before = os.umask(umask)
    try:
        atomic.write_bytes(tmp_path / "ours", b"")
        (tmp_path / "plain").open("wb").close()
    finally:
        os.umask(before)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_existing_file_keeps_its_mode(old):
    old.chmod(0o640)
    atomic.write_bytes(old, b"new")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


def test_a_symlink_stays_and_its_target_is_replaced(tmp_path, old):
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "link.csv"
    link.symlink_to("../table.csv")
    preflight.refuse_unwritable(link)
    atomic.write_bytes(link, b"new")
    assert link.is_symlink()
    assert old.read_bytes() == b"new"
    assert names(link.parent) == ["link.csv"]


def test_the_target_of_a_dangling_symlink_is_created(tmp_path):
    (tmp_path / "link").symlink_to("there")
    atomic.write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "there").read_bytes() == b"new"


def test_a_file_with_the_longest_possible_name_can_be_written(tmp_path):
    path = tmp_path / ("n" * 255)
    preflight.refuse_unwritable(path)
    atomic.write_bytes(path, b"new")
    assert names(tmp_path) == [path.name]


def test_dev_null_is_written_and_stays_a_device():
    preflight.refuse_unwritable(Path("/dev/null"))
    atomic.write_bytes(Path("/dev/null"), b"gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_is_reported():
    with pytest.raises(OSError, match="/dev/full cannot be written: no space left"):
        atomic.write_bytes(Path("/dev/full"), b"x")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


WRITE = "import sys; from pathlib import Path; from amazon_tags.files import atomic, preflight; "
WRITE += "p = Path(sys.argv[1]); preflight.refuse_unwritable(p); atomic.write_bytes(p, b'new\\n')"


@pytest.mark.parametrize("target", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_is_written_directly_to_a_pipe(target):
    done = subprocess.run([sys.executable, "-c", WRITE, target], capture_output=True, timeout=600, check=True)
    assert done.stdout == b"new\n"


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_standard_output_goes_where_the_shell_redirects_it(old, mode):
    with old.open(mode) as stream:
        for _ in range(2):
            subprocess.run([sys.executable, "-c", WRITE, "/dev/stdout"], stdout=stream, timeout=600, check=True)
    assert old.read_bytes() == {"wb": b"", "ab": b"old"}[mode] + b"new\nnew\n"
    assert names(old.parent) == ["table.csv"]


def test_a_named_pipe_is_written_directly(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    preflight.refuse_unwritable(pipe)  # and does not wait for a reader
    writer = threading.Thread(target=atomic.write_bytes, args=(pipe, b"new"))
    writer.start()
    assert pipe.read_bytes() == b"new"
    writer.join()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_json_keeps_its_order_and_ends_in_a_newline(tmp_path):
    value = {"zulu": 1, "alpha": [0.1, "é"], "mike": None}
    atomic.write_json(tmp_path / "value.json", value)
    text = (tmp_path / "value.json").read_text(encoding="utf-8")
    assert text.endswith("}\n") and "é" in text
    assert list(json.loads(text).items()) == list(value.items())


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": object()}])
def test_values_outside_the_json_standard_are_refused_and_the_old_file_stays(old, value):
    with pytest.raises((ValueError, TypeError)):
        atomic.write_json(old, value)
    assert old.read_bytes() == b"old"
