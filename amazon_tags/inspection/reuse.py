"""The call behind `amazon_tags inspect reuse`: how much of its start each block of a fine-tuned member still uses.

After Raghu et al. 2019, "Transfusion", and Zhang et al. 2019, "Are All Layers Created Equal?".
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.datasets.usable_chips import usable_rows
from amazon_tags.inspection.findings import Findings
from amazon_tags.inspection.reuse_findings import MeasuredBlock, MeasuredReuse, reuse_findings
from amazon_tags.inspection.tuned_member import TunedModel, read_tuned
from amazon_tags.model import decision_file, training_record
from amazon_tags.tables import label_tables
from amazon_tags.training.compared_backbones import divide_chips
from amazon_tags.training.fingerprints import hash_chips
from amazon_tags.training.training_data import TrainingSource, match_chips, refuse_too_few, report_unused
from ensemble.arrays import Floats, Fold, Rows, Scores, Tags, Vectors
from ensemble.decisions.decision import decide_tags, flat_decision
from ensemble.decisions.expected import Rules
from ensemble.metrics import folds, score
from ensemble.representation.cka import MinibatchCka
from ensemble.representation.nearest import vote_of_neighbours
from features.images.layout import AS_STATED, Layout
from features.images.listing import ChipRow

CKA_CHIPS = 256  # in a minibatch, as for `inspect cka`


@dataclass(frozen=True)
class ReuseOptions:
    """Options of the measure.

    Attributes:
        weights: the file that the member started from, by the name of its backbone.
        layout: how bands and levels of the files are read.
        jobs: threads.
    """

    weights: Mapping[str, Path] = field(default_factory=dict)
    layout: Layout = AS_STATED
    jobs: int = 2


@dataclass(frozen=True)
class _Chips:
    """Labelled chips: files, (chips, labels) truth, (chips,) folds, (labels,) rates, and how many are of the training.

    `rules` are those of the label space.
    """

    paths: Sequence[ChipRow]
    truth: Tags
    fold: Fold
    rates: Floats
    trained: int
    rules: Rules

    def f2(self, scores: Scores) -> Floats:
        """Return F2 (chips,) of scores at a flat threshold."""
        return score.per_chip(self.truth, decide_tags(flat_decision(self.truth.shape[1], rules=self.rules), scores))

    def neighbours_f2(self, vectors: Vectors) -> Floats:
        """Return F2 (chips,) by the vote of the nearest chips of the other folds."""

        def fit(train: Rows, held_out: Rows) -> Scores:
            return vote_of_neighbours(vectors[held_out], vectors[train], self.truth[train])

        return self.f2(folds.out_of_fold_scores(fit, self.fold, self.truth.shape[1]))


def inspect_reuse(source: TrainingSource, model: str, options: ReuseOptions) -> Findings:
    """Measure for each block of a fine-tuned member how far training moved it, and what its start is still worth.

    Args:
        source: labelled chips with the labels of the bundle; `source.space` is not used.
        model: the folder of a bundle, perhaps with `@` and one of its members.
        options: the weights of the start, layout, threads.

    Raises:
        BundleError: a bundle is damaged.
        FileNotFoundError: a file is missing.
        ValueError: the member, its start, the chips or their table cannot be used, or there are too few chips.
    """
    tuned = read_tuned(model, options.weights, options.layout)
    chips = _read_chips(source, tuned, jobs=options.jobs)
    return reuse_findings(_measure(tuned, chips, jobs=options.jobs))


def _read_chips(source: TrainingSource, model: TunedModel, *, jobs: int) -> _Chips:
    space = model.manifest.space
    matched = match_chips(
        source.chips,
        source.table,
        space,
        advice="leave their rows out of the table",
        join_rows=source.join_rows,
    )
    report_unused(source, matched.unknown, len(matched.ids), matched.unnamed)
    refuse_too_few(source, matched.truth)
    usable_rows(matched.paths, model.trained.spec, None, jobs=jobs)  # an error before any network is built

    groups = label_tables.read_groups(source.groups, matched.ids) if source.groups else None
    known = ~matched.unknown
    rates = ((matched.truth & known).sum(axis=0) + 0.5) / (known.sum(axis=0) + 1)  # as of training chips
    record = training_record.read(model.folder)
    hashes = hash_chips(matched.paths, jobs=jobs).values()
    trained = len(set(record.hashes if record else ()).intersection(hashes))
    rules = decision_file.rules(space)
    return _Chips(matched.paths, matched.truth, divide_chips(matched.truth, groups), rates, trained, rules)


def _measure(model: TunedModel, chips: _Chips, *, jobs: int) -> MeasuredReuse:
    from amazon_tags.inspection.layer_vectors import build_layers  # noqa: PLC0415  they import Keras
    from amazon_tags.inspection.restored import build_restorable, score_chips  # noqa: PLC0415

    network = build_restorable(model, chips.rates)
    spec, blocks = model.trained.spec, range(len(network.names))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "start.weights.h5"
        network.start.save_weights(file)
        models = [replace(model.trained, name=f"the start of {model.trained.name}", weights=str(file)), model.trained]
        before, after = (build_layers(one, jobs=jobs).vectors(chips.paths, jobs=jobs) for one in models)

    with progress.bar("restoring", len(blocks) + 2) as advance:

        def f2(restored: Sequence[int], *, head: bool = False) -> Floats:
            with network.restored(restored, head=head) as changed:
                found = chips.f2(score_chips(changed, chips.paths, spec, jobs=jobs))
            advance(1)
            return found

        whole, start = f2(()), f2(blocks, head=True)
        restored = [f2((block,)) for block in blocks]

    similarities = _similarities(before, after)
    with progress.bar("voting", len(blocks)) as advance:
        measured = []
        for block, name in enumerate(network.names):
            found = MeasuredBlock(
                name,
                before=chips.neighbours_f2(before[block]),
                after=chips.neighbours_f2(after[block]),
                restored=restored[block],
                drift=network.drift(block),
                cka=similarities[block],
                freeze=network.freeze(block),
            )
            measured.append(found)
            advance(1)
    name = Path(model.trained.name).name  # without folders, which the picture has no room for
    return MeasuredReuse(name, measured, whole, start, chips.trained)


def _similarities(before: Sequence[Vectors], after: Sequence[Vectors]) -> list[float]:
    """Return the debiased CKA of each block's vectors before and after; NaN where those of a block are all alike."""
    count = len(before[0])
    order = np.random.default_rng(0).permutation(count)
    found = []
    for first, second in zip(before, after, strict=True):
        similarity = MinibatchCka()
        for rows in np.array_split(order, -(-count // CKA_CHIPS)):
            similarity.update([first[rows]], [second[rows]])
        found.append(float(similarity.similarities()[0, 0]))
    return found
