"""Chips in folders, files and archives, in their order."""

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
def test_the_order_given_does_not_matter(tmp_path, seed):
    stems = ["a1", "a01", "a001", "a1b2", "a1b10", "b", "1", "01", "x²", "A1", "a", "-1"]
    touch(tmp_path, *(f"{stem}.jpg" for stem in stems))
    shuffled = [tmp_path / f"{stem}.jpg" for stem in np.random.default_rng(seed).permutation(stems)]
    assert list(listing.chips(shuffled)) == list(listing.chips([tmp_path]))


def test_a_folder_is_not_searched_for_what_is_no_chip(tmp_path):
    touch(tmp_path, "a.jpg", ".hidden.jpg", "._a.jpg", "labels.csv", "a.jpg.part", "jpg")
    (tmp_path / "folder.jpg").mkdir()
    touch(tmp_path / "folder.jpg", "b.jpg")
    assert list(listing.chips([tmp_path])) == [tmp_path / "a.jpg"]


def test_files_are_taken_whatever_they_are_called(tmp_path):
    touch(tmp_path, "a", ".b.jpg", "c.webp")
    files = [tmp_path / name for name in (".b.jpg", "a", "c.webp")]
    assert list(listing.chips(files[::-1])) == files


def test_a_chip_behind_a_broken_link_is_not_passed_over(tmp_path):
    (tmp_path / "a.jpg").symlink_to(tmp_path / "gone.jpg")
    (listed,) = listing.chips([tmp_path])
    with pytest.raises(FileNotFoundError):
        chips.read(listed)


def test_a_path_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is neither a file nor a folder"):
        listing.chips([tmp_path / "nowhere"])


def test_a_folder_without_chips_is_an_error(tmp_path):
    touch(tmp_path, "labels.csv")
    with pytest.raises(ValueError, match=r"holds no chips; needed are files named \.jpg"):
        listing.chips([tmp_path])


def test_two_chips_of_one_name_are_an_error(tmp_path):
    touch(tmp_path, "a.jpg", "b.jpg", "a.tif")
    with pytest.raises(ValueError, match=r"a\.jpg and .*a\.tif have one name, a;"):
        listing.chips([tmp_path])


def test_two_chips_of_one_name_are_found_past_a_lookalike(tmp_path):
    for folder, names in (("a", ["1.jpg", "01.jpg"]), ("b", ["1.jpg"])):
        (tmp_path / folder).mkdir()
        touch(tmp_path / folder, *names)
    with pytest.raises(ValueError, match="have one name, 1;"):
        listing.chips([tmp_path / "a", tmp_path / "b"])


def test_one_file_given_twice_is_an_error(tmp_path):
    touch(tmp_path, "a.jpg")
    with pytest.raises(ValueError, match="have one name, a;"):
        listing.chips([tmp_path, tmp_path / "a.jpg"])


@pytest.mark.parametrize("name", ["a\rb.jpg", "a\nb.jpg", os.fsdecode(b"a\xffb.jpg"), "a\x85b.jpg"])
def test_a_name_that_no_table_can_hold_is_refused(tmp_path, name):
    touch(tmp_path, "good.jpg", name)
    with pytest.raises(ValueError, match=r"1 of 2 chips have names .*first: 'a.*rename"):
        listing.chips([tmp_path])


def test_names_lose_every_image_suffix_and_must_differ_after_that(tmp_path):
    touch(tmp_path, "photo.tif.jpg", "other.PNG")
    assert [naming.name(path.name) for path in listing.chips([tmp_path])] == ["other", "photo"]
    touch(tmp_path, "photo.jpeg")
    with pytest.raises(ValueError, match="have one name, photo;"):
        listing.chips([tmp_path])


def test_a_folder_of_folders_holds_no_chips(tmp_path):
    (tmp_path / "a.jpg").mkdir()
    with pytest.raises(ValueError, match="holds no chips"):
        listing.chips([tmp_path])


# archives


def packed(path, held):
    """An archive of the files `held`, bytes by name."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in held.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w") as archive:
            for name, content in held.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("suffix", ["zip", "tar"])
def test_chips_of_an_archive_are_those_of_its_folder(world, tmp_path, suffix):
    files = listing.chips([world.test_jpg])
    held = {f"deep/er/{path.name}": path.read_bytes() for path in files}
    archive = packed(tmp_path / f"chips.{suffix}", {**held, "labels.csv": b"", "deep/.hidden.jpg": b""})
    found = listing.chips([archive])
    assert found.names() == files.names()
    for inside, path in zip(found, files, strict=True):
        np.testing.assert_array_equal(chips.read(inside), chips.read(path))
    assert str(found[0]) == f"{archive}:deep/er/{files[0].name}"
    assert list(found.files()) == [archive]


def test_archives_folders_and_files_stand_in_one_order(tmp_path):
    (tmp_path / "folder").mkdir()
    touch(tmp_path / "folder", "c2.jpg", "c10.jpg")
    touch(tmp_path, "c1.jpg")
    archive = packed(tmp_path / "chips.zip", {"c3.jpg": b"", "c11.jpg": b""})
    found = listing.chips([archive, tmp_path / "folder", tmp_path / "c1.jpg"])
    assert found.names() == ["c1", "c2", "c3", "c10", "c11"]
    assert found.take([4, 0]).names() == ["c11", "c1"]


def test_an_archive_is_known_by_its_content(world, tmp_path):
    path = listing.chips([world.test_jpg])[0]
    archive = packed(tmp_path / "chips.zip", {path.name: path.read_bytes()})
    assert listing.chips([archive.rename(tmp_path / "download")]).names() == [listing.name(path)]


@pytest.mark.parametrize(
    ("start", "kind"), [(b"\x1f\x8b", "gzip"), (b"BZh91", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"7z\xbc\xaf'\x1c", "7z")]
)
def test_what_is_packed_as_a_whole_is_refused_with_a_way_out(tmp_path, start, kind):
    (tmp_path / "chips.tar.x").write_bytes(start + b"\0" * 600)
    with pytest.raises(ValueError, match=f"is packed as a whole by {kind}, .* unpack it, or make a zip or plain tar"):
        listing.chips([tmp_path / "chips.tar.x"])


def test_a_link_inside_of_a_tar_is_refused(tmp_path):
    with tarfile.open(tmp_path / "chips.tar", "w") as archive:
        entry = tarfile.TarInfo("a.jpg")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(ValueError, match=r"holds a link, 'a\.jpg'"):
        listing.chips([tmp_path / "chips.tar"])


def test_an_encrypted_file_inside_of_a_zip_is_refused(tmp_path):
    archive = packed(tmp_path / "chips.zip", {"a.jpg": b"secret"})
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag of its entry in the index
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"holds an encrypted file, 'a\.jpg'"):
        listing.chips([archive])


@pytest.mark.parametrize("suffix", ["zip", "tar"])
def test_an_archive_that_was_cut_off_is_refused_or_names_the_chip(world, tmp_path, suffix):
    held = {path.name: path.read_bytes() for path in listing.chips([world.test_jpg])}
    archive = packed(tmp_path / f"chips.{suffix}", held)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"chips\.(zip|tar)"):
        [chips.read(place) for place in listing.chips([archive])]


def test_a_chip_that_is_damaged_inside_of_an_archive_is_named(world, tmp_path):
    path = listing.chips([world.test_jpg])[0]
    archive = packed(tmp_path / "chips.zip", {"a.jpg": path.read_bytes()})
    content = bytearray(archive.read_bytes())
    content[200:300] = bytes(100)
    archive.write_bytes(content)
    with pytest.raises(ChipError, match=r"chips\.zip:a\.jpg is damaged in its archive"):
        chips.read(listing.chips([archive])[0])


def test_a_bomb_is_not_unpacked(tmp_path):
    archive = packed(tmp_path / "chips.zip", {"a.tif": bytes(chips.FILE + 1)})
    assert archive.stat().st_size < chips.FILE // 100
    with pytest.raises(ChipError, match=r"a\.tif has over [\d,]+ bytes"):
        chips.read(listing.chips([archive])[0])


def test_an_archive_without_chips_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"chips\.zip holds no chips; needed are files named .* in the archive"):
        listing.chips([packed(tmp_path / "chips.zip", {"labels.csv": b""})])
