import io
import string
import time

import numpy as np
import pytest

from amazon_tags.tables import label_tables, labels, score_tables
from amazon_tags.tables.columns import select
from amazon_tags.tables.labels import LabelSpace

SKY = LabelSpace("sky", ("sun", "rain", "road"))


def written(ids, tags, space):
    stream = io.StringIO()
    label_tables.write_tags(stream, ids, tags, space)
    return stream.getvalue()


def read(tmp_path, text, space=labels.PLANET):
    (tmp_path / "t.csv").write_bytes(text.encode())
    return label_tables.read_labels(tmp_path / "t.csv", space)


def some_ids(rng, count):
    """Distinct names with everything in them that a CSV must quote."""
    letters = np.array([*string.ascii_letters, *' ,;"_-.é'])
    return [f"{row}{''.join(rng.choice(letters, 8))}x" for row in range(count)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("density", [0, 0.2, 1])
def test_tags_that_are_written_read_back_the_same(tmp_path, seed, density):
    rng = np.random.default_rng(seed)
    ids = some_ids(rng, 50)
    tags = rng.random((50, 17)) < density
    table = read(tmp_path, written(ids, tags, labels.PLANET))
    assert table.ids == ids
    np.testing.assert_array_equal(table.truth, tags)


def test_a_submission_looks_as_the_competition_has_it():
    tags = np.array([[True, False, True], [False, False, False]])
    assert written(["test_0", "file_1"], tags, SKY) == "image_name,tags\ntest_0,sun road\nfile_1,\n"


@pytest.mark.parametrize("seed", range(3))
def test_a_permuted_label_order_permutes_the_columns(tmp_path, seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(17)
    other = LabelSpace("other", tuple(labels.PLANET.names[place] for place in order))
    text = written(some_ids(rng, 9), rng.random((9, 17)) < 0.3, labels.PLANET)
    np.testing.assert_array_equal(read(tmp_path, text, other).truth, read(tmp_path, text).truth[:, order])


@pytest.mark.parametrize(
    ("ids", "tags", "reason"),
    [
        (["a"], np.zeros((2, 3), bool), r"tags have shape \(2, 3\), needed \(1, 3\)"),
        (["a"], np.zeros((1, 2), bool), r"needed \(1, 3\)"),
        (["a"], np.zeros((1, 3)), "needed bool"),
        (["a", "a"], np.zeros((2, 3), bool), "1 images are repeated"),
    ],
)
def test_tags_that_fit_no_table_are_not_written(ids, tags, reason):
    stream = io.StringIO()
    with pytest.raises(ValueError, match=reason):
        label_tables.write_tags(stream, ids, tags, SKY)
    assert stream.getvalue() == ""


def test_what_people_leave_in_a_table_is_kept_and_counted(tmp_path):
    table = read(
        tmp_path,
        "image_name,tags\r\n"
        "whole.jpg,clear primary\r\n"
        "twice.TIF,cultivation clear  cultivation \r\n"
        "empty,\r\n"
        "none.png,water\r\n"
        "both,clear haze\r\n"
        "crowd,cloudy primary\r\n"
        "again,haze haze haze\r\n",
    )
    assert table.ids == ["whole", "twice", "empty", "none", "both", "crowd", "again"]
    assert labels.decode(labels.PLANET, table.truth[1]) == ["clear", "cultivation"]
    assert labels.decode(labels.PLANET, table.truth[4]) == ["clear", "haze"]
    assert table.remarks == (
        "2 of 7 rows: a tag repeated (first: twice, line 3)",
        "1 of 7 rows: no tags (first: empty, line 4)",
        "1 of 7 rows: none of clear, partly_cloudy, cloudy, haze (first: none, line 5)",
        "1 of 7 rows: more than one of clear, partly_cloudy, cloudy, haze (first: both, line 6)",
        "1 of 7 rows: cloudy together with other tags (first: crowd, line 7)",
    )


def test_a_table_without_fault_has_no_remarks(tmp_path):
    assert read(tmp_path, "image_name,tags\na,clear\nb,cloudy\n").remarks == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "a,clear\nb,agricultre\nc,agricultre Clear\n",
            r"line 3: 'agricultre' .*\(did you mean agriculture\?\); 2 of 3",
        ),
        ("a,clear zebra\n", "line 2: 'zebra' is no label of 'planet'; 1 of 1 rows.*--labels table, or a TOML"),
        ('a,"clear,primary"\n', r"'clear,primary' .*Separate tags by spaces\."),
        ("a,clear;primary\n", r"Separate tags by spaces\."),
        ("a,clear\nb,haze\na,clear\nb,haze\n", "2 images are repeated .first: 'a' in lines 2 and 4"),
        ("a.jpg,clear\na.tif,clear\n", "1 images are repeated .first: 'a' in lines 2 and 3"),
        ("a,clear\n,clear\n", "line 3: image_name is empty"),
        (".jpg,clear\n", "line 2: image_name is empty"),
    ],
)
def test_a_label_table_that_cannot_be_meant_is_refused(tmp_path, text, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        read(tmp_path, "image_name,tags\n" + text)
    assert str(caught.value).startswith(str(tmp_path / "t.csv"))
    assert "\n" not in str(caught.value)


def test_the_sample_submission_gives_its_names_in_its_order(tmp_path):
    (tmp_path / "sample.csv").write_text("image_name,tags\ntest_10,primary clear\ntest_2.jpg,any words\nfile_1,\n")
    assert label_tables.read_ids(tmp_path / "sample.csv") == ["test_10", "test_2", "file_1"]


@pytest.mark.parametrize("seed", range(3))
def test_selected_places_hold_what_was_wanted(seed):
    rng = np.random.default_rng(seed)
    ids = [f"test_{number}" for number in rng.permutation(100)]
    wanted = rng.choice(ids, 30).tolist()
    assert [ids[place] for place in select(ids, wanted)] == wanted


def test_selecting_nothing_gives_places_of_the_right_kind():
    assert select(["a"], []).dtype == np.intp


def test_what_is_not_there_cannot_be_selected():
    with pytest.raises(ValueError, match=r"2 of 3 wanted chips are missing from the 2 given \(first: 'c'\)"):
        select(["a", "b"], ["a", "c", "d"])
    with pytest.raises(ValueError, match=r"1 images are repeated .first: 'a' in rows 0 and 1"):
        select(["a", "a"], ["a"])


def some_scores(rng, rows, columns):
    """float32 in [0, 1] of every magnitude, the ends, and those that decimals lose when they are rounded twice."""
    bits = rng.integers(0, np.float32(1).view(np.uint32) + 1, (rows, columns), dtype=np.uint32)
    scores = bits.view(np.float32)
    hard = np.float32(7.038531e-26)
    special = [0, -0.0, 1, np.nextafter(np.float32(1), np.float32(0)), 1e-45, hard, np.nextafter(hard, np.float32(0))]
    scores.flat[: len(special)] = special
    return scores


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".CSV"])
@pytest.mark.parametrize("seed", range(4))
def test_scores_that_are_written_read_back_to_the_bit(tmp_path, suffix, seed):
    rng = np.random.default_rng(seed)
    ids, scores = some_ids(rng, 500), some_scores(rng, 500, 17)
    path = tmp_path / f"scores{suffix}"
    score_tables.write_scores(path, ids, scores, labels.PLANET)
    for space in (labels.PLANET, None):
        back_ids, back, names = score_tables.read_scores(path, space)
        assert back_ids == ids
        assert names == labels.PLANET.names
        assert back.dtype == np.float32 and back.flags.c_contiguous
        np.testing.assert_array_equal(back.view(np.uint32), scores.view(np.uint32))


def test_decimals_that_a_double_rounds_wrongly_are_written_longer():
    near = np.float32(7.038531e-26).view(np.uint32) + np.arange(-50, 51)
    scores = near.astype(np.uint32).view(np.float32).reshape(-1, 1)
    texts = score_tables._decimals(scores)
    back = np.array([float(text) for text in texts.flat], dtype=np.float32)
    np.testing.assert_array_equal(back, scores.ravel())
    assert max(map(len, texts.flat)) > 14 > np.median([len(text) for text in texts.flat])


def test_scores_in_csv_are_as_short_as_they_can_be(tmp_path):
    score_tables.write_scores(tmp_path / "s.csv", ["a"], np.array([[0.1, 1, 0.33333334]], np.float32), SKY)
    assert (tmp_path / "s.csv").read_bytes() == b"image_name,sun,rain,road\na,0.1,1.0,0.33333334\n"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_same_scores_are_the_same_bytes(tmp_path, suffix):
    rng = np.random.default_rng(0)
    scores = rng.random((20, 3), np.float32)
    for name in "ab":
        score_tables.write_scores(tmp_path / f"{name}.{suffix}", [str(row) for row in range(20)], scores, SKY)
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_columns_in_any_order_come_in_the_order_of_the_space(tmp_path, suffix):
    path = tmp_path / f"s.{suffix}"
    score_tables.write_scores(
        path, ["a"], np.array([[0.1, 0.2, 0.3]], np.float32), LabelSpace("o", ("road", "sun", "rain"))
    )
    _, scores, names = score_tables.read_scores(path, SKY)
    assert names == SKY.names
    np.testing.assert_array_equal(scores, np.array([[0.2, 0.3, 0.1]], np.float32))
    assert score_tables.read_scores(path)[2] == ("road", "sun", "rain")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (
            ("sun", "rain"),
            r"1 label columns are missing \(first: 'road'\); needed image_name and the 3 labels of 'sky'",
        ),
        (("sun", "rain", "road", "sea"), r"1 label columns are unknown \(first: 'sea'\)"),
        (("sun", "rain", "raod"), r"missing \(first: 'road' \(did you mean raod\?\)\) and 1 label columns are unknown"),
    ],
)
def test_scores_of_other_labels_are_refused(tmp_path, suffix, names, reason):
    path = tmp_path / f"s.{suffix}"
    score_tables.write_scores(path, ["a"], np.zeros((1, len(names)), np.float32), LabelSpace("o", names))
    with pytest.raises(ValueError, match=reason):
        score_tables.read_scores(path, SKY)


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf, -0.1, 1.001, 3.5])
def test_scores_outside_0_to_1_are_neither_written_nor_read(tmp_path, score):
    scores = np.array([[0.5, 0.5, 0.5], [0.5, score, score]], np.float32)
    with pytest.raises(ValueError, match=r"2 scores are not in \[0, 1\] \(first: .* for rain of 'b'\)"):
        score_tables.write_scores(tmp_path / "s.csv", ["a", "b"], scores, SKY)
    assert not (tmp_path / "s.csv").exists()
    (tmp_path / "s.csv").write_text(f"image_name,sun,rain,road\na,0,1,0.5\nb,0.5,{score},{score}\n")
    with pytest.raises(ValueError, match=r"s.csv: 2 scores are not in \[0, 1\] \(first: .* for rain of 'b'\)"):
        score_tables.read_scores(tmp_path / "s.csv", SKY)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("image_name,sun,rain,road\na,0,1,high\n", "line 2: could not convert string to float: 'high'; needed a score"),
        ("image_name,sun,rain,road\na,0,,1\n", "line 2: could not convert"),
        ("image_name,sun,rain,road\na,0,1,0\na,0,1,0\n", "1 images are repeated .first: 'a' in lines 2 and 3"),
        ("image_name,sun,sun,road\na,0,1,0\n", "'sun' stands there twice"),
        ("image_name;sun;rain;road\na;0;1;0\n", "semicolons"),
        ("image_name,sun,rain,road\n", "no rows"),
        ("name,sun,rain,road\na,0,0,0\n", "the column image_name is missing"),
    ],
)
def test_a_score_table_that_cannot_be_meant_is_refused(tmp_path, text, reason):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(ValueError, match=reason):
        score_tables.read_scores(tmp_path / "s.csv", SKY)


@pytest.mark.parametrize("text", ["image_name\na\n", "image_name,,sun\na,1,0\n"])
def test_a_table_whose_columns_are_no_labels_is_refused(tmp_path, text):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(ValueError, match=r"s.csv: label space 's'"):
        score_tables.read_scores(tmp_path / "s.csv")


def test_parquet_of_others_is_read_and_checked(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "s.parquet"
    good = {"rain": pa.array([0.25, 1.0]), "image_name": ["a.jpg", "b"], "sun": [0, 1], "road": pa.array([0.5, 0.0])}
    parquet.write_table(pa.table(good), path)
    ids, scores, _ = score_tables.read_scores(path, SKY)
    assert ids == ["a", "b"]
    np.testing.assert_array_equal(scores, np.array([[0, 0.25, 0.5], [1, 1, 0]], np.float32))
    for change, reason in [
        ({"sun": ["x", "y"]}, "'sun' is of string, needed numbers"),
        ({"sun": [0.5, None]}, r"1 scores are not in \[0, 1\] \(first: nan for sun of 'b'\)"),
        ({"image_name": ["a", None]}, "image_name has rows that are empty"),
        ({"image_name": ["a", "a.png"]}, "1 images are repeated"),
        ({"image_name": [1, 2]}, "image_name has rows that are empty or no text"),
        ({"__index_level_0__": [0, 1]}, "1 label columns are unknown"),
    ]:
        parquet.write_table(pa.table({**good, **change}), path)
        with pytest.raises(ValueError, match=reason):
            score_tables.read_scores(path, SKY)
    parquet.write_table(pa.table({"sun": [0.5]}), path)
    with pytest.raises(ValueError, match="needed image_name and each label once"):
        score_tables.read_scores(path)
    parquet.write_table(pa.table(good).slice(0, 0), path)
    with pytest.raises(ValueError, match="has no rows"):
        score_tables.read_scores(path)


@pytest.mark.parametrize("keep", [4, 40, -1])
def test_a_cut_parquet_file_is_refused(tmp_path, keep):
    path = tmp_path / "s.parquet"
    score_tables.write_scores(path, ["a"], np.zeros((1, 3), np.float32), SKY)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"s.parquet is damaged"):
        score_tables.read_scores(path)


def test_scores_are_read_by_content_not_by_name(tmp_path):
    score_tables.write_scores(tmp_path / "s.parquet", ["a"], np.ones((1, 3), np.float32), SKY)
    (tmp_path / "s.parquet").rename(tmp_path / "s.csv")
    assert score_tables.read_scores(tmp_path / "s.csv", SKY)[0] == ["a"]


@pytest.mark.parametrize("name", ["s.tsv", "s.xlsx", "s.csv.gz"])
def test_an_unknown_format_of_scores_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"needed \.csv or \.parquet"):
        score_tables.write_scores(tmp_path / name, ["a"], np.ones((1, 3), np.float32), SKY)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_scores_that_cannot_be_written_leave_the_old_table(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"s.{suffix}"
    score_tables.write_scores(path, ["a"], np.ones((1, 3), np.float32), SKY)
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space left"):
        score_tables.write_scores(path, ["b"], np.zeros((1, 3), np.float32), SKY)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.real
def test_the_real_label_table_reads_with_its_faults_counted(real):
    start = time.process_time()
    table = label_tables.read_labels(real / "planet" / "train_v2_all_labels.csv", labels.PLANET)
    assert time.process_time() - start < 4  # measured 0.2 s; a bound against quadratic work, not a benchmark
    assert table.truth.shape == (40118, 17)
    assert [remark.split(" (first")[0] for remark in table.remarks] == [
        "72 of 40118 rows: a tag repeated",
        "1 of 40118 rows: none of clear, partly_cloudy, cloudy, haze",
    ]
    assert "train_24448" in table.remarks[1]
    assert table.truth.any(axis=0).all()


@pytest.mark.real
@pytest.mark.parametrize("name", ["planet/train_v2.csv", "ucm/labels.csv", "predictions/resnet_valid_labels.csv"])
def test_real_tables_are_written_as_they_were_read(real, tmp_path, name):
    space = labels.choose("table", real / name)
    table = label_tables.read_labels(real / name, space)
    text = written(table.ids, table.truth, space)
    again = read(tmp_path, text, space)
    assert again.ids == table.ids
    np.testing.assert_array_equal(again.truth, table.truth)
    assert written(again.ids, again.truth, space) == text


@pytest.mark.real
def test_real_scores_come_in_the_order_of_the_space(real):
    path = real / "predictions" / "resnet_valid_scores.csv"
    ids, scores, names = score_tables.read_scores(path, labels.PLANET)
    _, raw, order = score_tables.read_scores(path)
    assert ids == label_tables.read_labels(real / "predictions" / "resnet_valid_labels.csv", labels.PLANET).ids
    assert names == labels.PLANET.names != order
    assert scores.shape == (4096, 17)
    for name in names:
        np.testing.assert_array_equal(scores[:, names.index(name)], raw[:, order.index(name)])


def test_a_tag_in_doubt_neither_holds_nor_fails_where_doubts_are_allowed(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("image_name,tags\na,clear primary? road\nb,cloudy road? road\n")
    table = label_tables.read_labels(path, labels.PLANET, allow_unknown=True)
    assert [labels.decode(labels.PLANET, row) for row in table.truth] == [["clear", "road"], ["cloudy", "road"]]
    assert [labels.decode(labels.PLANET, row) for row in table.unknown] == [
        ["primary"],
        [],
    ]  # what also holds is no doubt
    with pytest.raises(ValueError, match=r"line 2: 'primary\?' is no label of 'planet' .did you mean primary"):
        label_tables.read_labels(path, labels.PLANET)
    assert labels.from_table(path).names == ("clear", "cloudy", "primary", "road")
