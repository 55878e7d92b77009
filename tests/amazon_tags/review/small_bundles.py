"""Bundles of any labels, scores and decision: copies of the model inside the package, for pages."""

import json
from pathlib import Path

import numpy as np

from amazon_tags.files.hashes import sha256_bytes
from amazon_tags.model import bundle, decision_file, training_record
from amazon_tags.model.file_entry import FileEntry
from amazon_tags.model.training_record import TrainingRecord
from amazon_tags.tables.labels import LabelSpace
from ensemble.decisions.decision import Decision
from tests.bundle_copies import copied

CHIPS = 80


def drawn(space: LabelSpace, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores and their truth, one label of each group on each chip; some chips without any tag."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(0.4, 1, (CHIPS, len(space.names))).astype(np.float32)
    truth = rng.random(scores.shape) < scores
    for group in space.groups:
        columns = [space.names.index(name) for name in group]
        truth[:, columns] = np.eye(len(group), dtype=bool)[scores[:, columns].argmax(axis=1)]
    if not space.groups:
        truth[:3], scores[:2] = False, 0
    return scores, truth


def build(
    folder: Path,
    space: LabelSpace,
    decision: Decision,
    scores: np.ndarray,
    truth: np.ndarray,
    *,
    hashes: list[str] | None = None,
) -> Path:
    """Return a bundle that holds these, but for its networks, card and golden chips, which are others."""
    hashes = hashes or [sha256_bytes(bytes([number])) for number in range(len(scores))]
    files = {
        "decision.json": json.dumps({**decision_file.to_json(space, decision), "common": []}).encode(),
        training_record.FILE: training_record.pack(
            TrainingRecord(hashes, scores, truth, np.zeros((len(scores), 6), np.float32))
        ),
    }
    entries = {name: FileEntry(len(content), sha256_bytes(content)) for name, content in files.items()}
    manifest = bundle.read_manifest(bundle.DEFAULT)
    model = copied(
        bundle.DEFAULT,
        folder,
        space=space,
        scores=None,
        decoder=decision.decoder,
        files={**manifest.files, **entries},
    )
    for name, content in files.items():
        (model / name).write_bytes(content)
    return model
