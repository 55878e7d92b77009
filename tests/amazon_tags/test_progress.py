import io

import pytest

from amazon_tags import progress


def test_messages_go_to_stderr(capsys):
    progress.say("a word")
    assert capsys.readouterr() == ("", "a word\n")


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


def test_nothing_is_said_where_stderr_is_closed(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr", None)
    progress.say("a word")
    with progress.bar("tagging", 1) as advance:
        advance(1)
    assert capsys.readouterr().out == ""
