"""What computing in fewer bits costs in F2, out of fold, and which precision `auto` therefore means.

f32   as trained
bf16  the same networks in floats of 16 bits, where the processor has them
int8  networks quantised after training, the scales set by some of the chips that each fold was trained on
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags import progress
from amazon_tags.files import atomic, folders
from amazon_tags.model import engine
from amazon_tags.training.members import (
    ALL_CHIPS,
    Examples,
    FittedMember,
    member_network,
    member_scores,
    milliseconds_a_chip,
    unit_folder,
)
from ensemble.arrays import Scores, Tags
from ensemble.metrics import score
from features.images import chips
from features.networks import openvino_runtime, quantise

LIMIT = 0.001  # of the F2 that `auto` may cost


def measure_precisions(
    entries: Sequence[FittedMember], examples: Examples, give: Callable[[list[Scores]], Tags]
) -> dict[str, Any]:
    """The price of each precision that this processor computes in, and the fastest whose price is within the limit.

    Args:
        entries: the members of the bundle.
        examples: the chips that they were fitted on.
        give: the bundle's tags for the members' scores.
    """
    plain = score.per_chip(examples.truth, give([entry.scores[0] for entry in entries]))
    prices: dict[str, dict[str, Any]] = {}
    for name, hint in engine.HINTS.items():
        if not openvino_runtime.supports(hint):
            continue
        matrices = [entry.scores[0] if name == "f32" else _out_of_fold(entry, examples, name) for entry in entries]
        loss = plain - score.per_chip(examples.truth, give(matrices))
        prices[name] = {
            "loss": float(loss.mean()),
            "interval": list(score.bootstrap_interval(loss)),
            "ms": sum(milliseconds_a_chip(_network(entry, examples, 0, name), hint) for entry in entries),
        }
        progress.say(f"{name}: costs {prices[name]['loss']:+.4f} of F2, takes {prices[name]['ms']:.2f} ms a chip")
    within = [name for name in prices if prices[name]["loss"] <= LIMIT]
    return {"auto": min(within, key=lambda name: prices[name]["ms"]), "limit": LIMIT, "prices": prices}


def add_int8(entry: FittedMember, examples: Examples, folder: Path) -> None:
    """Put the quantised network of the member fitted on all chips into its folder of a bundle."""
    made = _network(entry, examples, ALL_CHIPS, "int8")
    for source, target in zip(engine.NETWORK["f32"], engine.NETWORK["int8"], strict=True):
        atomic.write_bytes(folder / target, (made / source).read_bytes())


def _out_of_fold(entry: FittedMember, examples: Examples, name: str) -> Scores:
    given = np.zeros(examples.truth.shape, np.float32)
    one_view = replace(examples, views=1)
    for number in range(examples.folds):
        held = np.flatnonzero(examples.fold == number)
        unit, network = unit_folder(entry, number), _network(entry, examples, number, name)
        given[held] = member_scores(unit, one_view, held, network=network, hint=engine.HINTS[name])[0]
    return given


def _network(entry: FittedMember, examples: Examples, number: int, name: str) -> Path:
    """The folder that holds one unit's network for a precision; quantised first, if need be."""
    unit = unit_folder(entry, number)
    if name != "int8":
        return unit
    made = unit.with_suffix(".int8")
    if made.exists():
        return made
    xml, weights = member_network(unit)
    rows = np.flatnonzero(examples.fold != number)
    picked = rows[np.linspace(0, len(rows) - 1, min(quantise.MAX_CALIBRATION_CHIPS, len(rows))).astype(int)]
    shown: NDArray[Any] = np.stack([chips.load(examples.paths[row], examples.spec) for row in picked])
    ladder = entry.folder / "kept.npy"  # found once, on the first unit
    if not ladder.exists():
        np.save(ladder, quantise.choose_float_convolutions(xml, weights, shown))
    content = quantise.quantise_to_int8(xml, weights, shown, keep=int(np.load(ladder)))
    with folders.atomic_folder(made) as part:
        for target, written in zip(engine.NETWORK["f32"], content, strict=True):
            atomic.write_bytes(part / target, written)
    progress.say(f"{entry.settings.name} {unit.name}: quantised but for the first {int(np.load(ladder))} convolutions")
    return made
