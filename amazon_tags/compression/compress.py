"""The call behind `amazon_tags compress`: prune the networks of a bundle, fine-tune and measure them.

The measures are those of Blalock et al. 2020, section 6 (ShrinkBench): several ratios, several seeds, the scores before
and after fine-tuning, the unpruned network and random pruning as controls; and what is measured beside what is theory.
"""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from math import nan
from pathlib import Path

import keras
import numpy as np

from amazon_tags import progress
from amazon_tags.compression.beside import Beside
from amazon_tags.compression.costs import Cost, measure_cost
from amazon_tags.compression.findings import compression_findings
from amazon_tags.compression.int8 import int8_networks, int8_remark, int8_scores, write_starts
from amazon_tags.compression.measured import MeasuredPoint, choose_point
from amazon_tags.compression.request import INT8, CompressedBundle, CompressRequest
from amazon_tags.compression.ship import ship_point
from amazon_tags.compression.units import (
    CompressionRun,
    Point,
    UnitResult,
    out_of_fold,
    untrained_network,
    write_dense_network,
)
from amazon_tags.files import atomic, locks, preflight
from amazon_tags.files.hashes import sha256
from amazon_tags.inspection.findings import Findings
from amazon_tags.training.combination import fit_recipe_decision, fit_second_level
from amazon_tags.training.examples import Examples
from amazon_tags.training.foreign_members import read_foreign_backbones
from amazon_tags.training.member_files import ViewOutputs
from amazon_tags.training.members import unit_folder
from amazon_tags.training.network_files import member_network
from amazon_tags.training.start_bundle import WEIGHTS
from amazon_tags.training.train import fit_members, make_examples
from amazon_tags.training.training_data import TrainingData
from ensemble.arrays import Scores, Tags
from ensemble.compression.prune import PruningData, choose_weights
from ensemble.compression.strategies import UNPRUNED
from ensemble.metrics.seeded_scores import SeededScores, measure_seeds

WHOLE = Point(UNPRUNED, 1)
SECONDS_A_MINUTE = 60


def compress(
    data: TrainingData,
    model: CompressedBundle,
    output: Path,
    request: CompressRequest,
    beside: Sequence[Beside] = (),
) -> Findings:
    """Prune a bundle's networks by every strategy and ratio, and measure each; with `ship`, write one as a bundle.

    Args:
        data: labelled chips, from `read_compress_data`.
        model: the bundle, from the same.
        output: the report that will be written. Finished parts are kept in `<output>.work`, from which a killed run
            resumes; the folder is removed at the end.
        request: what to measure.
        beside: other bundles to measure on the same chips, from `read_beside`.

    Raises:
        BundleError: a bundle is damaged.
        ChipError: a bundle cannot use a chip.
        ValueError: a ratio cannot be reached, or there is no point to ship.
    """
    points = [WHOLE, *(Point(name, ratio) for name in request.strategies for ratio in request.ratios)]
    examples = bundle_examples(data, model, request)
    _refuse_points(model, points, examples)
    work = output.with_name(f"{output.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    with locks.hold_lock(work / "lock"):
        others = [one.scores(data, request.layout, jobs=request.options.jobs) for one in beside]
        starts = _find_starts(data, model, request, examples, work)
        units = work / _key(data, model, examples)
        units.mkdir(exist_ok=True)
        run = CompressionRun(data, model, request, examples, starts, units)
        _run_units(run, points)
        measured = [_measure_point(run, point) for point in points]
        measured += [_measure_int8(run, measured[0])] if request.int8 else []
        measured += [_measure_beside(run, one, scores) for one, scores in zip(beside, others, strict=True)]
        remarks = [*([int8_remark()] if request.int8 else []), *(one.remark(data) for one in beside)]
        findings = compression_findings(measured, data, model, request, remarks)
        if request.ship:
            preflight.refuse_existing(request.ship)
            ship_point(choose_point(measured, request.point), run)
    shutil.rmtree(work)
    return findings


def bundle_examples(data: TrainingData, model: CompressedBundle, request: CompressRequest) -> Examples:
    """Return the chips in folds, normalised as the bundle's networks know them: not by statistics of other chips."""
    examples = make_examples(data, model.recipe, replace(request.options, views=1))
    return replace(examples, spec=replace(examples.spec, statistics=model.manifest.spec.statistics))


def _refuse_points(model: CompressedBundle, points: Sequence[Point], examples: Examples) -> None:
    """Refuse ratios that cannot be reached, before any training."""
    for member in model.members():
        keras.utils.clear_session()
        network = untrained_network(replace(member, weights="none", init="imagenet"), examples)
        network.load_weights(model.files[member.name])
        for point in points:  # what can be reached depends on no gradient
            strategy = point.strategy.replace("global-gradient", "global-magnitude")
            choose_weights(network, strategy, point.ratio, PruningData(0, None, None, None))


def _find_starts(
    data: TrainingData, model: CompressedBundle, request: CompressRequest, examples: Examples, work: Path
) -> dict[str, list[Path]]:
    """Return the weight files of each member for the folds; where the bundle knows the chips, train them."""
    if model.begin == "bundle":
        return {name: [file] * examples.folds for name, file in model.files.items()}
    weights = request.options.weights
    own = {name: backbone.fingerprint for name, backbone in read_foreign_backbones(model.recipe).items()}
    origins = {name: sha256(path) for name, path in weights.items()} | own
    fitted = fit_members(data, model.recipe, weights, origins, examples, work)
    return {
        member.settings.name: [unit_folder(member, fold) / WEIGHTS for fold in range(examples.folds)]
        for member in fitted
        if member.settings.name in model.files
    }


def _key(data: TrainingData, model: CompressedBundle, examples: Examples) -> str:
    """Return a name for all that units depend on beside their own settings."""
    fold = hashlib.sha256(examples.fold.tobytes()).hexdigest()
    values = [model.manifest.sha256, model.begin, data.fingerprint, fold, keras.backend.backend()]
    return hashlib.sha256(json.dumps([*values, version("amazon-tags")]).encode()).hexdigest()[:16]


def _run_units(run: CompressionRun, points: Sequence[Point]) -> None:
    """Run all units, with the time that is left."""
    units = [
        unit
        for point in points
        for seed in range(run.request.seeds)
        for of_member in run.units(point, seed).values()
        for unit in of_member
    ]
    missing = [unit for unit in units if not (run.work / f"{unit.file}.npz").exists()]
    if len(missing) < len(units):
        progress.say(f"{len(units) - len(missing)} of {len(units)} units were finished by an earlier run")
    started = time.monotonic()
    with progress.bar("pruning", len(missing)) as advance:
        for done, unit in enumerate(missing, start=1):
            run.result(unit)
            minutes = (time.monotonic() - started) / done * (len(missing) - done) / SECONDS_A_MINUTE
            progress.say(f"{unit.name}: {done} of {len(missing)}, about {minutes:,.0f} min left")
            advance(1)


def _measure_point(run: CompressionRun, point: Point) -> MeasuredPoint:
    before: list[Scores] = []
    after: list[Scores] = []
    firsts: dict[str, UnitResult] = {}
    for seed in range(run.request.seeds):
        results = {name: [run.result(unit) for unit in units] for name, units in run.units(point, seed).items()}
        before.append(_combine(run, results, fine_tuned=False))
        after.append(_combine(run, results, fine_tuned=True))
        firsts = firsts or {name: of_folds[0] for name, of_folds in results.items()}
    total, left = (sum(getattr(result, key) for result in firsts.values()) for key in ("total", "left"))
    return MeasuredPoint(
        point, total / left, _measure(run, before), _measure(run, after), _cost(run, point, firsts), run.request.seeds
    )


def _measure_int8(run: CompressionRun, whole: MeasuredPoint) -> MeasuredPoint:
    members = write_starts(run)
    scores = _measure(run, [_join(run, int8_scores(run, members))])
    cost = measure_cost(int8_networks(run, members))
    theory = replace(cost, parameters=whole.cost.parameters, multiply_adds=whole.cost.multiply_adds)
    return MeasuredPoint(Point(INT8, 1), whole.compression, scores, scores, theory, 1, "int8")


def _measure_beside(run: CompressionRun, beside: Beside, scores: Scores) -> MeasuredPoint:
    measured = _measure(run, [scores])
    return MeasuredPoint(Point(beside.name, 1), nan, measured, measured, measure_cost(beside.networks), 1, "beside")


def _combine(run: CompressionRun, results: dict[str, list[UnitResult]], *, fine_tuned: bool) -> Scores:
    """Return the scores (chips, labels) of the bundle, out of fold."""
    return _join(
        run, [out_of_fold(of_folds, run.examples, fine_tuned=fine_tuned)[np.newaxis] for of_folds in results.values()]
    )


def _join(run: CompressionRun, matrices: Sequence[ViewOutputs]) -> Scores:
    """Return the scores (chips, labels) of those (1, chips, labels) of the members."""
    return fit_second_level(run.model.recipe, run.data.truth, matrices, run.examples.fold).scores


def _measure(run: CompressionRun, scores: Sequence[Scores]) -> SeededScores:
    tags: list[Tags] = [
        fit_recipe_decision(run.model.recipe, run.data, matrix, run.examples.fold)[1] for matrix in scores
    ]
    return measure_seeds(run.data.truth, np.stack(scores), np.stack(tags))


def _cost(run: CompressionRun, point: Point, firsts: dict[str, UnitResult]) -> Cost:
    """Measure the networks of the first fold and seed, or read what an earlier run measured."""
    first = next(iter(run.units(point, 0).values()))[0]
    path = run.work / f"{first.file}.costs.json"
    if not path.exists():
        networks = []
        for member in run.model.members():
            keras.utils.clear_session()
            network = untrained_network(replace(member, weights="none", init="imagenet"), run.examples)
            network.set_weights(firsts[member.name].weights)
            with tempfile.TemporaryDirectory() as folder:
                write_dense_network(network, Path(folder))
                networks.append(member_network(Path(folder)))
        atomic.write_json(path, asdict(measure_cost(networks)))
    return Cost(**json.loads(path.read_text(encoding="utf-8")))
