"""The call behind `amazon_tags curve`: a recipe's members are trained on nested subsets of the labelled chips.

Each fold of the recipe is held out, and subsets are drawn from the other folds. So every chip is measured on, and all
the other folds together are what `train` trains on: the point `full` has the same out-of-fold scores to the bit.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.evaluation.curve_report import FULL, CurveReport, PointScores, curve_csv, curve_report
from amazon_tags.files import atomic, locks
from amazon_tags.files.hashes import sha256
from amazon_tags.model.recipe import MemberSettings, Recipe
from amazon_tags.training.combination import fit_recipe_decision, fit_second_level
from amazon_tags.training.curve_request import CurveRequest
from amazon_tags.training.examples import Examples
from amazon_tags.training.foreign_members import read_foreign_backbones
from amazon_tags.training.member_files import ViewOutputs, cached_array
from amazon_tags.training.members import frozen_vectors
from amazon_tags.training.preparation import TrainOptions
from amazon_tags.training.pretrained_members import pretrained_starts, weight_hashes
from amazon_tags.training.train import fit_members, make_examples, work_key
from amazon_tags.training.training_data import TrainingData
from ensemble.arrays import Rows, Scores
from ensemble.heads.table import HEADS
from ensemble.metrics.seeded_scores import measure_seeds
from ensemble.metrics.subsets import nested_subsets
from ensemble.networks.settings import FrozenMember


@dataclass(frozen=True)
class _Run:
    """All that trainings share: `origins` are hashes of backbones, `work` is the folder of finished parts."""

    data: TrainingData
    recipe: Recipe
    options: TrainOptions
    origins: dict[str, str]
    examples: Examples
    work: Path


def measure_curve(
    data: TrainingData, output: Path, *, recipe: Recipe, options: TrainOptions, request: CurveRequest
) -> CurveReport:
    """Train on subsets and on all chips, and measure each training on the folds that it did not see.

    Args:
        data: labelled chips.
        output: the CSV file to write. Finished parts are kept in `<output>.work`, from which a killed run resumes; the
            folder is removed at the end.
        recipe: from `curve_recipe`.
        options: weights, threads.
        request: what to measure.
    """
    work = output.with_name(f"{output.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    with locks.hold_lock(work / "lock"):
        options = replace(options, views=1, bank=options.bank or work / "bank")
        own = read_foreign_backbones(recipe)
        origins = {name: sha256(path) for name, path in options.weights.items()}
        origins |= weight_hashes(recipe, pretrained_starts(recipe))
        origins |= {name: backbone.fingerprint for name, backbone in own.items()}
        run = _Run(data, recipe, options, origins, make_examples(data, recipe, options), work)

        subsets = [_draw_subsets(run, request.shots, recipe.seed + number) for number in range(request.seeds)]
        points = [
            _measure(run, str(shots), [of_seed[place] for of_seed in subsets], _short_labels(run, shots))
            for place, shots in enumerate(request.shots)
        ]
        points += [_measure(run, FULL, [[]], {})] if request.full else []
        report = curve_report(points, data.space, chips=len(data.truth), folds=recipe.folds, targets=request.targets)
        atomic.write_text(output, curve_csv(report))
    shutil.rmtree(work)
    return report


def _draw_subsets(run: _Run, shots: Sequence[int], seed: int) -> list[list[Rows]]:
    """Return, for each number of shots, the rows to train on to score each fold."""
    rests = [run.examples.training_rows(number) for number in range(run.examples.folds)]
    drawn = [[rest[rows] for rows in nested_subsets(run.data.truth[rest], shots, seed=seed)] for rest in rests]
    return [list(of_folds) for of_folds in zip(*drawn, strict=True)]


def _short_labels(run: _Run, shots: int) -> dict[str, int]:
    """Return the labels that fewer chips than the shots carry outside of some fold, and report them."""
    rests = [run.data.truth[run.examples.training_rows(number)] for number in range(run.examples.folds)]
    least = np.min([rest.sum(axis=0) for rest in rests], axis=0)
    short = {name: int(count) for name, count in zip(run.data.space.names, least, strict=True) if count < shots}
    if short:
        name = next(iter(short))
        progress.say(
            f"{shots} shots: {len(short)} of {len(least)} labels are on fewer chips outside of a fold (first: {name}, "
            f"{short[name]}); all of them are trained on"
        )
    return short


def _measure(run: _Run, shots: str, subsets: Sequence[Sequence[Rows]], short: dict[str, int]) -> PointScores:
    """Train on the subsets of each seed, one a fold; an empty list stands for all chips outside of the fold."""
    scores = np.stack([_train(run, rows, run.recipe.seed + number) for number, rows in enumerate(subsets)])
    tags = np.stack([fit_recipe_decision(run.recipe, run.data, matrix, run.examples.fold)[1] for matrix in scores])
    measured = measure_seeds(run.data.truth, scores, tags)
    folds = run.examples.folds
    sizes = [
        len(replace(run.examples, subsets=rows).training_rows(number)) for rows in subsets for number in range(folds)
    ]
    progress.say(f"shots {shots}: F2 {measured.f2:.4f} on {np.mean(sizes):.1f} chips")
    return PointScores(shots, float(np.mean(sizes)), len(subsets), measured, short)


def _train(run: _Run, subsets: Sequence[Rows], seed: int) -> Scores:
    """Return the out-of-fold scores (chips, labels) of the members' mean."""
    recipe = replace(run.recipe, seed=seed)
    examples = replace(run.examples, subsets=subsets, seed=seed)
    members = []
    for settings in recipe.members:
        if subsets and isinstance(settings, FrozenMember):
            members.append(_head_scores(run, settings, examples))
        else:
            one = replace(recipe, members=(settings,))
            fitted = fit_members(run.data, one, run.options.weights, run.origins, examples, run.work)
            members.append(fitted[0].scores)
    return fit_second_level(recipe, run.data.truth, members, examples.fold).scores


def _head_scores(run: _Run, settings: FrozenMember, examples: Examples) -> ViewOutputs:
    """Return the out-of-fold scores (1, chips, labels) of heads on vectors that all subsets share."""
    folder = run.work / work_key(run.recipe, run.data, settings, _origin(run, settings), ["vectors"]) / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    is_file = settings.weights in run.origins  # of a pretrained backbone
    start = settings.weights if is_file else str(run.options.weights.get(settings.backbone, settings.weights))
    vectors = frozen_vectors(replace(settings, weights=start), run.examples, folder)

    def fit() -> ViewOutputs:
        scores = np.zeros((1, *examples.truth.shape), np.float32)
        for number in range(examples.folds):
            rows, held_out = examples.training_rows(number), examples.fold == number
            head = HEADS[settings.head](vectors[rows], examples.truth[rows], examples.seed)
            scores[0, held_out] = head.scores(vectors[held_out])
        return scores

    parts = [examples.fold.tobytes(), *(rows.tobytes() for rows in examples.subsets), str(examples.seed).encode()]
    return cached_array(folder / f"{hashlib.sha256(b' '.join(parts)).hexdigest()[:16]}.npy", fit)


def _origin(run: _Run, settings: MemberSettings) -> str:
    is_file = settings.weights in run.origins
    return run.origins[settings.weights] if is_file else run.origins.get(settings.backbone, settings.weights)
