"""The benchmarks' README: each section has its script, each script its section, and a section is replaced exactly."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest

from amazon_tags.datasets import sample
from amazon_tags.model import bundle
from tests.benchmarks import end_to_end, tables

SCRIPTS = {
    path.stem: path.read_text(encoding="utf-8")
    for path in Path(__file__).with_name("benchmarks").glob("*.py")
    if path.stem not in {"__init__", "tables"}
}
WITHOUT_TABLE = {
    "gallery_picture",
    "picture",
    "plain_keras",
    "plain_map",
    "windows",
}  # they write pictures, a submission, a map and chips
SECTIONS = re.findall(r"^<!-- begin: (.+) -->$", tables.README.read_text(encoding="utf-8"), re.MULTILINE)

PAGE = """Speed
<!-- begin: speed -->
old
<!-- end: speed -->
Between
<!-- begin: speed aerial -->
<!-- end: speed aerial -->
End
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    path = tmp_path / "README.md"
    path.write_text(PAGE)
    monkeypatch.setattr(tables, "README", path)
    monkeypatch.setattr(tables, "machine_name", lambda: "a processor, 2 cores")
    return path


def options(*arguments):
    parser = argparse.ArgumentParser()
    tables.add_options(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize("section", SECTIONS)
def test_each_section_belongs_to_a_script_and_has_all_its_facts(section):
    assert section.split()[0] in SCRIPTS
    text = tables.README.read_text(encoding="utf-8")
    content = text.split(tables.begin_marker(section))[1].split(tables.end_marker(section))[0]
    command, data, machine, date, empty, table = content.strip().split("\n", 5)
    assert command.startswith(f"- Command: `python -m tests.benchmarks.{section.split()[0]}")
    assert data.startswith("- Data: ")
    assert machine.startswith("- Machine: ")
    assert re.match(r"- Date: 20\d\d-\d\d-\d\d", date)
    assert not empty
    assert table


def test_each_script_that_writes_a_table_has_a_section():
    writing = {name for name, source in SCRIPTS.items() if "tables.recorded(" in source}
    assert writing == {section.split()[0] for section in SECTIONS} == set(SCRIPTS) - WITHOUT_TABLE


def test_no_section_stands_twice():
    assert len(SECTIONS) == len(set(SECTIONS))


def test_only_the_text_between_the_markers_is_replaced():
    assert tables.replace_section(PAGE, "speed", "\n| new |\n") == PAGE.replace("old", "| new |")
    assert tables.replace_section(PAGE, "speed aerial", "x") == PAGE.replace(
        "<!-- end: speed aerial -->", "x\n<!-- end: speed aerial -->"
    )


@pytest.mark.parametrize(
    "text",
    [
        "no marker",
        "<!-- begin: speed -->\n",
        "<!-- end: speed -->\n<!-- begin: speed -->\n",
        PAGE + PAGE,
    ],
)
def test_a_text_without_the_section_is_refused(text):
    with pytest.raises(ValueError, match=r"'speed'.*--section"):
        tables.replace_section(text, "speed", "new")


def test_what_a_script_prints_is_written_with_its_command_and_data(page, monkeypatch, capsys):
    class Day(tables.datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 11, 26, tzinfo=tz)

    monkeypatch.setattr(tables.datetime, "datetime", Day)
    monkeypatch.setattr(sys, "argv", ["speed", "--counts", "1,2"])
    with tables.recorded(options(), script="speed", data="three chips"):
        print("| chips |")
        print("| 3 |")
    assert capsys.readouterr().out == "| chips |\n| 3 |\n"
    content = (
        "- Command: `python -m tests.benchmarks.speed --counts 1,2`\n- Data: three chips\n"
        "- Machine: a processor, 2 cores\n- Date: 2026-11-26\n\n| chips |\n| 3 |"
    )
    assert page.read_text() == PAGE.replace("old", content)


def test_a_run_that_fails_or_must_not_write_leaves_the_page_alone(page):
    with pytest.raises(ZeroDivisionError), tables.recorded(options(), script="speed", data="no chips"):
        print(1 / 0)
    with tables.recorded(options("--no-write"), script="speed", data="no chips"):
        print("| chips |")
    assert page.read_text() == PAGE


@pytest.mark.usefixtures("page")
def test_a_section_that_is_missing_is_refused_before_the_measurement():
    with (
        pytest.raises(ValueError, match="'speed arial'"),
        tables.recorded(options("--section", "speed arial"), script="speed", data="no chips"),
    ):
        pytest.fail("the measurement ran")


def test_a_command_shows_no_folder_of_the_machine(monkeypatch):
    monkeypatch.setenv("AMAZON_TAGS_DATA", "/somewhere/data")
    arguments = ["/somewhere/data/planet/train-jpg", "toy=/elsewhere/toy.h5", "--section", "scale a"]
    assert tables.command_line(arguments, "scale") == (
        "python -m tests.benchmarks.scale $AMAZON_TAGS_DATA/planet/train-jpg toy=toy.h5 --section 'scale a'"
    )


HELP = """
import contextlib, io, runpy, sys
for name in sys.argv[1:]:
    sys.argv = [name, "--help"]
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        try:
            runpy.run_module(f"tests.benchmarks.{name}", run_name="__main__")
        except SystemExit as end:
            assert end.code == 0, name
    assert f"python -m tests.benchmarks.{name}" in text.getvalue(), name
    print(name)
"""


@pytest.mark.slow
def test_each_script_has_help_that_names_its_command():
    command = [sys.executable, "-c", HELP, *sorted(SCRIPTS)]  # one process: Keras takes seconds to import
    shown = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    assert shown.stdout.split() == sorted(SCRIPTS), shown.stderr


@pytest.mark.slow
def test_plain_keras_and_predict_give_the_same_tags(tmp_path):
    sample.write(tmp_path / "chips", 4)
    chips = str(tmp_path / "chips")
    ours = end_to_end.run(*end_to_end.PREDICT, chips, "--precision", "f32").output
    plain = end_to_end.run(*end_to_end.PLAIN, chips, str(bundle.DEFAULT)).output
    assert plain.count("\n") == 5
    assert end_to_end.agreement(ours, plain) == 1
