"""The call behind `amazon_tags inspect separation`: how tightly chips with a tag lie together, by backbone and tag."""

from dataclasses import dataclass

import numpy as np

from amazon_tags.evaluation.heat_map import heat_map
from amazon_tags.inspection.findings import Cell, Findings
from amazon_tags.inspection.probe import probe_f2
from amazon_tags.training.compared_backbones import ComparedBackbones, ComparisonOptions, read_compared
from amazon_tags.training.training_data import TrainingSource
from ensemble.arrays import Floats
from ensemble.choice import gain_over
from ensemble.representation.separation import tag_separations

NOTES = (
    "separation of a tag: 1 - (mean cosine distance within chips with it and within those without) / (mean distance)",
    "mean: over tags that have a figure; probe: ridge heads on the frozen vectors, out of fold, at a flat threshold",
    "a network that was trained to separate its own classes more often transfers worse (Kornblith et al. 2021)",
)


@dataclass(frozen=True)
class _Separated:
    """A backbone's separation of each tag (labels,), and F2 of its probe for each chip (chips,)."""

    name: str
    separations: Floats
    f2: Floats

    def mean(self) -> float:
        return float(np.nanmean(self.separations))


def inspect_separation(source: TrainingSource, backbones: tuple[str, ...], options: ComparisonOptions) -> Findings:
    """Measure the class separation of each tag by each backbone, beside how well a probe tags the chips.

    Args:
        source: labelled chips.
        backbones: one or more, as `read_compared` takes them.
        options: weights, folders, threads.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a backbone, the weights, the chips or their table cannot be used, or there are too few chips.
    """
    compared = read_compared(source, backbones, options, least=1)
    fold, truth = compared.divide(), compared.data.truth
    found = [
        _Separated(name, tag_separations(embedding.vectors, truth), probe_f2(embedding.vectors, compared, fold))
        for name, embedding in compared.embeddings()
    ]
    found.sort(key=lambda one: -one.mean())
    return _findings(compared, found)


def _findings(compared: ComparedBackbones, found: list[_Separated]) -> Findings:
    labels = compared.data.space.names
    title = f"Class separation of {len(labels)} tags on {len(compared.data.truth)} chips"
    separations = np.stack([one.separations for one in found], axis=1)
    names = [one.name for one in found]
    rows: list[tuple[Cell, ...]] = [
        ("(mean)", *(one.mean() for one in found)),
        ("(F2 of a probe)", *(float(one.f2.mean()) for one in found)),
        *((label, *row) for label, row in zip(labels, separations.tolist(), strict=True)),
    ]
    return Findings(title, ("tag", *names), rows, NOTES, _advice(found), heat_map(title, labels, names, separations))


def _advice(found: list[_Separated]) -> str:
    """Return what to choose: the best probe, with a warning where separation points elsewhere."""
    most, best = found[0], max(found, key=lambda one: one.f2.mean())
    gain, (low, high) = gain_over(most.f2, best.f2)
    if len(found) == 1:
        return f"{most.name} separates tags by {most.mean():.3f}; name two backbones or layers to choose between them."
    if best.name == most.name:
        return f"Use {most.name}: it separates the tags most, and its probe has the highest F2."
    figures = f"by {gain:+.4f} ({low:+.4f} to {high:+.4f}) F2"
    if low > 0:
        return (
            f"Warning: {most.name} separates the tags most but probes worse than {best.name}, {figures}; as a frozen "
            f"feature extractor, use {best.name}."
        )
    return (
        f"{most.name} separates the tags most, and {best.name} probes better {figures}, which is within chance; take "
        "the cheaper one."
    )
