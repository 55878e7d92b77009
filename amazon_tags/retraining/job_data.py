"""The labelled chips of a job: gathered from all its tables, corrected, without repeats, some of them held out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags import progress
from amazon_tags.files.hashes import sha256
from amazon_tags.retraining.job import Job
from amazon_tags.tables import corrections, label_tables
from amazon_tags.training.fingerprints import hash_chips
from amazon_tags.training.training_data import TrainingData, data_fingerprint
from features.images import listing, naming
from features.images.listing import ChipPath

LEAST = 2  # chips to train on

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class JobData:
    """All labelled chips of a job, and which of them nothing may be trained on.

    `told` is what the run's record says of them: the tables, the corrections, repeats, rows that break a rule.
    """

    given: TrainingData
    withheld: NDArray[np.bool_]
    told: dict[str, Any]

    def training(self) -> TrainingData:
        """The chips that are not withheld."""
        return take_chips(self.given, np.flatnonzero(~self.withheld))


def gather(asked: Job) -> JobData:
    """Read all tables of a job and the content of the chips that they name.

    A chip is withheld by its content, so that it is so in every run, whatever it is called and whatever comes along.

    Raises:
        ValueError: two sources name one chip, chips are missing or too few, or whatever `tables.read_labels` refuses.
    """
    space = asked.space
    paths: dict[str, ChipPath] = {}
    known: dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]] = {}
    told: dict[str, Any] = {"tables": []}
    for source in asked.data:
        table = label_tables.read_labels(source.table, space, allow_unknown=True)
        there = {listing.name(path): path for path in listing.chips([source.chips])}
        missing = [name for name in table.ids if name not in there]
        if missing:
            raise ValueError(
                f"{len(missing)} of {len(table.ids)} chips named in {source.table} are missing from {source.chips} "
                f"(first: {missing[0]}); add them, or take their rows out."
            )
        twice = [name for name in table.ids if name in known]
        if twice:
            raise ValueError(
                f"{len(twice)} chips of {source.table} stand in another table too (first: {twice[0]}); "
                "leave one row of each."
            )
        for remark in table.remarks:
            progress.say(f"{source.table}: {remark}")
        told["tables"].append({"table": source.table.name, "chips": len(table.ids)})
        known.update(zip(table.ids, zip(table.truth, table.unknown, strict=True), strict=True))
        paths.update((name, there[name]) for name in table.ids)
    ids = sorted(known, key=naming.natural)
    truth, unknown = (np.stack([known[name][side] for name in ids]) for side in range(2))
    made = corrections.read(asked.corrections, space) if asked.corrections else []
    hashes = list(hash_chips([paths[name] for name in ids], jobs=asked.threads).values())
    if asked.corrections:
        counts = corrections.apply(made, space, dict(zip(ids, hashes, strict=True)), truth, unknown)
        file = {"file": asked.corrections.name, "sha256": sha256(asked.corrections)}
        told["corrections"] = {**file, **counts}
        if counts["elsewhere"]:
            progress.say(
                f"{asked.corrections}: {counts['elsewhere']} of {len(made)} corrections name no chip of the job"
            )
    kept, told["repeats"], told["contradictions"] = _once(hashes, truth)
    mark = data_fingerprint([paths[name] for name in ids], hashes, truth, unknown)
    note = asked.settings.note
    everything = TrainingData([paths[name] for name in ids], hashes, truth, unknown, space, mark, [], note)
    given = take_chips(everything, kept)
    withheld = np.array([int(digest[:8], 16) < asked.settings.holdout * 2**32 for digest in given.hashes])
    if (~withheld).sum() < LEAST:
        raise ValueError(
            f"{len(given.paths)} chips have labels, and {withheld.sum()} of them are withheld; training needs {LEAST} "
            "that are not: add chips, or lower holdout."
        )
    breaches = [row for found in label_tables.breaches(space, given.truth).values() for row in found]
    told |= {"breaches": len(set(breaches))}
    told |= {"chips": len(given.paths), "withheld": int(withheld.sum()), "fingerprint": given.fingerprint}
    return JobData(given, withheld, told)


def take_chips(given: TrainingData, kept: Rows) -> TrainingData:
    """Some of the chips, in the order of `kept`, with a fingerprint of their own."""
    paths, hashes = [given.paths[row] for row in kept], [given.hashes[row] for row in kept]
    truth, unknown = given.truth[kept], given.unknown[kept]
    mark = data_fingerprint(paths, hashes, truth, unknown)
    return TrainingData(paths, hashes, truth, unknown, given.space, mark, given.unlabelled, given.note)


def _once(hashes: list[str], truth: NDArray[np.bool_]) -> tuple[Rows, int, int]:
    """The first of the chips of each content; how many more there are, and how many of these have other tags."""
    first: dict[str, int] = {}
    contradictions = 0
    for row, digest in enumerate(hashes):
        before = first.setdefault(digest, row)
        contradictions += bool((truth[before] != truth[row]).any())
    return np.array(list(first.values()), np.intp), len(hashes) - len(first), contradictions
