"""What a bundle answered out of fold on its training chips, as its report shows it."""

import base64
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amazon_tags.model import bundle, decision_file, training_record
from amazon_tags.model.bundle import BundleError
from amazon_tags.model.damage import refusing_damage
from amazon_tags.model.manifest import Manifest
from amazon_tags.records import Json
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Floats, Scores, Tags, Thresholds
from ensemble.decisions import calibrate
from ensemble.decisions.decision import Decision, decide_tags
from ensemble.metrics import score


@dataclass(frozen=True)
class OutOfFold:
    """The training chips' hashes, scores, truth (chips, labels) and tags, and the decision of the bundle.

    `tags` are by decisions that were fitted without the chip; in bundles of older versions by the bundle's own.
    """

    space: LabelSpace
    hashes: list[str]
    scores: Scores
    truth: Tags
    tags: Tags
    decision: Decision

    @cached_property
    def calibrated(self) -> Scores:
        """The scores as the thresholds see them."""
        return calibrate.apply(self.decision.calibration, self.scores)

    @property
    def thresholds(self) -> Thresholds:
        """The least calibrated score (labels,) at which each label is a tag, with the floors of required recalls."""
        return np.minimum(self.decision.thresholds, self.decision.floors)

    @property
    def has_thresholds(self) -> bool:
        """Whether the decision is by thresholds, and not by the highest expected F-beta."""
        return self.decision.decoder in ("flat", "cuts")

    @cached_property
    def f_beta(self) -> Floats:
        """F-beta (chips,) of the bundle's own decision."""
        return score.per_chip(self.truth, decide_tags(self.decision, self.scores), beta=self.decision.beta)

    def threshold_data(self) -> Json:
        """Return what the page's script needs to apply other thresholds and to write them as a decision.

        Scores and truth are base64, label by label: float32 of little endian, and bits, the lowest first.
        """
        decision = decision_file.to_json(self.space, self.decision)
        floors = [None if np.isinf(floor) else float(floor) for floor in self.decision.floors]
        return {
            "labels": list(self.space.names),
            "chips": len(self.truth),
            "beta": self.decision.beta,
            "scores": _base64(self.calibrated.T.astype("<f4")),
            "truth": _base64(np.packbits(self.truth.T.ravel(), bitorder="little")),
            "thresholds": self.decision.thresholds.tolist(),
            "floors": floors,
            "decision": decision,
        }


def read_out_of_fold(folder: Path, manifest: Manifest) -> OutOfFold | None:
    """Read the record of a bundle's training chips and its decision; None where an older version wrote no record.

    Raises:
        BundleError: a file is damaged.
    """
    record = training_record.read(folder)
    if record is None:
        return None
    content = bundle.read_checked(folder, manifest, "decision.json")
    with refusing_damage(BundleError, f"{folder / 'decision.json'} is damaged", bundle.REPLACE):
        decision, _ = bundle.parse_decision(content, manifest.space)
    tags = decide_tags(decision, record.scores) if record.tags is None else record.tags
    return OutOfFold(manifest.space, record.hashes, record.scores, record.truth, tags, decision)


def _base64(values: NDArray[np.generic]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
