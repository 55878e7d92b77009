"""What follows the members of a recipe: their second level, and the decision; it needs no network library."""

from collections.abc import Sequence
from dataclasses import dataclass

from amazon_tags.model import decision_file
from amazon_tags.model.bundle import ViewOutputs
from amazon_tags.model.manifest import SecondLevelReport, SecondLevelTrial
from amazon_tags.model.recipe import Recipe
from amazon_tags.training.training_data import LabelledData
from ensemble.arrays import Fold, Scores, Tags
from ensemble.decisions import tuning
from ensemble.decisions.decision import Decision, decide_tags, fit_decision, flat_decision
from ensemble.decisions.thresholds import nested_thresholds
from ensemble.decisions.tuning import TuningProblem
from ensemble.second_level import blend
from ensemble.second_level.candidates import (
    BASELINE,
    SECOND_LEVELS,
    SecondLevelResult,
    choose_second_level,
    compare_second_levels,
)
from ensemble.second_level.models import SecondLevel


@dataclass(frozen=True)
class FittedSecondLevel:
    """A second level that was fitted on all chips.

    Attributes:
        model: the second level.
        report: its name, and what was tried.
        scores: (chips, labels) what it gives on single views, fitted without the chip.
        averaged: (chips, labels) the same, on scores averaged over dihedral views.
    """

    model: SecondLevel
    report: SecondLevelReport
    scores: Scores
    averaged: Scores


def fit_second_level(recipe: Recipe, truth: Tags, members: Sequence[ViewOutputs], fold: Fold) -> FittedSecondLevel:
    """Fit the recipe's second level, or the one that nested cross-validation chooses, on out-of-fold scores.

    Args:
        recipe: the recipe.
        truth: (chips, labels) ground truth.
        members: the out-of-fold scores (views, chips, labels) of each member.
        fold: (chips,) the fold that holds each chip out.
    """
    single = [views[0] for views in members]
    name = recipe.second if len(members) > 1 else BASELINE
    if name == "chosen":
        choice = choose_second_level(single, truth, fold, seed=recipe.seed)
        name, model, scores = choice.name, choice.second, choice.choice.scores
        trials = {**choice.trials, "the choice itself": choice.choice}
    else:
        trials = compare_second_levels(single, truth, fold, names=[name], seed=recipe.seed)
        model, scores = SECOND_LEVELS[name](single, truth, recipe.seed), trials[name].scores

    means = [blend.equal(list(views), recipe.view_mean).scores(list(views)) for views in members]
    averaged = compare_second_levels(means, truth, fold, names=[name], seed=recipe.seed)[name].scores
    report = SecondLevelReport(name, {key: _report_trial(trial) for key, trial in trials.items()})
    return FittedSecondLevel(model, report, scores, averaged)


def fit_recipe_decision(recipe: Recipe, data: LabelledData, scores: Scores, fold: Fold) -> tuple[Decision, Tags]:
    """Fit the recipe's decision on out-of-fold scores.

    Returns:
        The decision, and the tags (chips, labels) that it gives chips when it was fitted without them.
    """
    flat = flat_decision(scores.shape[1], rules=decision_file.rules(data.space))
    if recipe.decision == "flat":
        return flat, decide_tags(flat, scores)
    if recipe.decision == "cuts":
        decision = fit_decision("cuts", flat.calibration, scores, data.truth, flat)
        return decision, nested_thresholds(scores, data.truth, fold)
    tuned = tuning.tune_decision(TuningProblem(scores, data.truth, flat, {}, seed=recipe.seed, groups=data.groups))
    return tuned.decision, tuned.choice.tags


def _report_trial(trial: SecondLevelResult) -> SecondLevelTrial:
    return SecondLevelTrial(float(trial.f_beta.mean()), trial.gain, trial.interval)
