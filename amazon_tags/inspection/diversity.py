"""The call behind `amazon_tags inspect diversity`: how unlike tags, folds or groups are as tasks for one backbone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from amazon_tags import progress
from amazon_tags.evaluation.heat_map import heat_map
from amazon_tags.inspection.findings import Cell, Findings
from amazon_tags.training.compared_backbones import ComparedBackbones, ComparisonOptions, read_compared
from amazon_tags.training.training_data import TrainingSource
from ensemble.arrays import Floats, Rows, Tags
from ensemble.heads.fitted import sigmoid, varying_labels
from ensemble.heads.logistic import logistic_path
from ensemble.heads.rotation import rotate
from ensemble.representation.task_distance import diversity_coefficient, fisher_diagonal, task_distances

By = Literal["tag", "fold", "group"]
DIVISIONS: tuple[By, ...] = ("tag", "fold", "group")
STRENGTH = 100.0  # of the probes' L2 penalty: one for all tasks, or distances would be between strengths
DRAWS = 100  # of labels a chip, for the Fisher information
MIN_CHIPS = 5  # that carry a tag, and that lack it; and of a group
SHUFFLES = 20  # random divisions that folds and groups are held against
NOTES = (
    "distance: Task2Vec (Achille et al. 2019) of logistic probes' Fisher information, from 0 (the same task) to 1",
    "diversity: the mean distance of two tasks (the diversity coefficient of Miranda et al. 2022)",
)


@dataclass(frozen=True)
class Task:
    """Chips (rows) and labels (columns) of one probe; a slice of rows takes no copy of their vectors."""

    rows: Rows | slice
    columns: Rows


def inspect_diversity(
    source: TrainingSource, backbones: tuple[str, ...], options: ComparisonOptions, *, by: By
) -> Findings:
    """Measure how unlike tags, folds or groups of chips are as tasks.

    Folds and groups are held against random divisions of the same chips into parts of the same sizes.

    Args:
        source: labelled chips; with groups, for `by` group.
        backbones: one, as `read_compared` takes it.
        options: weights, folders, threads.
        by: what the tasks are: a tag on all chips, or all tags on the chips of a fold or group.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the backbone, the weights, the chips or their table cannot be used, or there are too few tasks.
    """
    if len(backbones) != 1:
        raise ValueError(f"diversity is measured with one backbone, but these are {', '.join(backbones)}; name one.")
    compared = read_compared(source, backbones, options, least=1)
    parts = _parts(compared, by)
    ((_, embedding),) = compared.embeddings()
    columns, truth = rotate(embedding.vectors, compared.data.truth).columns, compared.data.truth
    tasks = _tags_as_tasks(compared) if by == "tag" else _parts_as_tasks(truth, parts)
    distances = probe_distances(columns, truth, list(tasks.values()), compared.options.seed)
    diversity = diversity_coefficient(distances)
    if by == "tag":
        advice = _advice_on_tags(list(tasks), distances, diversity)
    else:
        advice = _advice_on_parts(by, diversity, _shuffled(columns, truth, parts, compared.options.seed))
    title = f"Distances of {len(tasks)} {by}s as tasks, by {backbones[0]} on {len(truth)} chips"
    rows: list[tuple[Cell, ...]] = [(name, *row) for name, row in zip(tasks, distances.tolist(), strict=True)]
    return Findings(title, (by, *tasks), rows, NOTES, advice, heat_map(title, list(tasks), list(tasks), distances))


def _parts(compared: ComparedBackbones, by: By) -> dict[str, Rows]:
    """Return the chips of each fold or group, of at least `MIN_CHIPS` each; nothing for tags."""
    if by == "tag":
        return {}
    if by == "fold":
        fold = compared.divide()
        return {f"fold {number}": np.flatnonzero(fold == number) for number in np.unique(fold)}
    groups = compared.data.groups
    if groups is None:
        raise ValueError("there are no groups to compare; name a table of them with --groups.")
    parts = {str(name): np.flatnonzero(groups == name) for name in np.unique(groups)}
    large = {name: rows for name, rows in parts.items() if len(rows) >= MIN_CHIPS}
    if len(large) < 2:
        raise ValueError(
            f"{len(large)} of {len(parts)} groups have {MIN_CHIPS} chips or more, but two are needed; name larger "
            "groups with --groups."
        )
    return large


def _tags_as_tasks(compared: ComparedBackbones) -> dict[str, Task]:
    truth = compared.data.truth
    counts = truth.sum(axis=0)
    tasks = {
        name: Task(slice(None), np.array([column]))
        for column, (name, count) in enumerate(zip(compared.data.space.names, counts.tolist(), strict=True))
        if MIN_CHIPS <= count <= len(truth) - MIN_CHIPS
    }
    if len(tasks) < 2:
        raise ValueError(
            f"{len(tasks)} tags are on {MIN_CHIPS} chips and not on {MIN_CHIPS} others, but two are needed; label more."
        )
    return tasks


def _parts_as_tasks(truth: Tags, parts: Mapping[str, Rows]) -> dict[str, Task]:
    """Return the task of each part: all labels that vary in it."""
    return {name: Task(rows, np.flatnonzero(varying_labels(truth[rows]))) for name, rows in parts.items()}


def probe_distances(columns: Floats, truth: Tags, tasks: list[Task], seed: int) -> Floats:
    """Return the distances (tasks, tasks) of probes on columns (chips, rank) that all tasks share."""
    diagonals = []
    for task in tasks:
        part, wanted = columns[task.rows], truth[task.rows][:, task.columns]
        weights, bias = logistic_path(part, wanted, [STRENGTH])[0]
        scores = sigmoid(part @ weights + bias).astype(np.float32)
        diagonals.append(fisher_diagonal(part, scores, draws=DRAWS, seed=seed))
    return task_distances(np.stack(diagonals))


def _shuffled(columns: Floats, truth: Tags, parts: Mapping[str, Rows], seed: int) -> Floats:
    """Return the diversities (shuffles,) of random divisions into parts of the same sizes."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate(list(parts.values()))
    ends = np.cumsum([len(part) for part in parts.values()])[:-1]
    diversities = []
    with progress.bar("random divisions", SHUFFLES) as advance:
        for _ in range(SHUFFLES):
            division = dict(zip(parts, np.split(rng.permutation(rows), ends), strict=True))
            tasks = list(_parts_as_tasks(truth, division).values())
            diversities.append(diversity_coefficient(probe_distances(columns, truth, tasks, seed)))
            advance(1)
    return np.array(diversities)


def _advice_on_tags(names: list[str], distances: Floats, diversity: float) -> str:
    """Return which tags are nearest as tasks, and which is unlike the others."""
    others = distances + np.where(np.eye(len(names), dtype=bool), np.inf, 0)
    first, second = np.unravel_index(int(np.argmin(others)), others.shape)
    odd = int(np.argmax(distances.sum(axis=0)))
    odd_mean = distances[odd].sum() / (len(names) - 1)
    return (
        f"The diversity of the tags is {diversity:.3f}. {names[second]} and {names[first]} are most alike as tasks "
        f"({distances[first, second]:.3f}): chips of one help to learn the other. {names[odd]} is unlike the others "
        f"({odd_mean:.3f} on average): label more chips of it first."
    )


def _advice_on_parts(by: By, diversity: float, shuffled: Floats) -> str:
    """Return whether folds or groups differ more than random parts do."""
    text = f"The diversity of the {by}s is {diversity:.4f}, that of random divisions {shuffled.min():.4f} to "
    text += f"{shuffled.max():.4f}"
    if diversity <= shuffled.max():
        return f"{text}: the {by}s are exchangeable."
    if by == "fold":
        return f"{text}: the folds differ more than by chance, so scores of single folds are not comparable."
    return (
        f"{text}: the groups differ more than by chance, so keep each in one fold (train --groups), and expect lower "
        "scores on new groups."
    )
