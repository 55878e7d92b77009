"""Archives: unpacked whole, or refused with nothing left behind."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

import py7zr
import pytest

SCRIPTS = Path(__file__).parents[1] / "kaggle"


@pytest.fixture
def unpack(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    import unpack  # noqa: PLC0415  a script beside others

    yield unpack.unpack
    del sys.modules["unpack"]


def tarred(path, entries, kind=None):
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            if kind:
                entry.type, entry.linkname, entry.size = kind, "/etc/passwd", 0
            tar.addfile(entry, io.BytesIO(content))
    return path


def zipped(path, entries):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def seven(path, entries):
    with py7zr.SevenZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(content, name)
    return path


CHIPS = {"train-jpg/a.jpg": b"first", "train-jpg/b.jpg": b"second"}


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "7z", "tar.7z"])
def test_every_kind_gives_the_same_folder(unpack, tmp_path, kind):
    if kind == "tar.7z":
        inner = tarred(tmp_path / "train-jpg.tar", CHIPS)
        archive = seven(tmp_path / "a.tar.7z", {"train-jpg.tar": inner.read_bytes()})
    else:
        make = {"zip": zipped, "tar": tarred, "tar.gz": tarred, "7z": seven}[kind]
        archive = make(tmp_path / f"a.{kind}", {**CHIPS, "__MACOSX/._a.jpg": b"junk"})
    out = tmp_path / "out"
    out.mkdir()
    assert unpack(archive, out) == [out / "train-jpg"]
    held = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert held == CHIPS
    with pytest.raises(FileExistsError, match="train-jpg exists and is never overwritten"):
        unpack(archive, out)
    assert [path.name for path in out.iterdir()] == ["train-jpg"]


@pytest.mark.parametrize("name", ["../out.jpg", "/out.jpg", "a/../../out.jpg", "..\\out.jpg", "C:/out.jpg"])
@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_name_that_leads_out_is_refused(unpack, tmp_path, make, name):
    archive = make(tmp_path / "archive", {"a.jpg": b"x", name: b"x"})
    out = tmp_path / "in"
    out.mkdir()
    with pytest.raises(ValueError, match="which would lead out of its folder"):
        unpack(archive, out)
    assert not list(out.iterdir())


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(unpack, tmp_path, kind):
    archive = tarred(tmp_path / "a.tar", {"a.jpg": b""}, kind)
    with pytest.raises(ValueError, match="which is a link, a device or encrypted"):
        unpack(archive, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


@pytest.mark.parametrize("make", [zipped, seven])
def test_a_damaged_archive_is_told(unpack, tmp_path, make):
    archive = make(tmp_path / "archive", {"a.jpg": bytes(range(256)) * 400})
    content = bytearray(archive.read_bytes())
    content[60:160] = bytes(100)
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"archive is (damaged|no zip)"):
        unpack(archive, tmp_path)
    archive.write_bytes(b"<html>log in</html>")
    with pytest.raises(ValueError, match="archive is no zip, tar or 7z; fetch it anew"):
        unpack(archive, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_an_encrypted_archive_is_refused(unpack, tmp_path):
    with py7zr.SevenZipFile(tmp_path / "a.7z", "w", password="secret") as archive:  # noqa: S106
        archive.writestr(b"x", "a.jpg")
    with pytest.raises(ValueError, match="is encrypted; unpack it yourself"):
        unpack(tmp_path / "a.7z", tmp_path)


def test_what_has_no_room_is_refused_before_it_is_unpacked(unpack, tmp_path, monkeypatch):
    archive = zipped(tmp_path / "a.zip", {"a.jpg": b"x" * 100})
    usage = sys.modules["unpack"].files.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(sys.modules["unpack"].files.shutil, "disk_usage", lambda _: usage._replace(free=99))
    with pytest.raises(OSError, match="no space left on device; make room"):
        unpack(archive, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
