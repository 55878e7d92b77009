import pytest

from amazon_tags.tables import label_tables, labels
from amazon_tags.tables.check import check_table

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
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


def test_every_kind_of_problem_is_counted_and_named(table):
    findings = {finding.problem: (finding.count, finding.first) for finding in check_table(table, labels.PLANET)}
    weather = "clear, partly_cloudy, cloudy, haze"
    assert findings == {
        f"more than one of {weather}": (2, "b"),
        "cloudy together with other tags": (2, "c"),
        f"none of {weather}": (1, "d"),
        "an unknown tag, primray": (1, "e"),
        "a repeated tag": (1, "f"),
        "a repeated row": (1, "a"),
        "an unknown tag, volcano": (1, "g"),
        "no tags": (1, "h"),
    }


def test_a_repair_changes_what_has_one_way_and_reports_it(table, tmp_path):
    findings = check_table(table, labels.PLANET, repaired=tmp_path / "repaired.csv")
    assert (tmp_path / "repaired.csv").read_text() == (
        "image_name,tags\na,clear primary\nb,clear haze primary\nc,cloudy\nd,primary water\ne,clear primary\n"
        "f,clear primary\ng,clear\nh,\ni,clear cloudy\n"
    )
    repairs = {finding.problem: finding.repair for finding in findings}
    assert repairs["an unknown tag, primray"] == "read as primary"
    assert repairs["an unknown tag, volcano"] == "left out"
    assert repairs["a repeated row"] == "the first one is kept"
    left = {finding.problem for finding in check_table(tmp_path / "repaired.csv", labels.PLANET)}
    assert not any("unknown" in problem or "repeated" in problem for problem in left)


def test_rows_are_compared_with_a_sample_submission(table, tmp_path):
    like = tmp_path / "like.csv"
    like.write_text("image_name,tags\nz,\nb,\na,\n")
    findings = {
        finding.problem: finding
        for finding in check_table(table, labels.PLANET, like=like, repaired=tmp_path / "repaired.csv")
    }
    assert findings[f"missing, but in {like}"].count == 1
    assert findings[f"not in {like}"].count == 7
    assert label_tables.read_ids(tmp_path / "repaired.csv") == ["z", "b", "a"]


def test_a_good_table_has_no_problems(world, run):
    done = run("check", world.labels)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no problems found" in done.stdout


def test_a_table_with_problems_ends_with_1_and_a_repair_with_0(table, run, tmp_path):
    done = run("check", table)
    assert done.returncode == 1
    assert "more than one of clear, partly_cloudy, cloudy, haze: 2 (first: b)\n" in done.stdout
    done = run("check", table, "--repair", table)
    assert done.returncode == 1
    assert "is one of the inputs and would be lost" in done.stderr
    assert table.read_text() == TABLE
    done = run("check", table, "--repair", tmp_path / "repaired.csv")
    assert done.returncode == 0
    assert "read as primary" in done.stdout


@pytest.mark.real
def test_the_competitions_own_table_breaks_two_rules(real):
    counts = {
        finding.problem: finding.count
        for finding in check_table(real / "planet/train_v2_all_labels.csv", labels.PLANET)
    }
    assert counts == {"a repeated tag": 72, "none of clear, partly_cloudy, cloudy, haze": 1}
