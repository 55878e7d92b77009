"""What a measure found: a table, a picture and a sentence that says what to do, as text, CSV, JSON or an HTML page."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isnan

from markupsafe import Markup

from amazon_tags.pages.page import render_page
from amazon_tags.records import Json

Cell = str | int | float  # NaN: there is no such figure

SMALL = 1e-3  # below it, six decimals would be fewer than three digits


@dataclass(frozen=True)
class Findings:
    """What a measure found.

    Attributes:
        title: what was measured, on what.
        columns: of the table; the first names its rows.
        rows: the table's cells.
        notes: what the figures mean, a line each.
        advice: the sentence that says what to do.
        picture: an SVG document, or images as HTML.
        details: further values for JSON, by their keys.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    notes: tuple[str, ...]
    advice: str
    picture: str
    details: Json = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return the values as `--json` prints them: rows by the names of their columns, null for what is missing."""
        rows = [
            {column: None if _is_missing(cell) else cell for column, cell in zip(self.columns, row, strict=True)}
            for row in self.rows
        ]
        return {"title": self.title, "rows": rows, "notes": list(self.notes), "advice": self.advice, **self.details}


def findings_text(findings: Findings) -> str:
    """Return the findings as an aligned table of plain text."""
    cells = [findings.columns, *(tuple(map(_shown, row)) for row in findings.rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(findings.columns))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    ]
    return "\n".join([findings.title, "", *lines, "", *findings.notes, "", findings.advice]) + "\n"


def findings_csv(findings: Findings) -> str:
    """Return the table as CSV; a missing figure is an empty cell."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(findings.columns)
    for row in findings.rows:
        writer.writerow(_written(cell) for cell in row)
    return table.getvalue()


def findings_page(findings: Findings) -> str:
    """Return an HTML page that loads nothing else."""
    return render_page(
        "findings.html",
        title=findings.title,
        advice=findings.advice,
        picture=Markup(findings.picture),  # noqa: S704  our own SVG, or HTML with escaped names
        columns=findings.columns,
        rows=[tuple(map(_shown, row)) for row in findings.rows],
        notes=findings.notes,
    )


def _written(cell: Cell) -> Cell:
    if not isinstance(cell, float):
        return cell
    return "" if isnan(cell) else f"{cell:.6g}" if 0 < abs(cell) < SMALL else f"{cell:.6f}"


def _shown(cell: Cell) -> str:
    if _is_missing(cell):
        return "-"
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def _is_missing(cell: Cell) -> bool:
    return isinstance(cell, float) and isnan(cell)
