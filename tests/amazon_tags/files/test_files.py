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

from amazon_tags.files import atomic, folders, locks, preflight
from amazon_tags.files.hashes import sha256, sha256_bytes


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"old")
    return path


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"a\r\nb\n" * 100_000])
def test_what_is_written_is_what_stands_there(old, content):
    atomic.write_bytes(old, content)
    assert old.read_bytes() == content
    assert names(old.parent) == ["table.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_exception_leaves_the_old_file_and_nothing_else(old, error):
    def fail():
        with atomic.atomic_file(old) as stream:
            stream.write(b"half" * 100_000)
            raise error

    with pytest.raises(error):
        fail()
    assert old.read_bytes() == b"old"
    assert names(old.parent) == ["table.csv"]


def test_a_signal_while_a_place_is_tried_leaves_nothing(old, monkeypatch):
    close = os.close

    def stopped(descriptor):
        close(descriptor)
        raise SystemExit(143)

    with monkeypatch.context() as patched:
        patched.setattr(os, "close", stopped)
        with pytest.raises(SystemExit):
            preflight.refuse_unwritable(old)
    assert names(old.parent) == ["table.csv"]


def test_the_old_file_stands_until_the_block_ends(old):
    with atomic.atomic_file(old) as stream:
        stream.write(b"new")
        stream.flush()
        assert old.read_bytes() == b"old"
        assert all(name.startswith(".") for name in names(old.parent) if name != "table.csv")
    assert old.read_bytes() == b"new"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(old, monkeypatch, call):
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
def test_a_disk_that_takes_no_more_bytes_leaves_the_old_file_and_nothing_else(old, size):
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


def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path, old):
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "link.csv"
    link.symlink_to("../table.csv")
    preflight.refuse_unwritable(link)
    atomic.write_bytes(link, b"new")
    assert link.is_symlink()
    assert old.read_bytes() == b"new"
    assert names(link.parent) == ["link.csv"]


def test_a_dangling_link_gets_its_file(tmp_path):
    (tmp_path / "link").symlink_to("there")
    atomic.write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "there").read_bytes() == b"new"


def test_a_name_as_long_as_the_file_system_takes_can_be_written(tmp_path):
    path = tmp_path / ("n" * 255)
    preflight.refuse_unwritable(path)
    atomic.write_bytes(path, b"new")
    assert names(tmp_path) == [path.name]


def test_dev_null_is_written_and_stays_a_device():
    preflight.refuse_unwritable(Path("/dev/null"))
    atomic.write_bytes(Path("/dev/null"), b"gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_device_that_is_full_says_so():
    with pytest.raises(OSError, match="No space"):
        atomic.write_bytes(Path("/dev/full"), b"x")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


WRITE = "import sys; from pathlib import Path; from amazon_tags.files import atomic, preflight; "
WRITE += "p = Path(sys.argv[1]); preflight.refuse_unwritable(p); atomic.write_bytes(p, b'new\\n')"


@pytest.mark.parametrize("target", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_is_written_straight_through_a_pipe(target):
    shown = subprocess.run([sys.executable, "-c", WRITE, target], capture_output=True, check=True)
    assert shown.stdout == b"new\n"


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_standard_output_goes_where_the_shell_sent_it(old, mode):
    with old.open(mode) as stream:
        subprocess.run([sys.executable, "-c", WRITE, "/dev/stdout"], stdout=stream, check=True)
        subprocess.run([sys.executable, "-c", WRITE, "/dev/stdout"], stdout=stream, check=True)
    assert old.read_bytes() == {"wb": b"", "ab": b"old"}[mode] + b"new\nnew\n"
    assert names(old.parent) == ["table.csv"]


def test_a_named_pipe_is_written_straight_through(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    preflight.refuse_unwritable(pipe)  # and does not wait for a reader
    writer = threading.Thread(target=atomic.write_bytes, args=(pipe, b"new"))
    writer.start()
    assert pipe.read_bytes() == b"new"
    writer.join()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_is_complete_or_absent(tmp_path):
    target = tmp_path / "bundle"
    with folders.atomic_folder(target) as folder:
        (folder / "members").mkdir()
        (folder / "members" / "network.bin").write_bytes(b"x")
        assert not target.exists()
    assert (target / "members" / "network.bin").read_bytes() == b"x"
    assert names(tmp_path) == ["bundle"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_that_was_not_finished_is_nowhere(tmp_path, error):
    def fail():
        with folders.atomic_folder(tmp_path / "bundle") as folder:
            (folder / "half").write_bytes(b"x")
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_synced_is_nowhere(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fill():
        with folders.atomic_folder(tmp_path / "bundle") as folder:
            (folder / "half").write_bytes(b"x")
            monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match="no space left"):
        fill()
    assert names(tmp_path) == []


def test_an_existing_folder_is_refused_before_any_work(tmp_path):
    (tmp_path / "bundle").mkdir()

    def fill():
        with folders.atomic_folder(tmp_path / "bundle"):
            pytest.fail("the block must not start")

    with pytest.raises(FileExistsError, match="never overwritten; name another"):
        fill()


def test_a_folder_that_appeared_meanwhile_is_not_replaced(tmp_path):
    def fill():
        with folders.atomic_folder(tmp_path / "bundle"):
            (tmp_path / "bundle").mkdir()

    with pytest.raises(FileExistsError):
        fill()
    assert names(tmp_path) == ["bundle"]


def test_a_folder_in_a_missing_folder_is_refused(tmp_path):
    def fill():
        with folders.atomic_folder(tmp_path / "none" / "bundle"):
            pytest.fail("the block must not start")

    with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
        fill()


def test_json_keeps_its_order_and_ends_in_a_newline(tmp_path):
    value = {"zulu": 1, "alpha": [0.1, "é"], "mike": None}
    atomic.write_json(tmp_path / "value.json", value)
    text = (tmp_path / "value.json").read_text(encoding="utf-8")
    assert text.endswith("}\n") and "é" in text
    assert list(json.loads(text).items()) == list(value.items())


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": object()}])
def test_json_that_others_cannot_read_is_refused_and_the_old_file_stands(old, value):
    with pytest.raises((ValueError, TypeError)):
        atomic.write_json(old, value)
    assert old.read_bytes() == b"old"


def test_a_writable_path_is_left_as_it_was(tmp_path, old):
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
def test_a_folder_that_takes_no_file_is_refused(tmp_path, monkeypatch, number, error):
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


def test_hashes_agree_with_each_other(old):
    assert sha256(old) == sha256_bytes(b"old")


def test_a_lock_is_held_by_one_and_can_be_taken_again(tmp_path):
    path = tmp_path / "lock"
    for _ in range(2):
        with (
            locks.hold_lock(path),
            pytest.raises(BlockingIOError, match=r"Another run holds .*lock"),
            locks.hold_lock(path),
        ):
            pytest.fail("two runs held the lock")


def test_a_lock_holds_between_processes_and_goes_with_its_process(tmp_path):
    path = tmp_path / "lock"
    hold = "import sys; from pathlib import Path; from amazon_tags.files import locks\n"
    hold += "with locks.hold_lock(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError), locks.hold_lock(path):
            pytest.fail("two runs held the lock")
        other.kill()
        other.wait()
    with locks.hold_lock(path):
        pass


def test_a_lock_is_released_by_an_exception(tmp_path):
    with pytest.raises(KeyError), locks.hold_lock(tmp_path / "lock"):
        raise KeyError
    with locks.hold_lock(tmp_path / "lock"):
        pass


def test_a_lock_in_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="create it first"), locks.hold_lock(tmp_path / "none" / "lock"):
        pytest.fail("no lock can be there")
