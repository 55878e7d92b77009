"""The F2 that each precision loses out of fold, and the precision that `auto` therefore chooses.

f32   as trained
bf16  the same networks in floats of 16 bits, where the processor supports them
int8  networks quantised after training; the scales are set with some of the training chips of each fold
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
from amazon_tags.model.manifest import PrecisionCost, PrecisionReport
from amazon_tags.training.examples import Examples
from amazon_tags.training.member_files import member_scores
from amazon_tags.training.members import ALL_CHIPS, FittedMember, Member, unit_folder
from amazon_tags.training.network_files import member_network, milliseconds_a_chip
from ensemble.arrays import Scores, Tags
from ensemble.metrics import score
from features.images import chips
from features.networks import openvino_runtime, quantise

MAX_F2_LOSS = 0.001  # that `auto` accepts: far inside the width of any F2's interval


def measure_precisions(
    members: Sequence[FittedMember], examples: Examples, decide: Callable[[list[Scores]], Tags]
) -> PrecisionReport:
    """Measure each precision that this processor supports, and choose the fastest whose loss is within the limit.

    Args:
        members: the members of the bundle.
        examples: the chips that they were fitted on.
        decide: returns the bundle's tags for the members' scores.
    """
    plain = score.per_chip(examples.truth, decide([member.scores[0] for member in members]))
    costs: dict[str, PrecisionCost] = {}
    for name, hint in engine.HINTS.items():
        if not openvino_runtime.supports(hint):
            continue
        matrices = [
            member.scores[0] if name == "f32" else precision_scores(member, examples, name) for member in members
        ]
        loss = plain - score.per_chip(examples.truth, decide(matrices))
        milliseconds = sum(
            milliseconds_a_chip(member_network(unit_network(member, examples, 0, name)), hint) for member in members
        )
        cost = PrecisionCost(float(loss.mean()), score.bootstrap_interval(loss), milliseconds)
        progress.say(f"{name}: loses {cost.loss:+.4f} of F2, takes {cost.milliseconds:.2f} ms a chip")
        costs[name] = cost
    affordable = [name for name, cost in costs.items() if cost.loss <= MAX_F2_LOSS]
    return PrecisionReport(min(affordable, key=lambda name: costs[name].milliseconds), MAX_F2_LOSS, costs)


def add_int8(member: FittedMember, examples: Examples, folder: Path) -> None:
    """Put the quantised network of the member fitted on all chips into its folder of a bundle."""
    quantised = unit_network(member, examples, ALL_CHIPS, "int8")
    for source, target in zip(engine.NETWORK["f32"], engine.NETWORK["int8"], strict=True):
        atomic.write_bytes(folder / target, (quantised / source).read_bytes())


def precision_scores(member: Member, examples: Examples, name: str) -> Scores:
    """Return the out-of-fold scores (chips, labels) of a member in a precision; its units are in its folder."""
    scores = np.zeros(examples.truth.shape, np.float32)
    one_view = replace(examples, views=1)
    for number in range(examples.folds):
        held_out = np.flatnonzero(examples.fold == number)
        unit, network = unit_folder(member, number), unit_network(member, examples, number, name)
        scores[held_out] = member_scores(unit, one_view, held_out, network=network, hint=engine.HINTS[name])[0]
    return scores


def unit_network(member: Member, examples: Examples, number: int, name: str) -> Path:
    """Return the folder of one unit's network in a precision, which is quantised first if need be."""
    unit = unit_folder(member, number)
    if name != "int8":
        return unit
    quantised = unit.with_suffix(".int8")
    if quantised.exists():
        return quantised

    xml, weights = member_network(unit)
    rows = np.flatnonzero(examples.fold != number)
    rows = rows[np.linspace(0, len(rows) - 1, min(quantise.MAX_CALIBRATION_CHIPS, len(rows))).astype(int)]
    pixels: NDArray[Any] = np.stack([chips.load(examples.paths[row], examples.spec) for row in rows])
    count_file = member.folder / "kept.npy"  # how many convolutions stay in f32, measured once, on the first unit
    if count_file.exists():
        count = int(np.load(count_file))
        content = quantise.quantise_to_int8(xml, weights, pixels, keep=count)
    else:
        count, content = quantise.quantise_closely(xml, weights, pixels)
        np.save(count_file, count)

    with folders.atomic_folder(quantised) as part:
        for target, data in zip(engine.NETWORK["f32"], content, strict=True):
            atomic.write_bytes(part / target, data)
    progress.say(f"{member.settings.name} {unit.name}: quantised, but for the first {count} convolutions")
    return quantised
