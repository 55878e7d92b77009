"""Report a ranking of sources: as text with what to take away, as CSV and as JSON."""

import csv
import io
from collections.abc import Sequence

from amazon_tags import records
from amazon_tags.evaluation.source_ranking import SourceFigures, SourceRanking
from amazon_tags.records import Json

CSV_COLUMNS = (
    *("source", "chips", "compared", "coverage", "coverage_low", "coverage_high"),
    *(
        "behind",
        "behind_low",
        "behind_high",
        "coverage_at_size",
        "size",
        "breadth",
        "frechet",
        "copies",
        "near_duplicates",
    ),
)


def advice(ranking: SourceRanking) -> str:
    """Return the sentence that a user should take away."""
    first, *others = ranking.sources
    leak = f", without the copies among its {len(first.near_duplicate_chips):,} chips that look like target chips"
    leak = leak if first.near_duplicates else ""
    equal = [source.name for source in others if source.behind_interval[0] <= 0]
    if not others:
        text = f"{first.name} is the only source, so nothing is ranked; compare it with another one"
    elif equal:
        text = (
            f"No difference is shown between {first.name} and {', '.join(equal)}, whose intervals contain 0: pretrain "
            f"on the larger one, or on all of them{leak}"
        )
    else:
        text = f"Pretrain on {first.name} first{leak}: it lies nearest to the target, beyond chance"
    nearest = min(ranking.sources, key=lambda source: source.coverage_at_size)
    if nearest.coverage_at_size < first.coverage_at_size:
        text += f"; at {ranking.size:,} chips each {nearest.name} is nearer, so {first.name} leads by its size"
    return f"{text}."


def ranking_json(ranking: SourceRanking) -> Json:
    """Return the values as `sources --json` prints them."""
    return {**records.to_json(ranking), "advice": advice(ranking)}


def ranking_text(ranking: SourceRanking) -> str:
    """Return the ranking as an aligned table of plain text, and what to take away."""
    at_size = f"at {ranking.size:,}"
    head = ("source", "chips", "coverage", "behind the first", at_size, "breadth", "Fréchet", "same", "alike")
    rows = [head, *(_cells(source, is_first=not place) for place, source in enumerate(ranking.sources))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        f"{ranking.target}: {_counted(ranking.compared, ranking.chips)} chips; vectors of {ranking.vectors}",
        "",
        *("  ".join(_aligned(row, widths)).rstrip() for row in rows),
        "",
        "coverage         mean squared distance of a target chip to the nearest source chip; less is better",
        f"                 (to the nearest other target chip it is {ranking.own_distance:.4g})",
        "behind the first the difference to the first source's coverage, with its 95 % interval",
        f"{at_size:16} coverage by this number of random chips: a larger source covers more by its size alone",
        "breadth          mean squared distance of a source chip to the nearest target chip",
        "Fréchet          Fréchet distance of the two sets; with few chips it is too large",
        "same, alike      target chips with the vector of a source chip, and those that look like one, as copies do",
        "",
        advice(ranking),
        "This compares pictures, not labels: only training shows what a source gains.",
    ]
    return "\n".join(lines) + "\n"


def ranking_csv(ranking: SourceRanking) -> str:
    """Return the ranking as a table of comma-separated values, a row for each source."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(CSV_COLUMNS)
    for source in ranking.sources:
        table.writerow(
            [
                *(source.name, source.chips, source.compared, source.coverage, *source.interval),
                *(source.behind, *source.behind_interval, source.coverage_at_size, ranking.size),
                *(source.breadth, source.frechet, source.copies, source.near_duplicates),
            ]
        )
    return stream.getvalue()


def _cells(source: SourceFigures, *, is_first: bool) -> tuple[str, ...]:
    low, high = source.behind_interval
    return (
        source.name,
        _counted(source.compared, source.chips),
        f"{source.coverage:.4g}",
        "-" if is_first else f"{source.behind:.4g} ({low:.4g} to {high:.4g})",
        f"{source.coverage_at_size:.4g}",
        f"{source.breadth:.4g}",
        f"{source.frechet:.4g}",
        f"{source.copies:,}",
        f"{source.near_duplicates:,}",
    )


def _aligned(row: tuple[str, ...], widths: Sequence[int]) -> list[str]:
    """Return cells of equal widths, the name to the left and numbers to the right."""
    pairs = zip(row, widths, strict=True)
    return [cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(pairs)]


def _counted(compared: int, chips: int) -> str:
    return f"{chips:,}" if compared == chips else f"{compared:,} of {chips:,}"
