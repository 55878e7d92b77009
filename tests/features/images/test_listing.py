"""Test how chips of folders, files and archives are listed."""

import io
import os
import tarfile
import zipfile

import numpy as np
import pytest

from features.images import chips, listing, naming
from features.images.chips import ChipError


def touch(folder, *names):
    for name in names:
        (folder / name).touch()


def test_chips_are_listed_in_natural_order(tmp_path):
    touch(tmp_path, "train_10.jpg", "train_2.JPG", "train_1.png", "file_3.tiff", "10.tif", "9.jpeg", "a.jpg")
    names = [chip.name for chip in listing.chips([tmp_path])]
    assert names == ["9.jpeg", "10.tif", "a.jpg", "file_3.tiff", "train_1.png", "train_2.JPG", "train_10.jpg"]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_arguments_does_not_matter(tmp_path, seed):
    stems = ["a1", "a01", "a001", "a1b2", "a1b10", "b", "1", "01", "x²", "A1", "a", "-1"]
    touch(tmp_path, *(f"{stem}.jpg" for stem in stems))
    shuffled = [tmp_path / f"{stem}.jpg" for stem in np.random.default_rng(seed).permutation(stems)]
    assert list(listing.chips(shuffled)) == list(listing.chips([tmp_path]))


def test_other_files_hidden_files_and_subfolders_are_not_listed(tmp_path):
    touch(tmp_path, "a.jpg", ".hidden.jpg", "._a.jpg", "labels.csv", "a.jpg.part", "jpg")
    (tmp_path / "folder.jpg").mkdir()
    touch(tmp_path / "folder.jpg", "b.jpg")
    assert list(listing.chips([tmp_path])) == [tmp_path / "a.jpg"]


def test_pictures_of_other_formats_are_left_out_by_name(tmp_path):
    touch(tmp_path, "a.jpg", "c.webp", "b10.jp2", "b9.JFIF", "d.jpe", "labels.csv", ".e.webp", "a.jpg.aux.xml")
    assert listing.chips([tmp_path]).left_out == ("b9.JFIF", "b10.jp2", "c.webp", "d.jpe")
    archive = pack(tmp_path / "chips.zip", {"x/a.jpg": b"", "x/b.webp": b"", "x/c.txt": b""})
    assert listing.chips([archive]).left_out == ("b.webp",)


def test_a_zip_of_an_unusual_method_is_refused_by_its_name(tmp_path):
    path = pack(tmp_path / "chips.zip", {"a.jpg": b"content"})
    content = bytearray(path.read_bytes())
    for start, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(start) + place] = 9
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"chips.zip is packed by Deflate64 \(first: 'a.jpg'\), which is not read; unpack"
    ):
        listing.chips([path])


def test_files_that_are_named_are_listed_whatever_their_suffix(tmp_path):
    touch(tmp_path, "a", ".b.jpg", "c.webp")
    files = [tmp_path / name for name in (".b.jpg", "a", "c.webp")]
    assert list(listing.chips(files[::-1])) == files


def test_a_broken_link_is_listed_and_fails_when_it_is_read(tmp_path):
    (tmp_path / "a.jpg").symlink_to(tmp_path / "missing.jpg")
    (listed,) = listing.chips([tmp_path])
    with pytest.raises(FileNotFoundError):
        chips.read(listed)


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is neither a file nor a folder"):
        listing.chips([tmp_path / "nowhere"])


def test_a_folder_without_chips_is_refused(tmp_path):
    touch(tmp_path, "labels.csv")
    with pytest.raises(ValueError, match=r"holds no chips; expected files named \.jpg"):
        listing.chips([tmp_path])


def test_two_chips_of_the_same_name_are_refused(tmp_path):
    touch(tmp_path, "a.jpg", "b.jpg", "a.tif")
    with pytest.raises(ValueError, match=r"a\.jpg and .*a\.tif have the same name, a;"):
        listing.chips([tmp_path])


def test_two_chips_of_the_same_name_are_found_beside_a_similar_name(tmp_path):
    for folder, names in (("a", ["1.jpg", "01.jpg"]), ("b", ["1.jpg"])):
        (tmp_path / folder).mkdir()
        touch(tmp_path / folder, *names)
    with pytest.raises(ValueError, match="have the same name, 1;"):
        listing.chips([tmp_path / "a", tmp_path / "b"])


def test_a_file_that_is_listed_twice_is_refused(tmp_path):
    touch(tmp_path, "a.jpg")
    with pytest.raises(ValueError, match="have the same name, a;"):
        listing.chips([tmp_path, tmp_path / "a.jpg"])


@pytest.mark.parametrize("name", ["a\rb.jpg", "a\nb.jpg", os.fsdecode(b"a\xffb.jpg"), "a\x85b.jpg"])
def test_a_name_that_a_table_cannot_hold_is_refused(tmp_path, name):
    touch(tmp_path, "good.jpg", name)
    with pytest.raises(ValueError, match=r"1 of 2 chips have names .*first: 'a.*rename"):
        listing.chips([tmp_path])


def test_names_lose_every_image_suffix_and_must_differ_after_that(tmp_path):
    touch(tmp_path, "photo.tif.jpg", "other.PNG")
    assert [naming.name(path.name) for path in listing.chips([tmp_path])] == ["other", "photo"]
    touch(tmp_path, "photo.jpeg")
    with pytest.raises(ValueError, match="have the same name, photo;"):
        listing.chips([tmp_path])


def test_a_folder_of_folders_holds_no_chips(tmp_path):
    (tmp_path / "a.jpg").mkdir()
    with pytest.raises(ValueError, match="holds no chips"):
        listing.chips([tmp_path])


def test_a_folder_whose_subfolders_hold_chips_names_them(tmp_path):
    for name in ("Forest", "River", "empty"):
        (tmp_path / name).mkdir()
    touch(tmp_path / "Forest", "Forest_1.jpg", "Forest_2.jpg")
    touch(tmp_path / "River", "River_1.jpg")
    reason = (
        r"no chips in the folder itself, but 2 of its subfolders do \(first: .*Forest, with 2\); .*--labels folders"
    )
    with pytest.raises(ValueError, match=reason):
        listing.chips([tmp_path])
    assert listing.class_folders(tmp_path) == [tmp_path / "Forest", tmp_path / "River"]


@pytest.mark.parametrize(
    "name", ["a.jpg", " a.jpg ", "chips/a.tif", "c:\\chips\\a.tif.jpg", "a .png", "a\u00a0", "\ufeffa.JPG\n"]
)
def test_one_chip_has_one_name_however_it_is_written(name):
    assert naming.name(name) == naming.name(naming.name(name)) == "a"


def test_a_name_is_the_same_composed_and_decomposed(tmp_path):
    assert naming.name("Sa\u0303o_1.jpg") == naming.name("S\u00e3o_1") == "S\u00e3o_1"
    touch(tmp_path, "Sa\u0303o_1.jpg")
    assert listing.chips([tmp_path]).names() == ["S\u00e3o_1"]


# archives


def pack(path, files):
    """Write an archive of files, bytes by name."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("suffix", ["zip", "tar"])
def test_chips_of_an_archive_are_those_of_its_folder(world, tmp_path, suffix):
    files = listing.chips([world.test_jpg])
    contents = {f"deep/er/{path.name}": path.read_bytes() for path in files}
    archive = pack(tmp_path / f"chips.{suffix}", {**contents, "labels.csv": b"", "deep/.hidden.jpg": b""})
    archived = listing.chips([archive])
    assert archived.names() == files.names()
    for inside, path in zip(archived, files, strict=True):
        np.testing.assert_array_equal(chips.read(inside), chips.read(path))
    assert str(archived[0]) == f"{archive}:deep/er/{files[0].name}"
    assert list(archived.files()) == [archive]


def test_archives_folders_and_files_are_listed_in_one_order(tmp_path):
    (tmp_path / "folder").mkdir()
    touch(tmp_path / "folder", "c2.jpg", "c10.jpg")
    touch(tmp_path, "c1.jpg")
    archive = pack(tmp_path / "chips.zip", {"c3.jpg": b"", "c11.jpg": b""})
    paths = listing.chips([archive, tmp_path / "folder", tmp_path / "c1.jpg"])
    assert paths.names() == ["c1", "c2", "c3", "c10", "c11"]
    assert paths.take([4, 0]).names() == ["c11", "c1"]


def test_an_archive_is_recognised_by_its_content(world, tmp_path):
    path = listing.chips([world.test_jpg])[0]
    archive = pack(tmp_path / "chips.zip", {path.name: path.read_bytes()})
    assert listing.chips([archive.rename(tmp_path / "download")]).names() == [listing.name(path)]


@pytest.mark.parametrize(
    ("start", "kind"), [(b"\x1f\x8b", "gzip"), (b"BZh91", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"7z\xbc\xaf'\x1c", "7z")]
)
def test_archives_without_an_index_are_refused_with_advice(tmp_path, start, kind):
    (tmp_path / "chips.tar.x").write_bytes(start + b"\0" * 600)
    with pytest.raises(ValueError, match=f"is packed as a whole by {kind}, .* unpack it, or make a zip or plain tar"):
        listing.chips([tmp_path / "chips.tar.x"])


def test_a_link_inside_a_tar_is_refused(tmp_path):
    with tarfile.open(tmp_path / "chips.tar", "w") as archive:
        entry = tarfile.TarInfo("a.jpg")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(ValueError, match=r"holds a link, 'a\.jpg'"):
        listing.chips([tmp_path / "chips.tar"])


def test_an_encrypted_file_inside_a_zip_is_refused(tmp_path):
    archive = pack(tmp_path / "chips.zip", {"a.jpg": b"secret"})
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag of its entry in the index
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"holds an encrypted file, 'a\.jpg'"):
        listing.chips([archive])


@pytest.mark.parametrize("suffix", ["zip", "tar"])
def test_a_truncated_archive_is_refused_or_its_chip_is_named(world, tmp_path, suffix):
    contents = {path.name: path.read_bytes() for path in listing.chips([world.test_jpg])}
    archive = pack(tmp_path / f"chips.{suffix}", contents)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"chips\.(zip|tar)"):
        [chips.read(path) for path in listing.chips([archive])]


def test_a_damaged_index_of_an_archive_is_refused(tmp_path):
    (tmp_path / "chips.zip").write_bytes(b"PK\x03\x04" + bytes(600))
    with pytest.raises(ValueError, match=r"chips\.zip is a damaged archive \(.*\); download or create it again"):
        listing.chips([tmp_path / "chips.zip"])


def test_a_chip_that_is_damaged_inside_an_archive_is_named(world, tmp_path):
    path = listing.chips([world.test_jpg])[0]
    archive = pack(tmp_path / "chips.zip", {"a.jpg": path.read_bytes()})
    content = bytearray(archive.read_bytes())
    content[200:300] = bytes(100)
    archive.write_bytes(content)
    with pytest.raises(ChipError, match=r"chips\.zip:a\.jpg is damaged in its archive"):
        chips.read(listing.chips([archive])[0])


@pytest.mark.slow
def test_a_zip_bomb_is_not_unpacked(tmp_path):
    archive = pack(tmp_path / "chips.zip", {"a.tif": bytes(chips.MAX_FILE_BYTES + 1)})
    assert archive.stat().st_size < chips.MAX_FILE_BYTES // 100
    with pytest.raises(ChipError, match=r"a\.tif has over [\d,]+ bytes"):
        chips.read(listing.chips([archive])[0])


def test_an_archive_without_chips_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"chips\.zip holds no chips; expected files named .* in the archive"):
        listing.chips([pack(tmp_path / "chips.zip", {"labels.csv": b""})])
