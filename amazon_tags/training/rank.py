"""The call behind `amazon_tags rank`: labelled chips and backbones in, the backbones' ranking out.

Each backbone is frozen. What is compared are L2 logistic regressions on its vectors, one a label, out of fold.
"""

from amazon_tags import progress
from amazon_tags.evaluation.ranking import Probe, Ranking, rank_probes
from amazon_tags.model import decision_file
from amazon_tags.training.compared_backbones import (
    FOLDS,
    ComparedBackbones,
    ComparisonOptions,
    Embedding,
    read_compared,
)
from amazon_tags.training.training_data import TrainingSource
from ensemble.arrays import Fold, Rows, Scores, Tags
from ensemble.decisions.decision import decide_tags, flat_decision
from ensemble.heads.label_strengths import fit_label_strengths
from ensemble.metrics import folds


def rank(source: TrainingSource, backbones: tuple[str, ...], options: ComparisonOptions | None = None) -> Ranking:
    """Rank backbones by how well linear probes on their frozen vectors tag labelled chips.

    Args:
        source: labelled chips.
        backbones: at least two, as `read_compared` takes them.
        options: weights, folders, threads.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a backbone, the weights, the chips or their table cannot be used, or there are too few chips.
    """
    compared = read_compared(source, backbones, options or ComparisonOptions(), least=2)
    fold = compared.divide()
    probes = [_probe(name, embedding, compared, fold) for name, embedding in compared.embeddings()]
    return rank_probes(compared.data.truth, probes, compared.data.space, folds=FOLDS)


def _probe(name: str, embedding: Embedding, compared: ComparedBackbones, fold: Fold) -> Probe:
    """Fit a logistic probe on the complement of each fold to score the fold."""
    vectors, truth, options = embedding.vectors, compared.data.truth, compared.options
    with progress.bar(f"{name}: probes", FOLDS) as advance:

        def fit(train: Rows, held_out: Rows) -> Scores:
            head = fit_label_strengths(vectors[train], truth[train], options.seed, jobs=options.jobs)
            advance(1)
            return head.scores(vectors[held_out])

        scores = folds.out_of_fold_scores(fit, fold, truth.shape[1])
    progress.say(f"{name}: {len(vectors)} vectors of width {vectors.shape[1]}, {FOLDS} folds of logistic probes")
    flat = flat_decision(truth.shape[1], rules=decision_file.rules(compared.data.space))
    tags: Tags = decide_tags(flat, scores)
    return Probe(name, vectors.shape[1], embedding.megabytes, embedding.milliseconds, scores, tags)
