"""What `amazon_tags drift` does: the last run of a monitor's log held against limits, and which measures moved."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Limits:
    """Past which a measure has moved, where `p` of the test is below.

    Nothing is said of fewer than `chips` that were seen, nor of a model that learnt from fewer than `learnt`.

    `discrepancy` lies near 0.1 for two samples of some hundred chips of one kind.
    """

    stability: float = 0.25
    colours: float = 1.0
    discrepancy: float = 0.3
    p: float = 0.01
    chips: int = 50
    learnt: int = 30


def run(log: Path, limits: Limits) -> dict[str, Any]:
    """The last run of a log, `moved`, what moved, in words, and `before`, the expected F of the runs before it.

    Raises:
        ValueError: the log is empty, or no log of a monitor; or a limit is no number from 0.
    """
    for key, limit in asdict(limits).items():
        if not limit >= 0:  # nor NaN
            raise ValueError(f"the limit of {key} is {limit}, but must be 0 or more.")
    content = log.read_bytes()
    if not content.strip():
        raise ValueError(f"{log} is empty; predict with --monitor {log} first.")
    try:
        runs = [json.loads(line, parse_constant=_no_number) for line in content.decode().splitlines() if line.strip()]
        last = runs[-1]
        enough = int(last["chips"]) >= limits.chips and int(last.get("training_chips", limits.learnt)) >= limits.learnt
        float(last.get("expected_f", 0)), last["when"], last["model"]
        moved = _moved(last, limits) if enough else []
        before = [float(entry["expected_f"]) for entry in runs[:-1] if "expected_f" in entry]
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{log} is no log of --monitor, or damaged ({error!r}); name another.") from error
    return {"run": last, "enough": enough, "moved": moved, "before": before}


def text(log: Path, told: dict[str, Any], limits: Limits) -> str:
    """The findings as lines."""
    last = told["run"]
    lines = [f"{log}: run of {last['when']}, model {last['model']}, {last['chips']:,} chips"]
    if "expected_f" in last:
        before = f"; {told['before'][-1]:.3f} the run before" if told["before"] else ""
        lines.append(f"expected F {last['expected_f']:.3f}, as far as the scores are probabilities{before}")
    if not told["enough"]:
        learnt = f"; {last['training_chips']} learnt from, {limits.learnt} needed" if "training_chips" in last else ""
        lines.append(f"too few to say more: {last['chips']} chips seen, {limits.chips} needed{learnt}")
    elif not told["moved"]:
        lines.append("nothing moved past its limit")
    return "\n".join([*lines, *told["moved"]]) + "\n"


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _moved(last: dict[str, Any], limits: Limits) -> list[str]:
    moved = [
        f"the rate of {name} moved to {last['rates'][name]:.1%}: stability index {index:.2f}, limit {limits.stability}"
        for name, index in last["stability"].items()
        if index > limits.stability
    ]
    moved += [
        f"the {name} moved to {last['looks'][name]:.1f}: {spreads:.2f} spreads of the training chips, "
        f"limit {limits.colours}"
        for name, spreads in last["colours"].items()
        if spreads > limits.colours
    ]
    if last["discrepancy"] > limits.discrepancy and last["p"] < limits.p:
        moved.append(
            f"the chips lie elsewhere than the training chips: discrepancy {last['discrepancy']:.2f}, "
            f"limit {limits.discrepancy}, p {last['p']:.3f}"
        )
    return moved
