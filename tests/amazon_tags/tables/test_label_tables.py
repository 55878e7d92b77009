import io
import string
import time

import numpy as np
import pytest

from amazon_tags.tables import label_tables, labels, truth_tables
from amazon_tags.tables.labels import LabelSpace

SKY = LabelSpace("sky", ("sun", "rain", "road"))


def written(ids, tags, space):
    stream = io.StringIO()
    label_tables.write_tags(stream, ids, tags, space)
    return stream.getvalue()


def read(tmp_path, text, space=labels.PLANET):
    (tmp_path / "t.csv").write_bytes(text.encode())
    return truth_tables.read_truth(tmp_path / "t.csv", space)


def some_ids(rng, count):
    """Return distinct names with all characters that a CSV must quote."""
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


def test_a_submission_has_the_competitions_format():
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
def test_tags_of_a_wrong_shape_or_type_are_not_written(ids, tags, reason):
    stream = io.StringIO()
    with pytest.raises(ValueError, match=reason):
        label_tables.write_tags(stream, ids, tags, SKY)
    assert stream.getvalue() == ""


def test_rows_that_break_rules_are_kept_and_counted(tmp_path):
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


def test_a_table_without_problems_has_no_remarks(tmp_path):
    assert read(tmp_path, "image_name,tags\na,clear\nb,cloudy\n").remarks == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "a,clear\nb,agricultre\nc,agricultre Clear\n",
            r"line 3: 'agricultre' .*\(did you mean agriculture\?\); 2 of 3",
        ),
        ("a,clear no_road\n", "line 2: 'no_road' is not a label of 'planet'; 1 of 1 rows"),
        ("a,clear zebra\n", "line 2: 'zebra' is not a label of 'planet'; 1 of 1 rows.*--labels table, or a TOML"),
        ('a,"clear,forest"\n', r"'clear,forest' .*Separate tags by spaces\."),
        ("a,clear;no_road\n", r"Separate tags by spaces\."),
        ("a,clear\nb,haze\na,clear\nb,haze\n", "2 images are repeated .first: 'a' in lines 2 and 4"),
        ("a.jpg,clear\na.tif,clear\n", "1 images are repeated .first: 'a' in lines 2 and 3"),
        ("a,clear\n,clear\n", "line 3: image_name is empty"),
        (".jpg,clear\n", "line 2: image_name is empty"),
    ],
)
def test_a_label_table_with_an_error_is_refused_with_its_line(tmp_path, text, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        read(tmp_path, "image_name,tags\n" + text)
    assert str(caught.value).startswith(str(tmp_path / "t.csv"))
    assert "\n" not in str(caught.value)


def test_a_sample_submission_gives_its_names_in_its_order(tmp_path):
    (tmp_path / "sample.csv").write_text("image_name,tags\ntest_10,primary clear\ntest_2.jpg,any words\nfile_1,\n")
    assert label_tables.read_ids(tmp_path / "sample.csv") == ["test_10", "test_2", "file_1"]


@pytest.mark.real
def test_the_real_label_table_is_read_with_its_problems_counted(real):
    start = time.process_time()
    table = truth_tables.read_truth(real / "planet" / "train_v2_all_labels.csv", labels.PLANET)
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
    table = truth_tables.read_truth(real / name, space)
    text = written(table.ids, table.truth, space)
    again = read(tmp_path, text, space)
    assert again.ids == table.ids
    np.testing.assert_array_equal(again.truth, table.truth)
    assert written(again.ids, again.truth, space) == text


def test_an_unknown_tag_is_neither_true_nor_an_error_where_it_is_allowed(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("image_name,tags\na,clear primary? road\nb,cloudy road? road\n")
    table = truth_tables.read_truth(path, labels.PLANET, allow_unknown=True)
    assert [labels.decode(labels.PLANET, row) for row in table.truth] == [["clear", "road"], ["cloudy", "road"]]
    assert [labels.decode(labels.PLANET, row) for row in table.unknown] == [
        ["primary"],
        [],
    ]  # a tag that also holds is not unknown
    with pytest.raises(ValueError, match=r"line 2: 'primary\?' is not a label of 'planet' .did you mean primary"):
        truth_tables.read_truth(path, labels.PLANET)
    assert labels.from_table(path).names == ("clear", "cloudy", "primary", "road")


def test_a_blank_group_is_a_chip_by_itself(tmp_path, capsys):
    path = tmp_path / "groups.csv"
    path.write_text("image_name,group\na, x\nb,x \nc,\nd,nan\ne,\n")
    groups = label_tables.read_groups(path, list("abcde"))
    assert groups[0] == groups[1]
    assert len(set(groups)) == 4
    assert "3 of 5 chips have a blank group, and each is a group by itself (first: c)" in capsys.readouterr().err


def test_a_chip_without_a_group_is_named_with_the_likely_difference(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("image_name,group\n7,x\n8,y\n")
    with pytest.raises(ValueError, match=r"2 of 2 chips have no group .*first: 0007.; '7' is there, .*leading zeros"):
        label_tables.read_groups(path, ["0007", "0008"])


def test_an_empty_row_breaks_a_rule_only_where_one_of_a_group_must_hold():
    empty = np.zeros((1, 3), bool)
    assert label_tables.breaches(SKY, empty) == {}
    ruled = LabelSpace("ruled", SKY.names, (("sun", "rain"),))
    assert label_tables.breaches(ruled, empty)["no tags"] == [0]
    unknown = np.array([[True, False, False]])
    assert not any(label_tables.breaches(ruled, empty, unknown).values())
