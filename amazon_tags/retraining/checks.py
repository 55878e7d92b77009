"""One check of a run's data or candidate: its record, and the reasons of failed checks in words."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """A check's result, as `gate.json` holds it.

    Attributes:
        name: what was checked.
        champion: the value of the current model, or of the old chips.
        candidate: the value of the candidate, or of the new chips.
        limit: what was allowed.
        passed: whether the limit was kept.
        why: the reason of a rejection, used only if the check failed.
    """

    name: str
    champion: str
    candidate: str
    limit: str
    passed: bool
    why: str = ""


def reasons(checks: Sequence[Check]) -> str:
    """Return the reasons of all checks that failed; empty if none did."""
    return "; ".join(check.why for check in checks if not check.passed)


def table(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Return the checks as values for JSON."""
    return [asdict(check) for check in checks]
