"""`amazon_tags check`: every kind of problem is named, and a repaired copy never loses a tag."""

import pytest

from amazon_tags.tables import labels, truth_tables
from amazon_tags.tables.check import check_table, report_text
from amazon_tags.tables.labels import LabelSpace

WEATHER = "clear, partly_cloudy, cloudy, haze"
TABLE = """image_name,tags
a,clear primary
b,clear haze primary
c,cloudy primary
d,primary water
e,clear primray
f,clear clear primary
a,haze
g,clear volcano
h,
i,cloudy clear
j,clear primary
j,primary clear
"""
COPY = """image_name,tags
a,clear primary
b,clear haze primary
c,cloudy primary
d,primary water
e,clear primary
f,clear primary
a,haze
g,clear volcano
h,
i,clear cloudy
j,clear primary
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def repair(tmp_path):
    """Repairs rows; returns the report and the rows of the copy."""

    def repair(*rows, space=labels.PLANET, **options):
        table, copy = tmp_path / "rows.csv", tmp_path / "copy.csv"
        table.write_text("\n".join(["image_name,tags", *rows]) + "\n", encoding="utf-8")
        report = check_table(table, space, repaired=copy, **options)
        return report, copy.read_text(encoding="utf-8").splitlines()[1:]

    return repair


def test_every_kind_of_problem_is_counted_and_named(table):
    findings = {
        finding.problem: (finding.count, finding.first) for finding in check_table(table, labels.PLANET).findings
    }
    assert findings == {
        f"more than one of {WEATHER}": (2, "b"),
        "cloudy together with other tags": (2, "c"),
        f"none of {WEATHER}": (1, "d"),
        "a tag that differs from its label by a typing error": (1, "'primray' of e"),
        "a repeated tag": (1, "f"),
        "a repeated row with other tags": (1, "a"),
        "an unknown tag": (1, "'volcano' of g"),
        "no tags": (1, "h"),
        "a repeated row": (1, "j"),
    }


def test_a_repair_changes_what_has_one_way_and_leaves_the_rest(table, tmp_path):
    report = check_table(table, labels.PLANET, repaired=tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_text() == COPY
    repairs = {finding.problem: finding.repair for finding in report.findings}
    assert repairs["a tag that differs from its label by a typing error"] == "written as primary"
    assert repairs["an unknown tag"] == "left as it is"
    assert repairs["a repeated row"] == "written once"
    assert (report.mended, report.left, report.tags_before, report.tags_after) == (3, 7, 23, 20)
    assert report_text(table, report, repair=True).splitlines()[-1] == (
        "3 cells mended, 7 left as they are; 23 tags before, 20 after"
    )


def test_a_copy_of_a_copy_is_itself(table, tmp_path):
    check_table(table, labels.PLANET, repaired=tmp_path / "copy.csv")
    again = check_table(tmp_path / "copy.csv", labels.PLANET, repaired=tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == COPY
    assert (again.mended, again.left) == (0, 7)


@pytest.mark.parametrize(
    "cell",
    [
        "clear,primary,road",
        "clear;primary;road",
        "clear|primary|road",
        "clear/primary/road",
        "clear, primary, road",
        "clear+primary & road",
        "clear#primary#road",
        "clear>primary>road",
        "Clear~primary road",
        "clear*primary*Road",
        "clear-primary-road",
        "clear,primary;road",
        "clear\tprimary\troad",
        "['clear', 'primary', 'road']",
        "Clear PRIMARY road.",
        "clear; Primary ;road;",
        "clear primary road road",
    ],
)
def test_tags_with_any_separator_case_or_stray_punctuation_become_labels(repair, cell):
    report, rows = repair(f'a,"{cell}"')
    assert rows == ["a,clear primary road"]
    assert report.left == 0
    assert report.findings or cell == "clear\tprimary\troad"  # a tab is a blank


@pytest.mark.parametrize("separator", [", ", ";", "|"])
def test_labels_of_two_words_are_read_between_separators(repair, separator):
    assert repair('a,"' + separator.join(["clear", "bare ground", "Slash-Burn"]) + '"')[1] == [
        "a,bare_ground clear slash_burn"
    ]


@pytest.mark.parametrize(
    "cell",
    [
        "clear non_primary",
        "unclear primary",
        "clear no_road",
        "clear not_water",
        "cloudless primary",
        "clear farm",
        "clear unburnt",
        "clear;no_road",
        "clear;volcano;Primary",
        "clear -road",
        "clear !road",
        "clear ~road",
        "clear (road)",
        "clear road2",
        "clear not water",
        "clear road??",
        "clear/haze-free",
        "partly cloudy primary",
        "partly cloudy",
        "clear minus-road",
    ],
)
def test_a_cell_that_is_not_of_labels_alone_is_left_as_it_stands(repair, cell):
    report, rows = repair(f"a,{cell}")
    assert rows == [f"a,{cell}"]
    assert report.left == 1
    assert report.tags_before == report.tags_after


def test_an_unknown_tag_stays_as_train_reads_it_and_is_no_problem(repair):
    report, rows = repair("a,clear primary road?", "b,haze primray?", "c,clear? primary")
    assert rows == ["a,clear primary road?", "b,haze primary?", "c,clear? primary"]
    assert [(finding.problem, finding.left) for finding in report.findings] == [
        ("a tag that differs from its label by a typing error", False)
    ]


@pytest.mark.parametrize("cell", ["class_-1", "class_1_1", "class_1-1", "class 1 1", "class -1", "class_1 class_-2"])
def test_a_cell_of_another_number_or_sign_is_left(repair, cell):
    report, rows = repair(f"a,{cell}", space=LabelSpace("classes", ("class_1", "class_11", "class_2")))
    assert (rows, report.left) == ([f"a,{cell}"], 1)


def test_a_cell_that_can_be_read_in_two_ways_is_left(repair):
    space = LabelSpace("two", ("a", "b", "a_b", "c"))
    report, rows = repair('x,"a b, c"', "y,a;c", space=space)
    assert rows == ['x,"a b, c"', "y,a c"]
    assert [finding.problem for finding in report.findings if finding.left] == ["tags that can be read in two ways"]


@pytest.mark.parametrize(
    ("names", "cell", "tags"),
    [(("oil/gas", "oil", "ground"), "ground;oil/gas", "oil/gas ground"), (("1", "2", "1.5"), "2,1.5", "2 1.5")],
)
def test_a_cell_that_the_reader_of_tables_splits_is_read_alike(repair, names, cell, tags):
    report, rows = repair(f'x,"{cell}"', space=LabelSpace("wells", names))
    assert (rows, report.left) == ([f"x,{tags}"], 0)


@pytest.mark.parametrize("cell", ["1-2", "1.2", "1 -2", "clear # 1"])
def test_a_mark_within_a_number_or_a_label_separates_nothing(repair, cell):
    report, rows = repair(f"a,{cell}", space=LabelSpace("odd", ("1", "2", "clear", "slash", "burn", "slash_burn")))
    assert (rows, report.left) == ([f"a,{cell}"], 1)


def test_a_hyphen_of_a_label_separates_nothing(repair):
    report, rows = repair("a,clear slash-burn", space=LabelSpace("odd", ("clear", "slash", "burn", "slash_burn")))
    assert (rows, report.left) == (["a,clear slash_burn"], 0)


@pytest.mark.parametrize("word", ["nan", "None", "NULL", "n/a", "<NA>"])
def test_a_word_for_an_empty_cell_becomes_one(repair, word):
    space = LabelSpace("water", ("water",))
    report, rows = repair("a,water", f"b,{word}", space=space)
    assert rows == ["a,water", "b,"]
    assert [finding.problem for finding in report.findings] == ["a word for no tags"]
    assert repair(f"b,{word}", space=LabelSpace("its", (word, "water")))[1] == [f"b,{word}"]


@pytest.mark.parametrize(("label", "word"), [("none", "None"), ("na", "NA"), ("NULL", "null")])
def test_a_label_in_another_case_is_no_word_for_an_empty_cell(repair, label, word):
    report, rows = repair(f"a,{word}", space=LabelSpace("damage", (label, "minor", "major")))
    assert (rows, report.left) == ([f"a,{label}"], 0)
    assert [finding.problem for finding in report.findings] == ["a tag that differs from its label by case"]


def test_a_row_without_tags_is_a_problem_only_where_one_of_a_group_must_hold(repair):
    assert [finding.problem for finding in repair("a,")[0].findings] == ["no tags"]
    assert not repair("a,", space=LabelSpace("free", ("water",)))[0].findings


def test_a_row_of_unknown_tags_is_not_called_empty(repair):
    assert [finding.problem for finding in repair("a,sunny;wet")[0].findings] == ["an unknown tag"]
    assert not repair("a,clear?")[0].findings


def test_a_name_becomes_the_plain_one(repair):
    report, rows = repair("sample_0 ,clear", "train-jpg/b.jpg,clear", "c:\\chips\\c.tif,clear", "Sa\u0303o,clear")
    assert rows == ["sample_0,clear", "b,clear", "c,clear", "S\u00e3o,clear"]
    assert {finding.problem: finding.count for finding in report.findings} == {
        "blanks around the name": 1,
        "a folder before the name": 2,
        "letters not in Unicode's NFC": 1,
    }


LONG = ["a,clear", "a,primary", "b,haze", "b,water", "b,water", "c,cloudy"]


def test_a_row_for_each_tag_is_joined_on_request_only(repair):
    report, rows = repair(*LONG)
    assert rows == ["a,clear", "a,primary", "b,haze", "b,water", "c,cloudy"]
    assert {finding.problem: finding.left for finding in report.findings} == {
        "a repeated row with other tags (the table seems to have a row for each tag: --join-rows joins them)": True,
        "a repeated row": False,
    }
    report, rows = repair(*LONG, join_rows=True)
    assert rows == ["a,clear primary", "b,haze water", "c,cloudy"]
    assert (report.findings, report.remarks) == ((), ("6 rows are joined to 3, one for each image",))


def test_words_of_two_joined_rows_are_no_tag_together(repair):
    for rows in (["x,slash", "x,burn", "x,clear"], ["x,clear", "x,burn", "x,slash"]):
        report, copy = repair(*rows, join_rows=True)
        assert (copy, report.left) == (["x,clear burn slash"], 1)
    for rows in (["x,bare", "x,ground"], ["x,ground", "x,bare"]):  # together they would be read as bare_ground
        report, copy = repair(*rows, join_rows=True)
        assert (copy, report.left) == (rows, 2)
    report, copy = repair("x,Road", "x,volcano;no_road", "x,haze road", join_rows=True)
    assert (copy, report.left) == (["x,haze road volcano;no_road"], 1)


@pytest.fixture
def like(tmp_path):
    """Writes a sample submission of these names."""

    def like(*names):
        path = tmp_path / "like.csv"
        path.write_text("\n".join(["image_name,tags", *(f"{name}," for name in names)]) + "\n")
        return path

    return like


def test_names_become_those_of_the_sample_submission_in_its_order(repair, like):
    sample = like("b.jpg", "a.jpg")
    report, rows = repair("a,clear", "b.jpg,haze", like=sample)
    assert rows == ["b.jpg,haze", "a.jpg,clear"]
    assert [(finding.problem, finding.count, finding.left) for finding in report.findings] == [
        (f"a name spelled otherwise than in {sample}", 1, False)
    ]


def test_missing_names_are_added_and_surplus_ones_left_out_but_not_both_at_once(repair, like):
    free = LabelSpace("free", ("clear", "haze"))
    report, rows = repair("a,clear", like=like("b", "a"), space=free)
    assert (rows, report.left) == (["b,", "a,clear"], 0)
    report, rows = repair("a,clear", like=like("b", "a"))
    assert (rows, report.left) == (["b,", "a,clear"], 1)  # in this label space an empty row breaks a rule
    report, rows = repair("a,clear", "b,haze", like=like("b"))
    assert (rows, report.left, report.tags_before, report.tags_after) == (["b,haze"], 0, 2, 1)
    report, rows = repair("7,clear", "8,haze", like=like("0007", "8"))
    assert rows == ["7,clear", "8,haze"]
    assert [finding.first for finding in report.findings] == [
        "7",
        "0007; '7' is there, which differs by leading zeros, which spreadsheets drop: write the names as text",
    ]


def test_one_hot_tables_and_folders_become_tables_of_tags(tmp_path):
    space = LabelSpace("two", ("road", "water"))
    (tmp_path / "one_hot.csv").write_text(",image_name,water,road\n0,a,True,no\n1,b,0.0,1\n2,c,f,N\n")
    report = check_table(tmp_path / "one_hot.csv", space, repaired=tmp_path / "copy.csv")
    assert not report.findings
    assert (tmp_path / "copy.csv").read_text() == "image_name,tags\na,water\nb,road\nc,\n"
    for name in ("eurosat/Water/a.jpg", "eurosat/road/b.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    report = check_table(tmp_path / "eurosat", space, repaired=tmp_path / "copy.csv")
    assert [finding.problem for finding in report.findings] == ["a tag that differs from its label by case"]
    assert (tmp_path / "copy.csv").read_text() == "image_name,tags\na,water\nb,road\n"


def test_a_thousand_unknown_tags_are_one_line(repair):
    report, _ = repair(*(f"chip_{number},clear tag_{number}" for number in range(1000)))
    assert report_text("t.csv", report) == "an unknown tag: 1000 (first: 'tag_0' of chip_0)\n"


@pytest.mark.slow
def test_a_good_table_has_no_problems(world, run):
    done = run("check", world.labels)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no problems found" in done.stdout


@pytest.mark.slow
def test_what_is_left_ends_with_1_and_what_is_mended_with_0(table, run, tmp_path):
    done = run("check", table)
    assert done.returncode == 1
    assert f"more than one of {WEATHER}: 2 (first: b)\n" in done.stdout
    done = run("check", table, "--repair", table)
    assert done.returncode == 1
    assert "is one of the inputs and would be lost" in done.stderr
    assert table.read_text() == TABLE
    done = run("check", table, "--repair", tmp_path / "copy.csv", "--dry-run")
    assert (done.returncode, (tmp_path / "copy.csv").exists()) == (1, False)
    assert "written as primary" in done.stdout
    done = run("check", table, "--repair", tmp_path / "copy.csv")
    assert done.returncode == 1
    assert (tmp_path / "copy.csv").read_text() == COPY
    table.write_text("image_name,tags\na,Clear primary\n")
    assert run("check", table).returncode == 1
    done = run("check", table, "--dry-run")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "1 cells mended, 0 left as they are; 2 tags before, 2 after",
    )


@pytest.mark.real
def test_the_competitions_own_table_breaks_two_rules(real, tmp_path):
    table = real / "planet/train_v2_all_labels.csv"
    report = check_table(table, labels.PLANET, repaired=tmp_path / "copy.csv")
    counts = {finding.problem: finding.count for finding in report.findings}
    assert counts == {"a repeated tag": 72, f"none of {WEATHER}": 1}
    before, after = (truth_tables.read_truth(path, labels.PLANET) for path in (table, tmp_path / "copy.csv"))
    assert (before.ids, before.truth.tolist()) == (after.ids, after.truth.tolist())
