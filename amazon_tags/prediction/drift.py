"""What `amazon_tags drift` does: the last run of a monitor's log held against limits, and which measures moved."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class DriftLimits:
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


def find_drift(log: Path, limits: DriftLimits) -> dict[str, Any]:
    """The last run of a log, `moved`, what moved, in words, and `before`, the expected F of the runs before it.

    Lines before the last that are no JSON, as a crash may leave them, are counted as `damaged`.

    Raises:
        ValueError: the log is empty, or no log of a monitor; or a limit is no number from 0.
    """
    for key, limit in asdict(limits).items():
        if not limit >= 0:  # nor NaN
            raise ValueError(f"the limit of {key} is {limit}, but must be 0 or more.")
    content = log.read_bytes()
    if not content.strip():
        raise ValueError(f"{log} is empty; predict with --monitor {log} first.")
    *earlier, newest = (line for line in content.split(b"\n") if line.strip())
    try:
        last = json.loads(newest, parse_constant=_no_number)
        for key in ("chips", "training_chips"):
            if type(last.get(key, 0)) is not int or last.get(key, 0) < 0:
                raise ValueError(f"{key} is {last[key]!r}")
        enough = last["chips"] >= limits.chips and last.get("training_chips", limits.learnt) >= limits.learnt
        float(last.get("expected_f", 0)), last["when"], last["model"]
        moved = _moved(last, limits) if enough else []
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{log} is no log of --monitor, or its last line is damaged ({error!r}).") from error
    runs = [run for run in map(_sound, earlier) if run is not None]
    before = [float(run["expected_f"]) for run in runs if "expected_f" in run]
    return {"run": last, "enough": enough, "moved": moved, "before": before, "damaged": len(earlier) - len(runs)}


def drift_text(log: Path, told: dict[str, Any], limits: DriftLimits) -> str:
    """The findings as lines."""
    last = told["run"]
    lines = [f"{log}: run of {last['when']}, model {last['model']}, {last['chips']:,} chips"]
    if "expected_f" in last:
        before = f"; {told['before'][-1]:.3f} the run before" if told["before"] else ""
        lines.append(f"expected F {last['expected_f']:.3f}, as far as the scores are probabilities{before}")
    if told["damaged"]:
        lines.append(f"{told['damaged']} earlier lines are damaged, and left out")
    if not told["enough"]:
        learnt = f"; {last['training_chips']} learnt from, {limits.learnt} needed" if "training_chips" in last else ""
        lines.append(f"too few to say more: {last['chips']} chips seen, {limits.chips} needed{learnt}")
    elif not told["moved"]:
        lines.append("nothing moved past its limit")
    return "\n".join([*lines, *told["moved"]]) + "\n"


def _sound(line: bytes) -> dict[str, Any] | None:
    try:
        run: dict[str, Any] = json.loads(line, parse_constant=_no_number)
        float(run.get("expected_f", 0))
    except (AttributeError, OverflowError, RecursionError, TypeError, ValueError):
        return None
    return run


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _moved(last: dict[str, Any], limits: DriftLimits) -> list[str]:
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
