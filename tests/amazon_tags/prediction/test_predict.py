import json

import numpy as np
import pytest

from amazon_tags.model import bundle, training_record
from amazon_tags.prediction.fill import fill_scores
from amazon_tags.prediction.predict import find_chips, predict_chips
from amazon_tags.prediction.submission import OutputPaths, write_submission
from amazon_tags.prediction.tag_chips import TagOptions, tag_chips
from amazon_tags.tables import labels, score_tables, truth_tables
from amazon_tags.tables.check import check_table
from ensemble.decisions.decision import decide_tags, expected_f, flat_decision
from features.images import chips, views
from features.images.chips import ChipError
from tests import world as worlds


@pytest.fixture(scope="module")
def opened(model):
    return bundle.load(model)


def whole(parts):
    parts = list(parts)
    return [name for part in parts for name in part.ids], np.concatenate([part.scores for part in parts])


def test_scores_are_those_of_the_bundle_and_tags_those_of_its_thresholds(world, opened):
    paths = find_chips([world.train_jpg])
    pixels = np.stack([chips.load(path, opened.spec) for path in paths])
    expected = opened.scores([network(pixels)[np.newaxis] for network in opened.networks])
    parts = list(predict_chips(paths, opened))
    ids, scores = whole(parts)
    assert ids == [path.stem for path in paths]
    np.testing.assert_array_equal(scores, expected)
    np.testing.assert_array_equal(np.concatenate([part.tags for part in parts]), scores >= opened.decision.thresholds)


def test_eight_views_are_the_mean_over_chips_turned_beforehand(world, opened):
    paths = find_chips([world.test_jpg])
    _, scores = whole(predict_chips(paths, opened, views=8))
    pixels = np.stack([chips.load(path, opened.spec) for path in paths])
    values = [np.stack([network(views.view(pixels, turn)) for turn in range(8)]) for network in opened.networks]
    np.testing.assert_allclose(scores, opened.scores(values), atol=1e-6)


def test_a_turned_chip_has_the_same_scores_in_eight_views(world, opened, tmp_path):
    path = find_chips([world.test_jpg])[0]
    for turn in range(3):
        turned = views.view(chips.read(path), turn)
        (tmp_path / f"turn_{turn}.tif").write_bytes(tif(turned))
    _, scores = whole(predict_chips(find_chips([tmp_path]), opened, views=8))
    np.testing.assert_allclose(scores, np.broadcast_to(scores[0], scores.shape), atol=1e-5)


def tif(pixels):
    import rasterio  # noqa: PLC0415
    from rasterio.io import MemoryFile  # noqa: PLC0415

    layout = {"count": 3, "width": pixels.shape[1], "height": pixels.shape[0], "dtype": pixels.dtype}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", transform=rasterio.Affine(2, 0, 0, 0, 2, 0), **layout) as raster:
            raster.write(np.moveaxis(pixels, -1, 0))
        return bytes(memory.read())


def test_a_chip_as_tif_has_nearly_the_scores_that_it_has_as_jpg(world, opened):
    """The world's TIFs hold the sensor's levels behind the very curve that the mapping knows."""
    tifs = find_chips([world.train_tif])
    jpgs = [world.train_jpg / f"{path.stem}.jpg" for path in tifs]
    (_, of_tifs), (_, of_jpgs) = whole(predict_chips(tifs, opened)), whole(predict_chips(jpgs, opened))
    assert len(tifs) == worlds.TIFS
    assert np.abs(of_tifs - of_jpgs).mean() < 0.02


def test_rows_come_before_all_chips_are_read(world, opened):
    source = find_chips([world.test_jpg])[0]
    paths = [source] * 400
    parts = predict_chips(paths, opened, jobs=1)
    assert next(parts).ids == [source.stem] * 16
    parts.close()


def test_writing_gives_scores_that_read_back_and_counts_failures(world, opened, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    paths = [*find_chips([world.test_jpg]), tmp_path / "bad.jpg"]
    places = OutputPaths(tmp_path / "tags.csv", tmp_path / "scores.parquet", tmp_path / "errors.jsonl")
    places.refuse()
    tagged = predict_chips(paths, opened, tolerant=True)
    fill = fill_scores(opened)
    assert write_submission(tagged, opened.space, places, fill=fill, total=len(paths)) == 1
    ids, scores, names = score_tables.read_scores(tmp_path / "scores.parquet", opened.space)
    assert ids == [path.stem for path in paths]
    assert names == opened.space.names
    np.testing.assert_array_equal(scores[-1], fill)
    table = truth_tables.read_truth(tmp_path / "tags.csv", opened.space)
    np.testing.assert_array_equal(table.truth[:-1], opened.decide(scores[:-1]))
    np.testing.assert_array_equal(table.truth[-1], opened.common)
    assert "bad.jpg" in (tmp_path / "errors.jsonl").read_text()
    output = capsys.readouterr()
    assert output.out == ""
    mean = expected_f(opened.decision, scores[:-1], table.truth[:-1]).mean()
    assert f"11 chips; expected F {mean:.3f} over the 10 that could be used, without the 1 filled" in output.err


def test_a_sample_submission_gives_its_rows_in_its_order_and_spelling(world, opened, tmp_path):
    names = ["test_3.jpg", "test_1 ", "chips/test_2.tif"]
    (tmp_path / "like.csv").write_text("\n".join(["image_name,tags", *(f"{name}," for name in names)]))
    options = TagOptions(like=tmp_path / "like.csv")
    tag_chips([world.test_jpg], OutputPaths(tmp_path / "tags.csv", tmp_path / "scores.csv"), options=options)
    for table in ("tags.csv", "scores.csv"):
        rows = (tmp_path / table).read_text().splitlines()[1:]
        assert [row.split(",")[0] for row in rows] == names
    report = check_table(tmp_path / "tags.csv", opened.space, like=tmp_path / "like.csv")
    assert not [finding for finding in report.findings if "name" in finding.problem]
    assert truth_tables.read_truth(tmp_path / "tags.csv", opened.space).ids == ["test_3", "test_1", "test_2"]


def test_chips_that_are_all_damaged_still_give_a_table(opened, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    places = OutputPaths(tmp_path / "tags.csv", tmp_path / "scores.csv", tmp_path / "errors.jsonl")
    tagged = predict_chips([tmp_path / "bad.jpg"], opened, tolerant=True)
    assert write_submission(tagged, opened.space, places, total=1) == 1
    assert (tmp_path / "tags.csv").read_text() == "image_name,tags\n"
    assert (tmp_path / "scores.csv").read_text().count("\n") == 1


def test_a_damaged_chip_keeps_its_row_and_changes_no_other(world, opened, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    good = list(find_chips([world.test_jpg]))
    paths = [*good[:3], tmp_path / "bad.jpg", *good[3:]]
    (part,), (expected,) = predict_chips(paths, opened, tolerant=True), predict_chips(good, opened)
    others = [0, 1, 2, *range(4, len(paths))]
    assert part.ids == [path.stem for path in paths]
    assert part.files == [str(path) for path in paths]
    assert [row for row, error in enumerate(part.errors) if error is not None] == [3]
    assert part.usable.tolist() == [row != 3 for row in range(len(paths))]
    assert (part.scores[3].max(), part.expected_f[3], np.isnan(part.band_statistics[3]).all()) == (0, 0, True)
    np.testing.assert_array_equal(part.tags[3], opened.common)
    for name in ("scores", "tags", "expected_f", "band_statistics"):
        assert getattr(part, name)[others].tobytes() == getattr(expected, name).tobytes(), name


def test_skip_and_fill_write_the_same_rows_of_the_usable_chips(world, opened, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    good = list(find_chips([world.test_jpg]))
    tables = []
    for fill in (None, fill_scores(opened)):
        parts = predict_chips([*good[:3], tmp_path / "bad.jpg", *good[3:]], opened, tolerant=True)
        assert write_submission(parts, opened.space, OutputPaths(tmp_path / "tags.csv"), fill=fill) == 1
        tables.append((tmp_path / "tags.csv").read_text().splitlines())
    filled = tables[1].pop(4)
    assert tables[0] == tables[1]
    assert filled == f"bad,{' '.join(labels.decode(opened.space, opened.common))}"


def test_filled_scores_are_the_rates_of_the_training_chips_which_decide_to_common_tags(world, opened):
    truth = truth_tables.read_truth(world.labels, opened.space).truth
    fill = fill_scores(opened)
    np.testing.assert_allclose(fill, truth.mean(axis=0), rtol=1e-6)
    flat = flat_decision(len(fill), rules=opened.decision.rules)
    np.testing.assert_array_equal(decide_tags(flat, fill[np.newaxis])[0], opened.common)


def test_a_bundle_without_a_record_of_its_chips_fills_with_its_common_tags(opened, monkeypatch):
    monkeypatch.setattr(training_record, "read", lambda folder: None)
    np.testing.assert_array_equal(fill_scores(opened), opened.common)


def test_filling_alone_gives_no_expected_f(opened, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    tagged = predict_chips([tmp_path / "bad.jpg"], opened, tolerant=True)
    write_submission(tagged, opened.space, OutputPaths(tmp_path / "tags.csv"), fill=fill_scores(opened))
    assert "1 chips, of which none could be used" in capsys.readouterr().err


@pytest.mark.parametrize("checkpoint", [None, "checkpoint"])
def test_chips_that_only_the_sample_names_are_filled_in_its_order(world, opened, tmp_path, checkpoint):
    names = ["first", "test_3", "test_1", "between", "test_9", "last", "very_last"]
    like, rows = tmp_path / "sample.csv", OutputPaths(tmp_path / "tags.csv", tmp_path / "s.csv", tmp_path / "e.jsonl")
    like.write_text("image_name,tags\n" + "".join(f"{name},\n" for name in names))
    options = TagOptions(like, precision="f32", on_error="fill", checkpoint=checkpoint and tmp_path / checkpoint)
    summary = tag_chips([world.test_jpg], rows, model=opened.folder, options=options)
    assert (summary.chips, summary.unusable) == (7, 4)
    errors = [json.loads(line) for line in rows.errors.read_text().splitlines()]
    assert [entry["file"] for entry in errors] == ["first", "between", "last", "very_last"]
    assert {entry["error"] for entry in errors} == {f"is named in {like} but is not among the chips"}

    table, (ids, scores, _) = truth_tables.read_truth(rows.tags, opened.space), score_tables.read_scores(rows.scores)
    assert table.ids == ids == names
    there = [1, 2, 4]
    alone = predict_chips([world.test_jpg / f"{names[row]}.jpg" for row in there], opened)
    np.testing.assert_array_equal(scores[there], whole(alone)[1])
    np.testing.assert_array_equal(scores[[0, 3, 5, 6]], np.tile(fill_scores(opened), (4, 1)))
    np.testing.assert_array_equal(table.truth[[0, 3, 5, 6]], np.tile(opened.common, (4, 1)))


def test_a_sample_that_names_no_chip_at_all_is_refused(world, opened, tmp_path):
    like = tmp_path / "sample.csv"
    like.write_text("image_name,tags\nother,\n")
    options = TagOptions(like, on_error="fill")
    with pytest.raises(ValueError, match="1 of 1 chips are missing"):
        tag_chips([world.test_jpg], OutputPaths(tmp_path / "tags.csv"), model=opened.folder, options=options)


def test_a_failure_leaves_no_table(opened, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    places = OutputPaths(tmp_path / "tags.csv", tmp_path / "scores.csv")
    with pytest.raises(ChipError):
        write_submission(predict_chips([tmp_path / "bad.jpg"], opened), opened.space, places, total=1)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.jpg"]
