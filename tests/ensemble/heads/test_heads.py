import io
import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeCV

from ensemble.heads import fitted
from ensemble.heads.fitted import HEAD_FILES, sigmoid, standardise
from ensemble.heads.head_files import load_head, parse_head, save_head
from ensemble.heads.logistic import _strength, fit_logistic, logistic_path
from ensemble.heads.neighbours import NEIGHBOURHOOD_SIZES
from ensemble.heads.platt import fit_sigmoid
from ensemble.heads.ridge import RIDGE_STRENGTHS, fit_ridge
from ensemble.heads.rotation import mean_and_spread, rotate
from ensemble.heads.table import HEADS
from ensemble.metrics import score

NAMES = list(HEADS)
# Columns of `rendered`: 0 to 3 are plain, then one chip carries it, none, all, all but one.
ONE, NONE, ALL, ALL_BUT_ONE = 4, 5, 6, 7


def rendered(seed=0, chips=80, dim=12):
    """Vectors in which four labels can be seen, with a constant column and one in other units, and four odd labels."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(chips, 4))
    truth = np.zeros((chips, 8), bool)
    truth[:, :4] = hidden > [0.0, 0.3, -0.5, 1.0]
    truth[chips // 2, ONE] = True
    truth[:, ALL] = True
    truth[:, ALL_BUT_ONE] = True
    truth[chips // 3, ALL_BUT_ONE] = False
    vectors = hidden @ rng.normal(size=(4, dim)) + 0.3 * rng.normal(size=(chips, dim))
    vectors[:, 0] = 0.1
    vectors[:, 1] *= 1000
    return vectors.astype(np.float32), truth


@pytest.fixture(scope="module")
def trained():
    """Every head, fitted on `rendered` once."""
    vectors, truth = rendered()
    return {name: fit(vectors, truth, 0) for name, fit in HEADS.items()}


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_probabilities_of_the_right_shape(trained, name):
    vectors, _ = rendered(1)
    scores = trained[name].scores(vectors * 50)  # far outside what was seen
    assert scores.shape == (80, 8)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    assert trained[name].scores(vectors[:0]).shape == (0, 8)


@pytest.mark.parametrize("name", NAMES)
def test_what_can_be_seen_is_learnt(name):
    vectors, truth = rendered(2, chips=400)
    head = HEADS[name](vectors[:300], truth[:300, :4], 0)
    scores = head.scores(vectors[300:]).astype(np.float64)
    assert score.mean_average_precision(truth[300:, :4], scores) > 0.85
    loss = -np.log(np.where(truth[300:, :4], scores, 1 - scores)).mean()
    rates = truth[:300, :4].mean(axis=0)
    assert loss < 0.7 * -np.log(np.where(truth[300:, :4], rates, 1 - rates)).mean()


@pytest.mark.parametrize("name", NAMES)
def test_a_label_that_none_or_all_carry_keeps_its_smoothed_rate(trained, name):
    scores = trained[name].scores(rendered(3)[0])
    np.testing.assert_allclose(scores[:, NONE], 0.5 / 81, rtol=1e-5)
    np.testing.assert_allclose(scores[:, ALL], 80.5 / 81, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_label_of_one_chip_stays_rare(trained, name):
    scores = trained[name].scores(rendered(3)[0])
    assert scores[:, ONE].mean() < 0.2
    assert scores[:, ALL_BUT_ONE].mean() > 0.8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 3), (2, 3), (3, 40), (7, 1), (12, 50)])
def test_few_chips_are_survived(name, shape):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=shape).astype(np.float32)
    truth = rng.random((shape[0], 6)) < 0.4
    scores = HEADS[name](vectors, truth, 0).scores(vectors)
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("name", NAMES)
def test_vectors_that_say_nothing_are_survived(name):
    vectors = np.full((20, 5), 0.3, np.float32)
    truth = np.arange(20)[:, np.newaxis] < np.array([0, 1, 10, 20])
    scores = HEADS[name](vectors, truth, 0).scores(vectors)
    assert (scores == scores[:1]).all()
    loose = 0.2 if name == "neighbours" else 0.03  # its nearest of equally near chips are any
    np.testing.assert_allclose(scores[0], (np.array([0, 1, 10, 20]) + 0.5) / 21, atol=loose)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_head_gives_the_same_bits(trained, name, tmp_path):
    vectors, _ = rendered(4)
    save_head(trained[name], tmp_path)
    again = load_head(tmp_path)
    assert again.scores(vectors).tobytes() == trained[name].scores(vectors).tobytes()
    assert again.pack() == trained[name].pack()
    assert [path.name for path in tmp_path.iterdir()] == [trained[name].pack()[0]]


@pytest.mark.parametrize("name", NAMES)
def test_fitting_again_gives_the_same_file(trained, name):
    assert HEADS[name](*rendered(), 0).pack() == trained[name].pack()


@pytest.mark.parametrize("name", NAMES)
def test_a_permuted_label_order_permutes_the_scores(trained, name):
    vectors, truth = rendered()
    order = np.random.default_rng(5).permutation(8)
    scores = HEADS[name](vectors, truth[:, order], 0).scores(vectors)
    np.testing.assert_allclose(scores, trained[name].scores(vectors)[:, order], atol=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_chips_score_does_not_depend_on_the_chips_beside_it(trained, name):
    vectors, _ = rendered(6)
    alone = np.concatenate([trained[name].scores(vector[np.newaxis]) for vector in vectors])
    np.testing.assert_allclose(trained[name].scores(vectors), alone, atol=1e-6)


@pytest.mark.parametrize("name", ["logistic", "ridge", "svm", "neighbours"])
def test_shifted_and_scaled_vectors_make_the_same_head(trained, name):
    vectors, truth = rendered()
    moved = (vectors * np.float32(4) + np.float32(8)).astype(np.float32)
    scores = HEADS[name](moved, truth, 0).scores(moved)
    np.testing.assert_allclose(scores, trained[name].scores(vectors), atol=5e-3)


@pytest.mark.parametrize("name", NAMES)
def test_blocks_that_save_memory_change_nothing(trained, name, monkeypatch):
    vectors, _ = rendered(7)
    whole = trained[name].scores(vectors)
    monkeypatch.setattr(fitted, "BLOCK", 7)
    np.testing.assert_allclose(trained[name].scores(vectors), whole, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_fitted_or_scored_is_refused(trained, name):
    vectors, truth = rendered()
    with pytest.raises(ValueError, match=r"vectors are \(79, 12\) and truth is \(80, 8\)"):
        HEADS[name](vectors[1:], truth, 0)
    with pytest.raises(TypeError, match="float64; bool is needed"):
        HEADS[name](vectors, truth.astype(np.float64), 0)
    with pytest.raises(ValueError, match=r"\(80, 11\), but the head takes \(chips, 12\)"):
        trained[name].scores(vectors[:, 1:])
    vectors[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"1 of 80 vectors are not finite \(first: row 3\)"):
        trained[name].scores(vectors)


@pytest.mark.parametrize("shape", [(200, 12), (60, 90)])
@pytest.mark.parametrize("strength", [1.0, 30.0])
def test_the_logistic_path_agrees_with_sklearn(shape, strength):
    vectors, truth = rendered(8, *shape)
    vectors, truth = vectors[:, 1:], truth[:, [0, 1, 2, 3, ONE]]  # sklearn's solver sees no constant column
    mean, spread = mean_and_spread(vectors)
    rows = standardise(vectors, mean, spread)
    turned = rotate(vectors, truth)
    weights, bias = logistic_path(turned.columns, truth, [1e3, 100.0, strength])[-1]
    ours = sigmoid(turned.columns @ weights + bias)
    for label in range(truth.shape[1]):
        model = LogisticRegression(C=1 / strength, tol=1e-8, max_iter=5000).fit(rows, truth[:, label])
        np.testing.assert_allclose(ours[:, label], model.predict_proba(rows)[:, 1], atol=1e-3)


def test_the_whole_logistic_head_is_the_minimum_at_its_strength():
    vectors, truth = rendered(9, chips=150)
    vectors, truth = vectors[:, 1:], truth[:, :4]
    head = fit_logistic(vectors, truth, 0)
    rows = standardise(vectors, head.mean, head.spread)
    strength = _strength(rotate(vectors, truth).columns, truth, 0)
    for label in range(4):
        model = LogisticRegression(C=1 / strength, tol=1e-8, max_iter=5000).fit(rows, truth[:, label])
        np.testing.assert_allclose(head.scores(vectors)[:, label], model.predict_proba(rows)[:, 1], atol=1e-3)


@pytest.mark.parametrize("shape", [(120, 12), (40, 90)])
def test_ridge_is_sklearns_under_a_sigmoid(shape):
    vectors, truth = rendered(10, *shape)
    truth = truth[:, :4]
    head = fit_ridge(vectors, truth, 0)
    turned = rotate(vectors, truth)
    strengths = RIDGE_STRENGTHS * (turned.columns**2).sum(axis=0).mean()
    rows = standardise(vectors, head.mean, head.spread)
    model = RidgeCV(alphas=strengths, alpha_per_target=True).fit(rows, truth.astype(float))
    values = model.predict(rows)
    odds = np.log(head.scores(vectors) / (1 - head.scores(vectors)).astype(np.float64))
    for label in range(4):
        slope, offset = np.polyfit(values[:, label], odds[:, label], 1)
        assert slope > 0
        np.testing.assert_allclose(odds[:, label], slope * values[:, label] + offset, atol=0.02)


def test_platts_sigmoid_finds_the_line_that_made_the_tags():
    rng = np.random.default_rng(11)
    values = rng.normal(size=20000)
    truth = rng.random(20000) < sigmoid(1.7 * values - 0.8)
    slope, offset = fit_sigmoid(values, truth)
    assert slope == pytest.approx(1.7, abs=0.06)
    assert offset == pytest.approx(-0.8, abs=0.06)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_platts_sigmoid_stays_finite_where_the_tags_are_apart(size):
    values = np.linspace(-1, 1, 30) * size
    slope, offset = fit_sigmoid(values, values > 0)
    assert np.isfinite([slope, offset]).all()
    assert slope > 0


def test_decision_values_that_point_the_wrong_way_give_the_rate():
    values = np.linspace(-1, 1, 30)
    slope, offset = fit_sigmoid(values, values < -0.5)
    assert slope == 0
    assert sigmoid(np.array(offset)) == pytest.approx(8.5 / 31)


def test_a_known_chip_has_its_own_tags_for_nearest():
    vectors, truth = rendered(12)
    head = HEADS["neighbours"](vectors, truth, 0)
    scores = head.scores(vectors)
    assert (scores[:, :4][truth[:, :4]].mean() > 0.6) & (scores[:, :4][~truth[:, :4]].mean() < 0.3)
    sizes = NEIGHBOURHOOD_SIZES
    assert head.k in sizes


def test_a_forest_of_other_seed_is_another_forest(trained):
    vectors, truth = rendered()
    for name in ("forest", "boosted"):
        assert HEADS[name](vectors, truth, 1).pack() != trained[name].pack()


def altered(content, **changes):
    """A head.npz with parts put in, or taken out where they are None."""
    with np.load(io.BytesIO(content)) as archive:
        parts = {**archive, **changes}
    buffer = io.BytesIO()
    np.savez(buffer, **{key: part for key, part in parts.items() if part is not None})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("logistic", {"bias": np.zeros(3, np.float32)}),
        ("logistic", {"mean": None}),
        ("logistic", {"kind": np.array("other")}),
        ("logistic", {"extra": np.zeros(3)}),
        ("logistic", {"spread": np.zeros(12, np.float32)}),
        ("logistic", {"mean": np.full(12, np.nan, np.float32)}),
        ("logistic", {"weights": np.zeros((12, 8))}),
        ("logistic", {"weights": np.zeros(12, np.float32)}),
        ("logistic", {"weights": np.array([{}], object)}),
        ("neighbours", {"k": np.array(0)}),
        ("neighbours", {"k": np.array(81)}),
        ("neighbours", {"k": None}),
        ("neighbours", {"truth": np.zeros((3, 8), bool)}),
        ("neighbours", {"truth": np.zeros((80, 8))}),
        ("neighbours", {"known": np.zeros((80, 3), np.float32)}),
    ],
)
def test_a_damaged_array_file_is_refused(trained, name, changes):
    file, content = trained[name].pack()
    with pytest.raises(ValueError, match=r"head\.npz is no head"):
        parse_head(file, altered(content, **changes))


@pytest.mark.parametrize("content", [b"", b"PK", b"nonsense", b"\x80\x04N."])
@pytest.mark.parametrize("file", HEAD_FILES)
def test_what_is_no_file_of_ours_is_refused(file, content):
    with pytest.raises(ValueError, match="is no head"):
        parse_head(file, content)


def _rates(parts):
    parts["rates"][0] = 2


def _fewer(parts):
    parts["boosters"].pop()


def _kind(parts):
    parts["kind"] = "linear"


def _dim(parts):
    parts["dim"] = 7


def _empty(parts):
    parts["boosters"][0] = {}


def _circle(parts):
    tree = parts["boosters"][0]["learner"]["gradient_booster"]["model"]["trees"][0]
    tree["left_children"][0] = 0


def _outside(parts):
    tree = parts["boosters"][0]["learner"]["gradient_booster"]["model"]["trees"][0]
    tree["right_children"][0] = 10**6


def _column(parts):
    tree = parts["boosters"][0]["learner"]["gradient_booster"]["model"]["trees"][0]
    tree["split_indices"][0] = 12


@pytest.mark.parametrize("change", [_rates, _fewer, _kind, _dim, _empty, _circle, _outside, _column])
def test_a_damaged_tree_file_is_refused(trained, change):
    file, content = trained["boosted"].pack()
    parts = json.loads(content)
    change(parts)
    with pytest.raises(ValueError, match=r"head\.json is no head"):
        parse_head(file, json.dumps(parts).encode())


def test_a_folder_without_a_head_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="0 head files"):
        load_head(tmp_path)
    with pytest.raises(ValueError, match=r"head\.pkl is no head's file"):
        parse_head("head.pkl", b"")


def test_running_a_linear_head_imports_neither_sklearn_nor_xgboost(trained, tmp_path):
    save_head(trained["logistic"], tmp_path)
    code = (
        "import sys, numpy, pathlib; import ensemble.second_level.blend; "
        "from ensemble.decisions import thresholds; "
        "from ensemble.heads import head_files; head = head_files.load_head(pathlib.Path(sys.argv[1])); "
        "thresholds.apply_thresholds(head.scores(numpy.ones((1, 12))), 0.2); "
        "print({'sklearn', 'scipy', 'xgboost', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
