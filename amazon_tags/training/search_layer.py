"""The call behind `amazon_tags search-layer`: where to end a pretrained backbone, by measurement on labelled chips.

Truncated networks in transfer learning (Peng et al. 2023), in three stages: linear probes at the end of every block,
fine-tuning at the best of these, and fine-tuning at layers around the best of all.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from amazon_tags import progress
from amazon_tags.evaluation.layer_report import LayerReport, MeasuredLayer, Method, layer_csv, layer_report
from amazon_tags.files import atomic, locks
from amazon_tags.files.hashes import sha256
from amazon_tags.model.recipe import Recipe
from amazon_tags.training.layer_probes import HEAD, LayerSearch, ProbedLayer, flat_tags, probe_layers
from amazon_tags.training.layer_request import LayerRequest
from amazon_tags.training.train import fit_members, make_examples
from amazon_tags.training.training_data import TrainingData
from ensemble.arrays import Scores
from ensemble.metrics import score
from features.networks import backbones, truncation

PASSES_A_STEP = 3  # a training step computes about as much as three forward passes: one, and twice as much backward
MILLISECONDS_A_MINUTE = 6e4


def search_layer(data: TrainingData, output: Path, *, recipe: Recipe, request: LayerRequest) -> LayerReport:
    """Compare the layers at which a backbone may end, and propose one.

    Args:
        data: from `read_layer_data`.
        output: the CSV file to write. Finished parts are kept in `<output>.work`, from which a killed run resumes; the
            folder is removed at the end.
        recipe: from `layer_recipe`.
        request: what to compare.
    """
    work = output.with_name(f"{output.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    with locks.hold_lock(work / "lock"):
        options = replace(request.options(), bank=request.bank or work / "bank")
        file = options.weights.get(request.backbone)
        examples = make_examples(data, recipe, options)
        origin = sha256(file) if file else request.weights
        search = LayerSearch(data, recipe, examples, work, request.weights, origin, request.screen)

        measured = _run_stages(search, request)
        report = layer_report(
            data.truth,
            measured,
            backbone=request.backbone,
            folds=recipe.folds,
            member={"frozen": _member_text(search, "frozen"), "tuned": _member_text(search, "tuned")},
        )
        atomic.write_text(output, layer_csv(report))
    shutil.rmtree(work)
    return report


def _run_stages(search: LayerSearch, request: LayerRequest) -> list[MeasuredLayer]:
    architecture = backbones.architecture(request.backbone)
    ends = truncation.block_ends(architecture)
    progress.say(f"stage 0: linear probes at the {len(ends)} block ends of {request.backbone}")
    probed = probe_layers(search, ends)
    measured = [_measure(search, 0, "frozen", layer, layer.scores) for layer in probed]
    if not request.tuned:
        return measured

    tuned = _fine_tune(search, 1, _best(probed, request.tuned))
    measured += tuned
    best = max(tuned, key=lambda layer: score.f2(search.data.truth, layer.tags)).layer
    inside = truncation.layers_around(architecture, best)
    if not inside:
        progress.say(f"stage 2: left out, since there are no named layers around {best} that could be ends")
        return measured
    progress.say(f"stage 2: linear probes at {len(inside)} layers around {best}")
    probed = probe_layers(search, inside)
    measured += [_measure(search, 2, "frozen", layer, layer.scores) for layer in probed]
    return measured + _fine_tune(search, 2, _best(probed, request.tuned))


def _best(probed: Sequence[ProbedLayer], count: int) -> list[ProbedLayer]:
    """Return the layers of highest merit, in the order of `probed`."""
    names = [layer.layer for layer in sorted(probed, key=lambda layer: -layer.merit)[:count]]
    return [layer for layer in probed if layer.layer in names]


def _fine_tune(search: LayerSearch, stage: int, chosen: Sequence[ProbedLayer]) -> list[MeasuredLayer]:
    """Fine-tune the backbone up to each layer on the complement of each fold, and score the fold."""
    _announce(search, stage, chosen)
    measured = []
    for layer in chosen:
        recipe = replace(search.recipe, members=(replace(search.member, name=layer.layer, layer=layer.layer),))
        weights = {} if search.weights == search.origin else {search.member.backbone: Path(search.weights)}
        origins = {search.member.backbone: search.origin}
        (fitted,) = fit_members(search.data, recipe, weights, origins, search.examples, search.work)
        measured.append(_measure(search, stage, "tuned", layer, fitted.scores[0]))
        progress.say(f"stage {stage}: {layer.layer}: F2 {score.f2(search.data.truth, measured[-1].tags):.4f}")
    return measured


def _announce(search: LayerSearch, stage: int, chosen: Sequence[ProbedLayer]) -> None:
    """Report how much work fine-tuning is, before it begins."""
    folds, epochs = search.recipe.folds, search.member.epochs
    chips = len(search.data.truth) * (folds - 1) * epochs
    forward = sum(layer.cost.milliseconds for layer in chosen) * chips / search.examples.jobs
    minutes = PASSES_A_STEP * forward / MILLISECONDS_A_MINUTE
    by = "F2 of the probe" if search.screen == "probes" else "share of the tags explained early"
    names = ", ".join(f"{layer.layer} ({by} {layer.merit:.4f})" for layer in chosen)
    progress.say(
        f"stage {stage}: fine-tuning at {names}: {len(chosen)} layers x {folds} folds x {epochs} epochs, "
        f"{len(chosen) * chips:,} chips through a network and back; on these cores at least "
        f"{max(minutes, 1):,.0f} min, judging by the time of prediction"
    )


def _measure(search: LayerSearch, stage: int, method: Method, layer: ProbedLayer, scores: Scores) -> MeasuredLayer:
    return MeasuredLayer(stage, method, layer.layer, flat_tags(search, scores), layer.cost)


def _member_text(search: LayerSearch, method: Method) -> str:
    """Return a recipe with a member as it was measured, with `{layer}` where the layer stands."""
    member = search.member
    lines = [f"side = {search.recipe.side}"]
    if search.examples.spec.has_many_bands():
        lines.append(f"bands = {json.dumps(search.recipe.bands)}")
    lines += ["", "[[members]]", f'kind = "{method}"', f'name = "{member.backbone}"']
    lines += [f'backbone = "{member.backbone}"', 'layer = "{layer}"']
    lines += [f'head = "{HEAD}"'] if method == "frozen" else [f"epochs = {member.epochs}"]
    if member.weights == "none":
        lines += ['weights = "none"'] + ([f'init = "{member.init}"'] if method == "tuned" else [])
    if search.weights != search.origin:
        lines.insert(0, f"# train with --weights {member.backbone}={search.weights}")
    return "\n".join(lines) + "\n"
