import subprocess
import sys

import pytest

from amazon_tags.files import locks


def test_a_lock_is_held_once_at_a_time_and_can_be_taken_again(tmp_path):
    path = tmp_path / "lock"
    for _ in range(2):
        with (
            locks.hold_lock(path),
            pytest.raises(BlockingIOError, match=r"Another run holds .*lock"),
            locks.hold_lock(path),
        ):
            pytest.fail("two runs held the lock")


def test_a_lock_holds_between_processes_and_ends_with_its_process(tmp_path):
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
