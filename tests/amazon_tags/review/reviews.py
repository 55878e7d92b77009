"""Rendered chips with labels and scores, for the tests of this folder."""

from pathlib import Path

import numpy as np

from amazon_tags.datasets import sample, sample_competition
from amazon_tags.tables import labels, score_tables
from tests import world as worlds

SPACE = labels.PLANET


def write_world(home: Path, count: int = 24) -> None:
    """Write chips, their labels, and scores that agree with them: 0.8 for a tag of a chip and 0.02 for others."""
    (home / "chips").mkdir()
    rows, scores = [], np.full((count, len(SPACE.names)), 0.02, np.float32)
    for number in range(count):
        tags = worlds.tags(number)
        pixels = sample.render(tags, seed=number, side=worlds.SIDE)
        (home / "chips" / f"chip_{number}.jpg").write_bytes(sample_competition.four_components(pixels))
        rows.append(f"chip_{number},{' '.join(tags)}")
        scores[number, labels.encode(SPACE, tags)] = 0.8
    (home / "labels.csv").write_text("\n".join(["image_name,tags", *rows]) + "\n")
    score_tables.write_scores(home / "scores.csv", [f"chip_{number}" for number in range(count)], scores, SPACE)


def change_score(home: Path, chip: str, tag: str, value: float, table: str = "scores.csv") -> None:
    """Set one score of a table, which begins as a copy of `scores.csv`."""
    source = table if (home / table).exists() else "scores.csv"
    ids, scores, _ = score_tables.read_scores(home / source, SPACE)
    scores[ids.index(chip), SPACE.names.index(tag)] = value
    score_tables.write_scores(home / table, ids, scores, SPACE)
