"""How well linear heads on frozen vectors tag the chips: what measures of a representation are held against."""

from amazon_tags.model import decision_file
from amazon_tags.training.compared_backbones import ComparedBackbones
from ensemble.arrays import Floats, Fold, Rows, Scores, Vectors
from ensemble.decisions.decision import decide_tags, flat_decision
from ensemble.heads.table import HEADS
from ensemble.metrics import folds, score

HEAD = "ridge"


def probe_f2(vectors: Vectors, compared: ComparedBackbones, fold: Fold) -> Floats:
    """Return F2 (chips,) of each chip by heads that were fitted on the other folds, at a flat threshold."""
    truth = compared.data.truth

    def fit(train: Rows, held_out: Rows) -> Scores:
        return HEADS[HEAD](vectors[train], truth[train], compared.options.seed).scores(vectors[held_out])

    scores = folds.out_of_fold_scores(fit, fold, truth.shape[1])
    flat = flat_decision(truth.shape[1], rules=decision_file.rules(compared.data.space))
    return score.per_chip(truth, decide_tags(flat, scores))
