"""TIFs that get the names of their JPGs."""

import sys

import pytest

from tests import competition as competitions


@pytest.fixture
def rename(monkeypatch):
    monkeypatch.syspath_prepend(competitions.SCRIPTS)
    import rename  # noqa: PLC0415  a script beside others

    yield rename.rename
    del sys.modules["rename"]


@pytest.fixture
def tifs(tmp_path):
    folder = tmp_path / "tifs"
    folder.mkdir()
    for name in ("test_0", "test_1", "file_2"):
        (folder / f"{name}.tif").write_text(name)
    return folder


def table(path, *rows):
    path.write_text("\n".join(["old,new", *rows]) + "\n")
    return path


def test_two_chips_may_exchange_their_names(rename, tifs, tmp_path):
    mapping = table(tmp_path / "m.csv", "test_0.tif, test_1.tif", "test_1.tif,test_0.tif", "elsewhere.tif,test_9.tif")
    assert rename(tifs, mapping, tmp_path / "out") == 2
    texts = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert texts == {"test_0.tif": "test_1", "test_1.tif": "test_0", "file_2.tif": "file_2"}
    assert (tifs / "test_0.tif").read_text() == "test_0"
    with pytest.raises(FileExistsError):
        rename(tifs, mapping, tmp_path / "out")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["test_0.tif,a.tif", "test_0.tif,b.tif"], "names test_0 2 times in its column old"),
        (["test_0.tif,a.tif", "test_1.tif,a.tif"], "names a 2 times in its column new"),
        (["test_0.tif,test_1.tif"], "gives two chips of .* the same name"),
        (["test_0.tif,/a.tif"], "gives a chip the name '/a', which no file can have"),
        (["test_0.tif,../a.tif"], "gives a chip the name"),
        (["test_0.tif,"], "gives a chip the name ''"),
        (["other.tif,a.tif"], "names none of the 3 chips of"),
    ],
)
def test_a_table_that_would_lose_a_chip_is_refused(rename, tifs, tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        rename(tifs, table(tmp_path / "m.csv", *rows), tmp_path / "out")
    assert not (tmp_path / "out").exists()
