import io
import logging
import re
import subprocess
import sys

import pytest

from amazon_tags import progress


def test_messages_go_to_stderr(capsys):
    progress.say("100% done")
    assert capsys.readouterr() == ("", "100% done\n")


@pytest.mark.parametrize(
    ("setup", "output"),
    [("", ""), ("import logging; logging.basicConfig(level=logging.INFO); ", "INFO:amazon_tags:a message\n")],
)
def test_a_python_program_gets_messages_only_if_it_configures_logging(setup, output):
    code = f"{setup}from amazon_tags import progress; progress.say('a message')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert (done.stdout, done.stderr) == ("", output)


def test_messages_of_a_block_are_appended_to_its_file_with_their_time(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("an older line\n")
    progress.say("before")
    with progress.copied_to(log):
        progress.say("first")
        progress.say("second")
    progress.say("after")
    older, *lines = log.read_text().splitlines()
    assert older == "an older line"
    assert [line.partition(" ")[2] for line in lines] == ["first", "second"]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 ", line) for line in lines)


def test_a_file_gets_messages_that_stderr_does_not_show(tmp_path):
    code = "import sys; from pathlib import Path; from amazon_tags import progress\n"
    code += "with progress.copied_to(Path(sys.argv[1])):\n    progress.say('a message')"
    log = tmp_path / "log.txt"
    command = [sys.executable, "-c", code, log]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert log.read_text().endswith(" a message\n")


def test_a_log_file_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), progress.copied_to(tmp_path / "none" / "log.txt"):
        progress.say("a message")
    progress.say("a message")  # the file is forgotten


def test_messages_are_shown_once_however_often_that_is_requested(capsys):
    progress.show_messages()
    progress.show_messages()
    progress.say("a message")
    assert capsys.readouterr().err == "a message\n"
    assert logging.getLogger("amazon_tags").getEffectiveLevel() == logging.INFO


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_a_bar_is_shown_on_a_terminal_only(monkeypatch, stream):
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with progress.bar("tagging", 20) as advance:
        for _ in range(4):
            advance(5)
    assert ("tagging" in stream.getvalue()) == stream.isatty()


def test_nothing_is_printed_where_stderr_is_closed(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr", None)
    progress.say("a message")
    with progress.bar("tagging", 1) as advance:
        advance(1)
    assert capsys.readouterr().out == ""
