import json
import zipfile

import numpy as np
import pytest

from amazon_tags.model import bundle, decision_file
from amazon_tags.review import gallery
from amazon_tags.review.gallery import GalleryOptions, write_gallery
from amazon_tags.review.page_folder import folder_of
from amazon_tags.tables import labels, score_tables
from ensemble.decisions.decision import decide_tags, expected_f
from tests.amazon_tags.review.page_data import page_data


def test_a_page_has_the_scores_of_the_table_and_the_tags_of_decide(scored, tmp_path):
    page = tmp_path / "gallery.html"
    assert write_gallery(scored.table, [scored.chips], page) == 0

    data = page_data(page)
    _, decision = decision_file.read(bundle.DEFAULT / "decision.json")
    tags = decide_tags(decision, scored.scores)
    assert (data["names"], data["labels"]) == (scored.names, list(labels.PLANET.names))
    assert np.array_equal(data["scores"], scored.scores)
    assert np.array_equal(data["tags"], tags)
    assert np.array_equal(data["expected"], expected_f(decision, scored.scores, tags).astype(np.float32))
    assert not folder_of(page).exists()


def test_a_decision_of_ones_own_and_its_labels_count(scored, own_decision, tmp_path):
    space, file = own_decision("tree", "rock")
    score_tables.write_scores(scored.table, scored.names, scored.scores[:, :2], space)
    write_gallery(scored.table, [scored.chips], tmp_path / "g.html", GalleryOptions(decision=file))
    data = page_data(tmp_path / "g.html")
    assert data["labels"] == ["tree", "rock"]
    assert np.array_equal(data["tags"], scored.scores[:, :2] >= np.float32(0.2))


def test_neither_the_order_of_rows_nor_the_form_of_chips_and_table_nor_jobs_change_a_byte(
    scored, tmp_path, monkeypatch
):
    monkeypatch.setattr(gallery, "MAX_INLINE", 5)
    order = np.random.default_rng(0).permutation(len(scored.names))
    score_tables.write_scores(
        tmp_path / "b.parquet", [scored.names[row] for row in order], scored.scores[order], labels.PLANET
    )
    with zipfile.ZipFile(tmp_path / "chips.zip", "w") as archive:
        for path in scored.chips.iterdir():
            archive.write(path, path.name)

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write_gallery(scored.table, [scored.chips], tmp_path / "a" / "g.html")
    write_gallery(tmp_path / "b.parquet", [tmp_path / "chips.zip"], tmp_path / "b" / "g.html", GalleryOptions(jobs=3))

    files = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "a", tmp_path / "b")
    ]
    assert files[0] == files[1]
    assert len(files[0]) == 4  # the page, the marker, thumbnails and the full view


def test_a_smaller_page_leaves_no_pictures_of_a_larger_one(scored, tmp_path, monkeypatch):
    page = tmp_path / "g.html"
    monkeypatch.setattr(gallery, "MAX_INLINE", 5)
    write_gallery(scored.table, [scored.chips], page)
    assert list(folder_of(page).rglob("*.jpg"))
    monkeypatch.setattr(gallery, "MAX_INLINE", 500)
    write_gallery(scored.table, [scored.chips], page)
    assert not list(folder_of(page).rglob("*.jpg"))


def test_a_damaged_chip_has_its_reason_and_neither_scores_nor_tags(scored, tmp_path):
    (scored.chips / "sample_3.jpg").write_bytes(b"no picture")
    assert write_gallery(scored.table, [scored.chips], tmp_path / "g.html") == 1
    data = page_data(tmp_path / "g.html")
    assert list(data["errors"]) == ["3"]
    assert data["errors"]["3"].startswith("sample_3.jpg is not an image")
    assert np.isnan(data["scores"][3]).all()
    assert np.isnan(data["expected"][3])
    assert not data["tags"][3].any()
    assert not np.isnan(np.delete(data["scores"], 3, axis=0)).any()


def test_a_damaged_chip_needs_no_row(scored, tmp_path):
    (scored.chips / "sample_20.jpg").write_bytes(b"no picture")  # as predict --on-error skip leaves it out
    assert write_gallery(scored.table, [scored.chips], tmp_path / "g.html") == 1
    data = page_data(tmp_path / "g.html")
    assert data["names"] == [*scored.names, "sample_20"]
    assert list(data["errors"]) == ["12"]


def test_a_mismatch_of_chips_and_rows_is_refused_with_the_first_example(scored, tmp_path):
    (scored.chips / "sample_3.jpg").rename(scored.chips / "Sample_3.jpg")
    with pytest.raises(ValueError, match=r"1 of 12 chips are missing.*'sample_3'.*'Sample_3' is there"):
        write_gallery(scored.table, [scored.chips], tmp_path / "g.html")
    (scored.chips / "sample_3.jpg").write_bytes((scored.chips / "Sample_3.jpg").read_bytes())
    with pytest.raises(ValueError, match=r"1 of 13 chips have no row .*'Sample_3'.*'sample_3' is there"):
        write_gallery(scored.table, [scored.chips], tmp_path / "g.html")
    assert not (tmp_path / "g.html").exists()


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ("chips/sample_1.jpg", ValueError, "is one of the inputs and would be lost"),
        ("/dev/stdout", ValueError, "is no file, beside which pictures could lie"),
        ("g.files", ValueError, "ends as the folder of its pictures does"),
        ("foreign.html", FileExistsError, r"foreign\.files exists and is never overwritten"),
        ("missing/g.html", FileNotFoundError, "does not exist; create it first"),
    ],
)
def test_a_page_that_cannot_be_is_refused_before_any_chip_is_read(scored, tmp_path, place, error, message):
    (tmp_path / "foreign.files").mkdir()
    (tmp_path / "foreign.files" / "mine.txt").touch()
    scored.table.write_text("no table")  # which would be refused next
    with pytest.raises(error, match=message):
        write_gallery(scored.table, [scored.chips], tmp_path / place)


def test_predict_writes_the_page_that_gallery_makes_of_its_scores(scored, run, tmp_path):
    (scored.chips / "sample_3.jpg").write_bytes(b"no picture")
    options = ("--on-error", "skip", "--precision", "f32", "--scores", "s.csv", "--html", "run.html", "-o", "tags.csv")
    done = run("predict", scored.chips, *options, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert len((tmp_path / "tags.csv").read_text().splitlines()) == 12

    done = run("gallery", "s.csv", scored.chips, "-o", "gallery.html", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "1 of 12 chips cannot be used" in done.stderr
    assert (tmp_path / "run.html").read_bytes() == (tmp_path / "gallery.html").read_bytes()


def test_filled_rows_and_names_without_a_chip_have_no_picture(scored, run, tmp_path):
    (scored.chips / "sample_3.jpg").write_bytes(b"no picture")
    (tmp_path / "like.csv").write_text("image_name,tags\nsample_40,\nsample_3.jpg,\nsample_1.jpg,\n")
    options = ("--on-error", "fill", "--like", "like.csv", "--html", "run.html", "-o", "tags.csv")
    done = run("predict", scored.chips, *options, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    data = page_data(tmp_path / "run.html")
    assert data["names"] == ["sample_1", "sample_3", "sample_40"]
    assert sorted(data["errors"]) == ["1", "2"]
    assert np.isnan(data["scores"]).all(axis=1).tolist() == [False, True, True]


def test_a_page_of_vectors_is_refused(run, tmp_path):
    (tmp_path / "v.parquet").touch()
    done = run("predict", "--vectors", "v.parquet", "--html", "g.html", cwd=tmp_path)
    assert done.returncode == 2
    assert "--html cannot be used with vectors" in done.stderr


def test_hostile_labels_are_text(scored, own_decision, tmp_path):
    hostile = "</script><b>&'x"
    space, file = own_decision(hostile, "rock")
    score_tables.write_scores(scored.table, scored.names, scored.scores[:, :2], space)
    write_gallery(scored.table, [scored.chips], tmp_path / "g.html", GalleryOptions(decision=file))
    assert page_data(tmp_path / "g.html")["labels"][0] == hostile
    assert hostile not in (tmp_path / "g.html").read_text()
    assert json.loads(file.read_text())["labels"]["labels"][0] == hostile
