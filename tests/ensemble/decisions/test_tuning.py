import numpy as np
import pytest

from ensemble.decisions import calibrate, tuning
from ensemble.decisions.decision import DECODERS, decide_tags, expected_f, fit_decision, flat_decision
from ensemble.decisions.expected import Rules
from ensemble.decisions.thresholds import apply_thresholds
from ensemble.decisions.tuning import CandidateResult, TuningProblem
from ensemble.metrics import score

RULES = Rules(((0, 1, 2),), (2,))


def drawn(seed=0, chips=1500):
    """Scores and truth that follows them, under the rules: one of three labels holds, the third alone."""
    rng = np.random.default_rng(seed)
    parts = rng.dirichlet([2, 1, 0.5], chips)
    free = rng.beta(0.4, 0.8, (chips, 4))
    scores = np.concatenate([parts, free], axis=1).astype(np.float32)
    picked = (rng.random((chips, 1)) > np.cumsum(parts, axis=1)).sum(axis=1).clip(0, 2)
    truth = np.concatenate([np.eye(3, dtype=bool)[picked], rng.random(free.shape) < free], axis=1)
    truth[picked == 2, 3:] = False
    return scores, truth


def problem(scores, truth, **options):
    start = flat_decision(scores.shape[1], rules=RULES)
    return TuningProblem(scores, truth, start, options.pop("recalls", {}), **options)


@pytest.fixture(scope="module")
def tuned():
    return tuning.tune_decision(problem(*drawn()))


@pytest.mark.parametrize("decoder", DECODERS)
def test_every_decoder_gives_tags_and_forecasts_their_f_beta_on_calibrated_scores(decoder):
    scores, truth = drawn(1, 4000)
    start = flat_decision(7, rules=RULES)
    decision = fit_decision(decoder, start.calibration, scores, truth, start)
    tags = decide_tags(decision, scores)
    assert tags.shape == truth.shape
    forecast = expected_f(decision, scores, tags).mean()
    assert forecast == pytest.approx(score.f2(truth, tags), abs=0.03)


def test_nothing_is_fitted_on_the_chips_that_it_is_measured_on():
    """Truth of the held_out-out fold is inverted around; its tags must not change."""
    scores, truth = drawn(2, 300)
    whole = problem(scores, truth)
    fold = np.arange(300) % 3
    first = tuning.compare(whole, fold)
    held_out = fold == 1
    inverted = truth.copy()
    inverted[held_out] = ~inverted[held_out]
    second = tuning.compare(problem(scores, inverted), fold)
    for name, candidate in first.items():
        np.testing.assert_array_equal(candidate.tags[held_out], second[name].tags[held_out])


@pytest.mark.slow
def test_groups_stay_together():
    scores, truth = drawn(3, 400)
    groups = np.arange(400) // 8
    fold = tuning.tune_decision(problem(scores, truth, groups=groups)).fold
    for group in range(50):
        assert len(set(fold[groups == group])) == 1


def test_what_is_chosen_does_not_lose_on_chips_held_out_from_it(tuned):
    scores, truth = drawn(100, 4000)
    start = flat_decision(7, rules=RULES)
    flat, chosen = (score.f2(truth, decide_tags(decision, scores)) for decision in (start, tuned.decision))
    assert chosen > flat - 0.003
    assert tuned.chosen == tuning.BASELINE or tuned.candidates[tuned.chosen].interval[0] > 0


@pytest.mark.slow
def test_scores_unrelated_to_the_truth_bring_no_gain():
    scores, truth = drawn(4)
    shuffled = truth[np.random.default_rng(0).permutation(len(truth))]
    assert tuning.tune_decision(problem(scores, shuffled)).chosen == tuning.BASELINE


@pytest.mark.slow
def test_a_planted_miscalibration_is_recovered():
    scores, truth = drawn(5)
    distorted = scores**2
    tuned = tuning.tune_decision(problem(distorted, truth))
    right, wrong = (score.f2(truth, apply_thresholds(matrix, 0.2)) for matrix in (scores, distorted))
    assert tuned.choice.f_beta.mean() - wrong >= 0.9 * (right - wrong)


def test_the_simplest_of_equals_is_chosen(tuned):
    names = list(tuning.CANDIDATES)
    flat = tuned.candidates[tuning.BASELINE].f_beta
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.05, len(flat))

    def candidate(gain, noisy=0.0):
        f_beta = flat + gain + noisy * noise
        return CandidateResult(
            tuned.choice.tags, f_beta, float((f_beta - flat).mean()), score.bootstrap_interval(f_beta - flat)
        )

    constant = {"constant": CandidateResult(tuned.choice.tags, flat - 0.1, -0.1, (-0.1, -0.1))}
    base = {tuning.BASELINE: candidate(0.0), **dict.fromkeys(names, candidate(-0.01)), **constant}
    assert tuning.choose(base) == tuning.BASELINE
    alike = {**base, "cuts": candidate(0.02), "ruled": candidate(0.0201, noisy=1.0)}
    assert tuning.choose(alike) == "cuts"
    better = {**base, "cuts": candidate(0.02), "ruled": candidate(0.05)}
    assert tuning.choose(better) == "ruled"
    no_better_than_constant = {**better, "constant": CandidateResult(tuned.choice.tags, flat + 0.1, 0.1, (0.1, 0.1))}
    assert tuning.choose(no_better_than_constant) == tuning.BASELINE


@pytest.mark.slow
def test_requested_recalls_are_reached_on_the_chips_they_were_fitted_on():
    scores, truth = drawn(6, 600)
    recalls = {3: 0.0, 4: 0.5, 5: 0.9, 6: 1.0}
    tuned = tuning.tune_decision(problem(scores, truth, recalls=recalls))
    reached = score.per_label(truth, decide_tags(tuned.decision, scores)).recall
    assert all(reached[label] >= recall for label, recall in recalls.items())


def test_thresholds_come_with_intervals_around_them():
    scores, truth = drawn(7, 800)
    thresholds = tuning.threshold_intervals(problem(scores, truth), calibrate.unchanged(7))
    assert (thresholds.intervals[:, 0] <= thresholds.intervals[:, 1]).all()
    inside = (thresholds.intervals[:, 0] <= thresholds.thresholds) & (
        thresholds.thresholds <= thresholds.intervals[:, 1]
    )
    assert inside.mean() > 0.7


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
def test_the_flat_threshold_follows_beta(beta):
    start = flat_decision(3, rules=Rules(), beta=beta)
    np.testing.assert_allclose(start.thresholds, 1 / (1 + beta**2), rtol=1e-6)
