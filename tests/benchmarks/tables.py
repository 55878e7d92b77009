"""Write what a benchmark prints into README.md, between the markers of its section.

A section is named after its script (`throughput`), or after its script and a variant (`throughput aerial`) where one
script is run on several data sets.
"""

import argparse
import contextlib
import datetime
import io
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

README = Path(__file__).with_name("README.md")


def begin_marker(section: str) -> str:
    """Return the line that a section begins with."""
    return f"<!-- begin: {section} -->"


def end_marker(section: str) -> str:
    """Return the line that a section ends with."""
    return f"<!-- end: {section} -->"


def replace_section(text: str, section: str, content: str) -> str:
    r"""Return the text with new content between a section's markers.

    Raises:
        ValueError: if the text does not have each marker exactly once, the end after the beginning.

    Example:
        >>> replace_section("a\n<!-- begin: x -->\nold\n<!-- end: x -->\nb\n", "x", "new")
        'a\n<!-- begin: x -->\nnew\n<!-- end: x -->\nb\n'
    """
    begin, end = begin_marker(section), end_marker(section)
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(end) < text.index(begin):
        raise ValueError(
            f"found no section {section!r}; expected one line {begin!r} and, after it, one line {end!r}: "
            "add both where the table belongs, or name another section with --section."
        )
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{content.strip()}\n{end}{after}"


def section_content(output: str, *, command: str, data: str, machine: str, date: str) -> str:
    """Return the content of a section: how its table was measured, an empty line, the table."""
    return f"- Command: `{command}`\n- Data: {data}\n- Machine: {machine}\n- Date: {date}\n\n{output.strip()}"


def machine_name() -> str:
    """Return the processor's name and the number of cores that this process may use."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):  # Linux; elsewhere the standard library's answer stays
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        processor = names[0] if names else processor

    return f"{processor}, {os.cpu_count()} cores"


def command_line(arguments: list[str], script: str) -> str:
    """Return the command that runs a script with these arguments, with no folder of this machine in it.

    A path inside the folder that `AMAZON_TAGS_DATA` names is written relative to that variable; of any other absolute
    path only the last part remains.
    """
    words = [_public_path(argument) for argument in arguments]
    return " ".join(["python", "-m", f"tests.benchmarks.{script}", *words])


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the two options that decide where a script's output is written."""
    parser.add_argument(
        "--section",
        metavar="NAME",
        help="section of tests/benchmarks/README.md to write; default: the one named like the script",
    )
    parser.add_argument("--no-write", action="store_true", help="print only; leave tests/benchmarks/README.md as it is")


@contextlib.contextmanager
def recorded(options: argparse.Namespace, *, script: str, data: str) -> Iterator[None]:
    """Print what the block prints and, once the block has ended without an error, write it into the script's section.

    Args:
        options: What `add_options` parsed.
        script: The script's name, `__name__` without its package.
        data: The data that the block measures on, for the reader of the table.

    Raises:
        ValueError: before the block starts, if README.md has no such section.
    """
    section = options.section or script
    if not options.no_write:
        replace_section(README.read_text(encoding="utf-8"), section, "")

    copy = _Copy(sys.stdout)
    with contextlib.redirect_stdout(copy):
        yield

    if not options.no_write:
        content = section_content(
            copy.getvalue(),
            command=command_line(sys.argv[1:], script),
            data=data,
            machine=machine_name(),
            date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        )
        text = README.read_text(encoding="utf-8")
        README.write_text(replace_section(text, section, content), encoding="utf-8")


class _Copy(io.StringIO):
    """A text stream that passes on what is written to it and keeps a copy."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(text)
        return super().write(text)

    def flush(self) -> None:
        self.stream.flush()


def _public_path(argument: str) -> str:
    """Return an argument, or its part after `NAME=`, without the folders of this machine."""
    name, equals, value = argument.rpartition("=")
    root = os.environ.get("AMAZON_TAGS_DATA")
    if root and Path(value).is_relative_to(root):
        inside = Path(value).relative_to(root)
        return f"{name}{equals}$AMAZON_TAGS_DATA/{inside}"
    if Path(value).is_absolute():
        return f"{name}{equals}{Path(value).name}"
    return shlex.quote(argument)
