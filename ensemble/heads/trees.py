"""Tree heads by XGBoost: one booster for each label, stored as JSON. Trees need no standardised vectors."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from ensemble.arrays import Scores, Tags, Vectors
from ensemble.heads.fitted import HEAD_FILES, check_examples, check_vectors, refuse_damage, smoothed_rates

KIND = "trees"
MAX_WORKERS = 8  # labels fitted at a time; each on one thread, so that the sums are the same on any machine
COLUMN_BINS = 32  # of a column's histogram; XGBoost's 256 would cost five times the time on some hundred chips
BOOSTING_ROUNDS = 100
BOOSTED = {
    "objective": "binary:logistic",
    "eta": 0.1,
    "max_depth": 3,
    "subsample": 0.8,
    "colsample_bynode": 0.2,
    "min_child_weight": 0.1,  # in units of p(1-p); small, so that the few chips of a rare label can form a leaf
}
FOREST = {
    "objective": "reg:squarederror",  # a leaf is then the rate of its chips, with the label's rate as one chip more
    "eta": 1.0,
    "num_parallel_tree": 100,
    "max_depth": 12,
    "subsample": 0.632,  # the distinct share of a bootstrap draw, 1 - 1/e
    "min_child_weight": 1,
}


@dataclass(frozen=True)
class Trees:
    """One booster for each label; None for a label that keeps its rate."""

    dim: int
    rates: tuple[float, ...]  # (labels,)
    boosters: tuple[xgboost.Booster | None, ...]

    def scores(self, vectors: Vectors) -> Scores:
        """Return scores (chips, labels)."""
        check_vectors(vectors, self.dim)
        scores = np.empty((len(vectors), len(self.rates)), np.float32)

        def score_label(label: int) -> None:
            booster = self.boosters[label]
            scores[:, label] = self.rates[label] if booster is None else booster.inplace_predict(vectors)

        if len(vectors):
            with ThreadPoolExecutor(min(MAX_WORKERS, os.cpu_count() or 1)) as pool:
                list(pool.map(score_label, range(len(self.rates))))
        return np.clip(scores, 0, 1)

    def pack(self) -> tuple[str, bytes]:
        """Return the name and content of `head.json`."""
        models = [booster and json.loads(booster.save_raw("json")) for booster in self.boosters]
        content = {"kind": KIND, "dim": self.dim, "rates": self.rates, "boosters": models}
        return HEAD_FILES[1], json.dumps(content, separators=(",", ":")).encode()


def fit_forest(vectors: Vectors, truth: Tags, seed: int) -> Trees:
    """Return a random forest for each label: 100 deep trees on samples of chips, splits on sqrt(dim) random columns."""
    share = max(vectors.shape[1] ** -0.5, 1e-4) if vectors.size else 1.0
    return _fit(vectors, truth, {**FOREST, "colsample_bynode": share}, 1, seed)


def fit_boosted(vectors: Vectors, truth: Tags, seed: int) -> Trees:
    """Return gradient boosted trees for each label."""
    return _fit(vectors, truth, BOOSTED, BOOSTING_ROUNDS, seed)


def _fit(vectors: Vectors, truth: Tags, settings: dict[str, Any], rounds: int, seed: int) -> Trees:
    check_examples(vectors, truth)
    rates = smoothed_rates(truth)

    def fit_label(label: int) -> xgboost.Booster | None:
        column = truth[:, label]
        if column.all() or not column.any():
            return None
        chips = xgboost.QuantileDMatrix(vectors, column, nthread=1, max_bin=COLUMN_BINS)
        fixed = {
            "base_score": float(rates[label]),
            "seed": seed,
            "nthread": 1,
            "tree_method": "hist",
            "max_bin": COLUMN_BINS,
        }
        return xgboost.train({**settings, **fixed}, chips, rounds)

    with ThreadPoolExecutor(min(MAX_WORKERS, os.cpu_count() or 1)) as pool:
        boosters = tuple(pool.map(fit_label, range(truth.shape[1])))
    return Trees(vectors.shape[1], tuple(rates.tolist()), boosters)


def parse_trees(content: bytes) -> Trees:
    """Read the head that `Trees.pack` wrote.

    Raises:
        ValueError: for any other content.
    """
    with refuse_damage("head.json"):
        parts = json.loads(content)
        dim, rates, models = parts["dim"], tuple(float(rate) for rate in parts["rates"]), parts["boosters"]
        if parts["kind"] != KIND or not isinstance(dim, int) or not all(0 < rate < 1 for rate in rates) or not rates:
            raise ValueError(f"kind {parts['kind']!r} of {dim!r} columns with rates {rates}")
        boosters = tuple(None if model is None else _booster(model, dim) for model in models)
        if len(boosters) != len(rates):
            raise ValueError(f"{len(boosters)} boosters for {len(rates)} labels")
    return Trees(dim, rates, boosters)


def _booster(model: Any, dim: int) -> xgboost.Booster:
    """Read a booster whose trees point nowhere outside themselves, which XGBoost does not check."""
    for tree in model["learner"]["gradient_booster"]["model"]["trees"]:
        left, right, columns = (np.array(tree[key]) for key in ("left_children", "right_children", "split_indices"))
        split = left != -1
        if (right[~split] != -1).any() or not all(_is_ordered(child, split) for child in (left, right)):
            raise ValueError("a tree with a child before its parent or outside the tree")
        if not ((columns[split] >= 0) & (columns[split] < dim)).all():
            raise ValueError(f"a split on a column outside 0 to {dim - 1}")
    booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(json.dumps(model).encode()))
    if booster.num_features() != dim:
        raise ValueError(f"a booster of {booster.num_features()} columns, expected {dim}")
    return booster


def _is_ordered(children: NDArray[Any], split: NDArray[np.bool_]) -> bool:
    """Return whether each split node's child comes after it and inside the tree, which rules out cycles."""
    nodes = np.arange(len(split))
    return bool(((children > nodes) & (children < len(split)))[split].all())
