import multiprocessing
import os
import signal

import pytest

from amazon_tags.review import page_folder
from amazon_tags.review.page_folder import folder_of, picture_folder, remove_pictures, settle


def fill(page, content):
    """Give a page pictures as a gallery does; return their folder."""
    with picture_folder(page) as part:
        (part / "a.jpg").write_bytes(content)
        place = settle(part)
        page.write_text(place.name)
        remove_pictures(page, but=place)
    return place


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_the_same_pictures_have_the_same_place_and_others_replace_them(tmp_path):
    page = tmp_path / "gallery.html"
    first = fill(page, b"one")
    assert fill(page, b"one") == first
    assert names(folder_of(page)) == {page_folder.MARKER, first.name}

    second = fill(page, b"two")
    assert second != first
    assert names(folder_of(page)) == {page_folder.MARKER, second.name}
    assert (second / "a.jpg").read_bytes() == b"two"


def test_after_an_error_the_old_pictures_stay_and_nothing_new(tmp_path):
    page = tmp_path / "gallery.html"
    with pytest.raises(KeyboardInterrupt), picture_folder(page) as part:
        (part / "a.jpg").write_bytes(b"half")
        raise KeyboardInterrupt
    assert names(tmp_path) == set()

    first = fill(page, b"one")
    with pytest.raises(RuntimeError), picture_folder(page) as part:
        (part / "a.jpg").write_bytes(b"half")
        raise RuntimeError
    assert names(folder_of(page)) == {page_folder.MARKER, first.name}


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_not_ours_is_refused_and_stays(tmp_path, kind):
    page, folder = tmp_path / "gallery.html", tmp_path / "gallery.files"
    if kind == "folder":
        folder.mkdir()
        (folder / "thesis.txt").write_text("mine")
    elif kind == "file":
        folder.write_text("mine")
    else:
        folder.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError, match=r"gallery\.files exists and is never overwritten"), picture_folder(page):
        pass
    assert names(tmp_path) == {"gallery.files"}
    assert kind != "folder" or (folder / "thesis.txt").read_text() == "mine"


def test_only_pictures_are_removed(tmp_path):
    page = tmp_path / "gallery.html"
    place = fill(page, b"one")
    for name in ("notes", "0123456789abcdef"):
        (folder_of(page) / name).mkdir()
    remove_pictures(page)
    assert names(folder_of(page)) == {page_folder.MARKER, "notes", "0123456789abcdef"}
    assert not place.exists()


def test_a_second_writer_of_a_page_is_refused(tmp_path):
    page = tmp_path / "gallery.html"
    with picture_folder(page), pytest.raises(BlockingIOError, match="Another run holds"), picture_folder(page):
        pass


def kill_in(step, page):
    with picture_folder(page) as part:
        (part / "a.jpg").write_bytes(b"two")
        if step == "settled":
            settle(part)
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["filled", "settled"])
def test_a_killed_run_leaves_the_old_page_with_its_pictures(tmp_path, step):
    page = tmp_path / "gallery.html"
    first = fill(page, b"one")

    process = multiprocessing.get_context("fork").Process(target=kill_in, args=(step, page))
    process.start()
    process.join()

    assert process.exitcode == -signal.SIGKILL
    assert page.read_text() == first.name
    assert (first / "a.jpg").read_bytes() == b"one"
    last = fill(page, b"three")
    assert names(folder_of(page)) == {page_folder.MARKER, last.name}
