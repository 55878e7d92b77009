"""Files and text of what a measure found."""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amazon_tags.commands import options
from amazon_tags.errors import emit
from amazon_tags.signals import catch_signals

if TYPE_CHECKING:
    from amazon_tags.inspection.findings import Findings

CSV = click.option("-o", "--output", type=options.OUTPUT, help="Also write the table to this CSV file.")


def report(
    measure: "Callable[[], Findings]",
    *,
    output: Path | None,
    svg: Path | None,
    page: Path | None,
    as_json: bool,
    others: Sequence[Path] = (),
    inputs: Sequence[Path] = (),
) -> None:
    """Run a measure, write its files and print it; it reads `inputs`, and writes `others` itself."""
    from amazon_tags.files import atomic, preflight
    from amazon_tags.inspection.findings import findings_csv, findings_page, findings_text

    catch_signals()
    outputs = {path: write for path, write in ((output, findings_csv), (svg, _picture), (page, findings_page)) if path}
    preflight.refuse_outputs([*outputs, *others], inputs)
    with redirect_stdout(sys.stderr):  # Keras prints its downloads to stdout
        findings = measure()
    for path, write in outputs.items():
        atomic.write_text(path, write(findings))
    emit(json.dumps(findings.to_json(), indent=2) + "\n" if as_json else findings_text(findings))


def _picture(findings: "Findings") -> str:
    return findings.picture
