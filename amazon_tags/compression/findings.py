"""What `amazon_tags compress` measured, as a table, with what it means and what to do."""

from collections.abc import Sequence
from math import nan

from amazon_tags.compression.measured import ALIKE, MeasuredPoint, fastest, interval, lost_f2
from amazon_tags.compression.picture import MEBIBYTE, compression_picture
from amazon_tags.compression.request import MAX_LOSS, CompressedBundle, CompressRequest
from amazon_tags.compression.units import RATE_SHARE
from amazon_tags.inspection.findings import Cell, Findings
from amazon_tags.training.training_data import TrainingData

COLUMNS = (
    *("point", "compression", "speedup", "f2_before", "f2", "f2_low", "f2_high", "lost", "lost_low", "lost_high"),
    *("map_before", "map", "map_low", "map_high", "parameters", "ms", "bytes", "gzipped", "memory"),
)


def compression_findings(
    measured: Sequence[MeasuredPoint],
    data: TrainingData,
    model: CompressedBundle,
    request: CompressRequest,
    remarks: Sequence[str] = (),
) -> Findings:
    """Return the report; the first measured point is the unpruned one, and `remarks` are further notes."""
    whole = measured[0]
    names = ", ".join(settings.name for settings in model.members())
    title = f"Compression of {names} of {model.folder.name} on {len(data.truth)} chips"
    return Findings(
        title,
        COLUMNS,
        [_row(point, whole) for point in measured],
        (*_notes(model, request, whole), *remarks, *_comparisons(measured)),
        f"{_advice(measured)}{_other_advice(measured)}",
        compression_picture(title, measured),
    )


def _row(point: MeasuredPoint, whole: MeasuredPoint) -> tuple[Cell, ...]:
    before, after, cost = point.before, point.after, point.cost
    is_tuned = point.kind == "pruned"
    lost = (nan, nan, nan) if point is whole else lost_f2(point, whole)
    return (
        *(point.point.title, point.compression, whole.cost.multiply_adds / max(1, cost.multiply_adds)),
        *(before.f2 if is_tuned else nan, after.f2, *interval(after.f2_draws), *lost),
        *(before.mean_average_precision if is_tuned else nan, after.mean_average_precision),
        *interval(after.mean_average_precision_draws),
        *(cost.parameters, cost.milliseconds, cost.size, cost.gzipped, cost.memory),
    )


def _notes(model: CompressedBundle, request: CompressRequest, whole: MeasuredPoint) -> tuple[str, ...]:
    folds = model.recipe.folds
    begins = {
        "bundle": f"the bundle was trained on none of these chips: its networks were pruned, fine-tuned on {folds - 1} "
        f"of {folds} folds and scored on the other",
        "recipe": f"the bundle was trained on {model.shared if model.shared is not None else 'perhaps all'} of these "
        f"chips, so that its own networks know them: for each of {folds} folds its recipe was trained again without "
        "the fold, and these networks were pruned, fine-tuned without the fold and scored on it",
    }
    decision = "one flat threshold" if model.recipe.decision == "flat" else "thresholds fitted on the other folds"
    return (
        begins[model.begin],
        "compression: all parameters by those that are not 0; speedup: multiply-adds by those without zeros; both are "
        "theory (Blalock et al. 2020). The last layer, biases and norms are never pruned, but channels go with theirs",
        f"before, and without a suffix after {request.epochs} epochs of fine-tuning with labels alone, at "
        f"{RATE_SHARE:g} of the recipe's rate; of f2 and map (mean average precision) means over {request.seeds} "
        "seeds, with 95 % intervals over chips and seeds",
        f"f2 by {decision}; lost: f2 of the networks unpruned and not fine-tuned ({whole.before.f2:.4f}) less that of "
        "the row, paired; the row unpruned says what fine-tuning alone changes",
        "parameters: numbers of the files in f32 that are not 0; ms, bytes, gzipped, memory: measured, of the networks "
        "as OpenVINO runs them: one core's time for a chip, with floats in f32, "
        "its files, these gzipped, and the peak memory in bytes of a process that scores 16 chips; zeros save bytes "
        "when gzipped, but no time: dense kernels compute them",
    )


def _comparisons(measured: Sequence[MeasuredPoint]) -> list[str]:
    """Return a line for each network that was not pruned: what it gains over the pruned point to be compared with."""
    reference = _reference(measured)
    if reference is None:
        return []
    lines = []
    for other in measured:
        if other.kind != "pruned":
            low, high = interval(other.after.f2_draws - reference.after.f2_draws)
            lines.append(
                f"{other.point.title} against {reference.point.title}: F2 {other.after.f2 - reference.after.f2:+.4f} "
                f"({low:+.4f} to {high:+.4f}, paired), "
                f"{other.cost.milliseconds / reference.cost.milliseconds:.2f} times its ms, "
                f"{other.cost.gzipped / reference.cost.gzipped:.2f} times its gzipped bytes"
            )
    return lines


def _reference(measured: Sequence[MeasuredPoint]) -> MeasuredPoint | None:
    """Return the pruned point that others are compared with: the one to ship, or else the one that loses least."""
    whole, pruned = measured[0], [point for point in measured if point.can_ship()]
    return fastest(pruned, whole) or min(pruned, key=lambda point: lost_f2(point, whole)[0], default=None)


def _advice(measured: Sequence[MeasuredPoint]) -> str:
    whole, reference = measured[0], _reference(measured)
    if reference is None:
        return "Only controls were measured, which are no way to make networks smaller: name another --strategy."
    lost, low, high = lost_f2(reference, whole)
    if lost > MAX_LOSS:
        return (
            f"Keep the bundle as it is: no point loses at most {MAX_LOSS} of F2; {reference.point.title} loses least, "
            f"{lost:.4f} ({low:.4f} to {high:.4f})."
        )
    cost = reference.cost
    is_faster = ALIKE * cost.milliseconds <= whole.cost.milliseconds
    end = (
        "Pass --ship BUNDLE to write it."
        if is_faster
        else "It is not faster than the unpruned networks: write it by --ship BUNDLE only where its bytes matter."
    )
    return (
        f"{reference.point.title} is the fastest point that loses at most {MAX_LOSS} of F2, and of equally fast ones "
        f"the smallest: it loses {lost:.4f} ({low:.4f} to {high:.4f}), takes {cost.milliseconds:.2f} ms a chip in "
        f"place of {whole.cost.milliseconds:.2f}, and {cost.gzipped / MEBIBYTE:.2f} MiB gzipped in place of "
        f"{whole.cost.gzipped / MEBIBYTE:.2f}. {end}"
    )


def _other_advice(measured: Sequence[MeasuredPoint]) -> str:
    """Return whether int8 or another bundle is better than pruning; empty where none was measured."""
    whole = measured[0]
    others = [point for point in measured if point.kind != "pruned"]
    best = fastest([point for point in measured if not point.is_control()], whole)
    if not others:
        return ""
    names = ", ".join(point.point.title for point in others)
    if best is None:
        return f" Of what was not pruned ({names}) none loses so little either."
    if best.kind == "pruned":
        return f" What was not pruned ({names}) is no better: it loses more, or is slower or no smaller."
    lost, low, high = lost_f2(best, whole)
    end = "predict --precision int8 computes so." if best.kind == "int8" else "it is a bundle already."
    return (
        f" Better than pruning is {best.point.title}: it loses {lost:.4f} ({low:.4f} to {high:.4f}), takes "
        f"{best.cost.milliseconds:.2f} ms a chip and {best.cost.gzipped / MEBIBYTE:.2f} MiB gzipped; {end}"
    )
