"""The call behind `amazon_tags inspect cka`: which layers say the same, within a model or between two."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.evaluation.heat_map import heat_map
from amazon_tags.inspection.findings import Cell, Findings
from amazon_tags.inspection.layered_model import LayeredModel, ModelOptions, read_models
from amazon_tags.inspection.minibatches import BatchOptions, describe_minibatches, read_minibatches
from ensemble.arrays import Floats
from ensemble.representation.cka import MinibatchCka
from features.images.listing import Listing

ALIKE = 0.9  # CKA of layers that say nearly the same
MEASURES = {  # what each of `cka.MEASURES` means
    "debiased": "linear and debiased: on average 0 for layers that have nothing in common",
    "linear": "linear and not debiased, as in many publications: too high where a minibatch has fewer chips than a "
    "layer has columns",
    "rbf": "by Gaussian kernels, so that near chips count more, and not debiased: too high in small minibatches",
    "cca": "the mean canonical correlation: 1 where layers are linear maps of one another, too high where a minibatch "
    "has few more chips than a layer has columns",
}
POOLED = "a layer's vector: the mean over the places of its feature maps; of tokens, the class token and the mean"


@dataclass(frozen=True)
class ComparedLayers:
    """How alike layers are.

    Attributes:
        models: the name of one, or of two.
        layers: the names of the layers of each; those of one model are rows and columns.
        similarities: (layers of the first, layers of the last).
        figure: what they are.
    """

    models: tuple[str, ...]
    layers: tuple[tuple[str, ...], ...]
    similarities: Floats
    figure: str = "CKA"


def inspect_cka(
    chips: Path, models: Sequence[str], measure: str, options: ModelOptions, batches: BatchOptions
) -> Findings:
    """Compare all layers of a model with one another, or with those of another model.

    Args:
        chips: a folder or archive of chips; they need no tags.
        models: one or two, as `read_models` takes them.
        measure: a key of `MEASURES`.
        options: of the models.
        batches: how chips are divided into minibatches.

    Raises:
        BundleError: a bundle is damaged.
        FileNotFoundError: a file is missing.
        ValueError: a model or a chip cannot be used, there are fewer than four chips, or they are all alike.
    """
    checked = read_models(models, options)
    minibatches = read_minibatches(chips, checked[0].spec, batches)
    compared = _compare(checked, minibatches, measure, jobs=batches.jobs)
    return cka_findings(
        compared, sum(map(len, minibatches)), (MEASURES[measure], describe_minibatches(minibatches), POOLED)
    )


def cka_findings(compared: ComparedLayers, chips: int, notes: tuple[str, ...] = ()) -> Findings:
    """Return the matrix as a table and a heat map, with what to do.

    Raises:
        ValueError: no two layers can be compared, since their vectors are the same for all chips.
    """
    rows, columns = compared.layers[0], compared.layers[-1]
    if np.isnan(compared.similarities).all():
        raise ValueError(
            f"the {chips} chips have the same vector at every layer that is compared; name chips that differ."
        )
    title = f"{compared.figure} of the layers of {' and '.join(compared.models)} on {chips} chips"
    cells: list[tuple[Cell, ...]] = [
        (name, *map(float, line)) for name, line in zip(rows, compared.similarities, strict=True)
    ]
    if len(compared.models) > 1:
        notes = (*notes, f"rows are the layers of {compared.models[0]}, columns those of {compared.models[1]}")
    if np.isnan(compared.similarities).any():
        notes = (
            *notes,
            "without a figure: a layer whose vectors are the same for all chips, or by cca as wide as a minibatch",
        )
    advice = _advice_within(compared) if len(compared.models) == 1 else _advice_between(compared)
    picture = heat_map(title, rows, columns, compared.similarities)
    return Findings(title, ("layer", *columns), cells, notes, advice, picture)


def _compare(
    models: Sequence[LayeredModel], minibatches: Sequence[Listing], measure: str, *, jobs: int
) -> ComparedLayers:
    from amazon_tags.inspection.layer_vectors import build_layers  # noqa: PLC0415  it imports Keras, after all checks

    networks = [build_layers(model, jobs=jobs) for model in models]
    similarity = MinibatchCka(measure)
    with progress.bar("comparing", sum(map(len, minibatches))) as advance:
        for paths in minibatches:
            vectors = [network.vectors(paths, jobs=jobs) for network in networks]
            similarity.update(vectors[0], vectors[-1])
            advance(len(paths))
    names = tuple(model.name for model in models)
    figure = "mean CCA" if measure == "cca" else "CKA"
    return ComparedLayers(names, tuple(network.layers for network in networks), similarity.similarities(), figure)


def _advice_within(compared: ComparedLayers) -> str:
    """Return where truncating loses little: at the first of the longest run of layers that are all alike."""
    (name,), (layers,), similarities = compared.models, compared.layers, compared.similarities
    first, last = _longest_run(similarities)
    if first < last:
        return (
            f"The {last - first + 1} layers from {layers[first]} to {layers[last]} of {name} say nearly the same "
            f"({compared.figure} of at least {ALIKE} between any two): ending it at {layers[first]} rather than at "
            f"{layers[last]} loses little; check with amazon_tags search-layer."
        )
    if len(layers) == 1:
        return f"{name} has only one layer to compare; name a second model."
    return (
        f"No two neighbouring layers of {name} say nearly the same ({compared.figure} of at least {ALIKE}): each "
        "of them adds something, so end it early only where amazon_tags search-layer finds that it loses nothing."
    )


def _longest_run(similarities: Floats) -> tuple[int, int]:
    """Return the first and the last layer of the longest run in which any two are alike, of equal ones the last."""
    best = (0, 0)
    for first in range(len(similarities)):
        last = first
        while last + 1 < len(similarities) and (similarities[first : last + 1, last + 1] >= ALIKE).all():
            last += 1
        if last - first >= best[1] - best[0]:
            best = (first, last)
    return best


def _advice_between(compared: ComparedLayers) -> str:
    """Return up to which layer two models agree: of one backbone layer by layer, else with the most alike layer."""
    (first, second), (rows, columns), similarities = compared.models, compared.layers, compared.similarities
    filled = np.where(np.isnan(similarities), -np.inf, similarities)
    same = rows == columns
    partners = np.arange(len(rows)) if same else filled.argmax(axis=1)
    agree = filled[np.arange(len(rows)), partners] >= ALIKE
    count = len(rows) if agree.all() else int(agree.argmin())  # layers before the first that differs

    limit = f"({compared.figure} of at least {ALIKE})"
    if not count:
        best = np.unravel_index(filled.argmax(), filled.shape)
        return (
            f"{first} and {second} do not agree from the first layer on {limit}; most alike are {rows[best[0]]} and "
            f"{columns[best[1]]} with {filled[best]:.3f}. As members of an ensemble they may complement one another."
        )
    partner = "" if same else f", which is most like {columns[partners[count - 1]]}"
    if count == len(rows):
        return (
            f"{first} and {second} agree at every layer {limit}, up to {rows[-1]}{partner}: an ensemble of both gains "
            "little by their vectors; keep the cheaper one."
        )
    advice = (
        "training moved mostly what follows, so check whether a member that freezes the layers up to there loses F2"
        if same
        else "only what follows can make an ensemble of both better than one of them"
    )
    return (
        f"{first} and {second} agree {limit} up to {rows[count - 1]}{partner}, and differ from {rows[count]} on: "
        f"{advice}."
    )
