import errno
import os

import pytest

from amazon_tags.files import folders


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_a_folder_is_complete_or_absent(tmp_path):
    target = tmp_path / "bundle"
    with folders.atomic_folder(target) as folder:
        (folder / "members").mkdir()
        (folder / "members" / "network.bin").write_bytes(b"x")
        assert not target.exists()
    assert (target / "members" / "network.bin").read_bytes() == b"x"
    assert names(tmp_path) == ["bundle"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_unfinished_folder_is_removed(tmp_path, error):
    def fail():
        with folders.atomic_folder(tmp_path / "bundle") as folder:
            (folder / "half").write_bytes(b"x")
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_flushed_to_disk_is_removed(tmp_path, monkeypatch):
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


def test_a_folder_that_appears_during_the_block_is_not_replaced(tmp_path):
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


def test_an_empty_folder_is_filled_in_place_and_emptied_after_an_exception(tmp_path):
    target = tmp_path / "chips"
    target.mkdir()

    def fail():
        with folders.filled_folder(target) as folder:
            assert folder == target
            (folder / "sub").mkdir()
            (folder / "sub" / "half").write_bytes(b"x")
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert names(target) == []


def test_a_copy_of_a_folder_has_its_files_and_empty_folders(tmp_path):
    (tmp_path / "a" / "members" / "empty").mkdir(parents=True)
    (tmp_path / "a" / "members" / "network.bin").write_bytes(b"x")
    folders.copy_folder(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b" / "members" / "network.bin").read_bytes() == b"x"
    assert names(tmp_path / "b" / "members") == ["empty", "network.bin"]


def test_a_folder_is_removed_with_its_content(tmp_path):
    (tmp_path / "bundle" / "members").mkdir(parents=True)
    folders.remove_folder(tmp_path / "bundle")
    assert names(tmp_path) == []


def test_a_symlink_is_removed_itself_and_its_target_stays(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "chip.jpg").write_bytes(b"x")
    (tmp_path / "bundle").symlink_to("theirs")
    folders.remove_folder(tmp_path / "bundle")
    assert names(tmp_path) == ["theirs"]
    assert names(tmp_path / "theirs") == ["chip.jpg"]


def test_a_sweep_removes_what_killed_runs_left_and_nothing_else(tmp_path):
    (tmp_path / ".amazon_tags-1.part").mkdir()
    (tmp_path / ".amazon_tags-1.part" / "half").write_bytes(b"x")
    (tmp_path / ".amazon_tags-2.part").write_bytes(b"x")
    (tmp_path / "table.csv").write_bytes(b"x")
    folders.sweep(tmp_path)
    assert names(tmp_path) == ["table.csv"]
