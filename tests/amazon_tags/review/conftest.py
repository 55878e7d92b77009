import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from amazon_tags.datasets import sample
from amazon_tags.model import decision_file
from amazon_tags.tables import labels, score_tables
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Scores
from ensemble.decisions.decision import flat_decision

COUNT = 12


@dataclass(frozen=True)
class Scored:
    """Rendered chips, and a table of random scores for them."""

    chips: Path
    table: Path
    names: list[str]
    scores: Scores


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """A folder of rendered chips, which tests copy before they change it."""
    folder = tmp_path_factory.mktemp("rendered") / "chips"
    sample.write(folder, COUNT)
    (folder / "labels.csv").unlink()
    return folder


@pytest.fixture
def scored(rendered, tmp_path):
    names = [f"sample_{number}" for number in range(COUNT)]
    scores = np.random.default_rng(3).random((COUNT, 17), np.float32)
    shutil.copytree(rendered, tmp_path / "chips")
    score_tables.write_scores(tmp_path / "scores.csv", names, scores, labels.PLANET)
    return Scored(tmp_path / "chips", tmp_path / "scores.csv", names, scores)


@pytest.fixture
def own_decision(tmp_path):
    """Write a flat decision for labels of one's own; return its space and file."""

    def write(*names):
        space = LabelSpace("own", names)
        rules = decision_file.rules(space)
        decision_file.write(tmp_path / "own.json", space, flat_decision(len(names), rules=rules))
        return space, tmp_path / "own.json"

    return write
