"""Archives: unpacked completely, or refused with nothing left behind."""

import io
import struct
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import py7zr
import pytest

from amazon_tags.files import preflight

SCRIPTS = Path(__file__).parents[2] / "kaggle"


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


def seven(path, entries, plain=False):
    with py7zr.SevenZipFile(path, "w") as archive:
        archive.set_encoded_header_mode(not plain)
        for name, content in entries.items():
            archive.writestr(content, name)
    return path


CHIPS = {"train-jpg/a.jpg": b"first", "train-jpg/b.jpg": b"second"}


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "7z", "tar.7z"])
def test_every_kind_of_archive_gives_the_same_folder(unpack, tmp_path, kind):
    if kind == "tar.7z":
        inner = tarred(tmp_path / "train-jpg.tar", CHIPS)
        archive = seven(tmp_path / "a.tar.7z", {"train-jpg.tar": inner.read_bytes()})
    else:
        make = {"zip": zipped, "tar": tarred, "tar.gz": tarred, "7z": seven}[kind]
        archive = make(tmp_path / f"a.{kind}", CHIPS)
    out = tmp_path / "out"
    unpack(archive, out)
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert files == CHIPS
    with pytest.raises(FileExistsError, match="out exists and is never overwritten"):
        unpack(archive, out)


@pytest.mark.parametrize("name", ["../out.jpg", "/out.jpg", "a/../../out.jpg", "..\\out.jpg", "C:/out.jpg"])
@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_name_that_leads_out_is_refused(unpack, tmp_path, make, name):
    archive = make(tmp_path / "archive", {"a.jpg": b"x", name: b"x"})
    with pytest.raises(ValueError, match="which leads out of its folder"):
        unpack(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_a_name_in_a_7z_that_leads_out_is_refused(unpack, tmp_path):
    archive = seven(tmp_path / "archive", {"aa/out.jpg": b"x" * 50}, plain=True)
    content = archive.read_bytes()
    renamed = content.replace("aa/out".encode("utf-16-le"), "../out".encode("utf-16-le"))
    assert renamed != content
    offset, size = struct.unpack_from("<QQ", renamed, 12)  # of the header, which has a checksum, as has its place
    place = struct.pack("<QQI", offset, size, zlib.crc32(renamed[32 + offset : 32 + offset + size]))
    archive.write_bytes(renamed[:8] + struct.pack("<I", zlib.crc32(place)) + place + renamed[32:])
    with pytest.raises(ValueError, match=r"which leads out of its folder"):
        unpack(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(unpack, tmp_path, kind):
    archive = tarred(tmp_path / "a.tar", {"a.jpg": b""}, kind)
    with pytest.raises(ValueError, match="which is a link, a device or encrypted"):
        unpack(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "7z", "tar.7z"])
@pytest.mark.parametrize("cut", [0.3, 0.6, 0.97])
def test_a_truncated_archive_is_refused(unpack, tmp_path, kind, cut):
    rng = np.random.default_rng(0)
    chips = {f"train-jpg/{number}.jpg": rng.bytes(3000) for number in range(4)}
    archive = tmp_path / f"a.{kind}"
    if kind == "tar.7z":
        inner = tarred(tmp_path / "inner", chips).read_bytes()
        (tmp_path / "inner").unlink()
        seven(archive, {"train-jpg.tar": inner[: int(cut * 4 * 3584)]})  # the archive is whole, what it holds is not
    else:
        {"zip": zipped, "tar": tarred, "tar.gz": tarred, "7z": seven}[kind](archive, chips)
        size = 4 * 3584 if kind == "tar" else archive.stat().st_size  # without the zeros at the end
        archive.write_bytes(archive.read_bytes()[: int(cut * size)])
    with pytest.raises(ValueError, match=rf"a\.{kind} is (damaged|not a zip)"):
        unpack(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "7z"])
@pytest.mark.parametrize("seed", range(20))
def test_damage_is_reported_or_changes_nothing(unpack, tmp_path, kind, seed):
    rng = np.random.default_rng(seed)
    chips = {f"train-jpg/{number}.jpg": rng.bytes(300) for number in range(4)}
    archive = {"zip": zipped, "tar.gz": tarred, "7z": seven}[kind](tmp_path / f"a.{kind}", chips)
    content = bytearray(archive.read_bytes())
    for place in rng.integers(len(content), size=3):
        content[place] ^= 1 << int(rng.integers(8))
    archive.write_bytes(content)
    try:
        unpack(archive, tmp_path / "out")
    except ValueError as error:
        assert archive.name in str(error)
        assert [path.name for path in tmp_path.iterdir()] == [archive.name]
        return
    files = {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in tmp_path.rglob("*.jpg")}
    assert list(files.values()) == list(chips.values()) or sorted(files.values()) == sorted(chips.values())


def test_a_file_that_is_not_an_archive_is_refused(unpack, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"<html>log in</html>")
    with pytest.raises(ValueError, match=r"a\.zip is not a zip, tar or 7z archive; remove it and download it again"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_an_encrypted_archive_is_refused(unpack, tmp_path):
    with py7zr.SevenZipFile(tmp_path / "a.7z", "w", password="secret") as archive:  # noqa: S106
        archive.writestr(b"x", "a.jpg")
    with pytest.raises(ValueError, match="is encrypted; unpack it yourself"):
        unpack(tmp_path / "a.7z", tmp_path / "out")


def test_an_archive_larger_than_the_disk_is_refused_before_it_is_unpacked(unpack, tmp_path, monkeypatch):
    archive = zipped(tmp_path / "a.zip", {"a.jpg": b"x" * 100})
    usage = preflight.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: usage._replace(free=99))
    with pytest.raises(OSError, match="no space left on device; make room"):
        unpack(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
