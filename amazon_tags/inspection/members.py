"""The call behind `amazon_tags inspect members`: which members of a bundle say the same about chips."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.evaluation.heat_map import heat_map
from amazon_tags.inspection.findings import Cell, Findings
from amazon_tags.inspection.minibatches import BatchOptions, describe_minibatches, read_minibatches
from amazon_tags.model import bundle, training_record
from amazon_tags.model.bundle import Bundle, member_scores
from amazon_tags.training.fingerprints import hash_chips
from ensemble.arrays import Floats, Scores
from ensemble.representation.cka import MinibatchCka
from features.images.layout import Layout
from features.images.listing import Listing
from features.networks import extract

ALIKE = 0.9  # CKA of members that say nearly the same
MEANING = (
    "debiased CKA of scores: 1 where two members order and space the chips alike, on average 0 where they have nothing "
    "in common; labels whose scores vary most count most"
)


def inspect_members(chips: Path, folder: Path, layout: Layout, batches: BatchOptions) -> Findings:
    """Compare the scores of a bundle's members with one another.

    Args:
        chips: a folder or archive of chips; they need no tags, and should not be those of the training.
        folder: the bundle.
        layout: how bands and levels of the chips' files are read.
        batches: how chips are divided into minibatches.

    Raises:
        BundleError: the bundle is damaged.
        ValueError: it takes vectors or has one member, a chip cannot be used, or there are fewer than four chips.
    """
    manifest = bundle.read_manifest(folder)
    bundle.refuse_vector_model(folder, manifest)
    bundle.refuse_other_dates(folder, manifest)
    if len(manifest.members) < 2:
        raise ValueError(f"{folder} has one member ({manifest.members[0]}), and this compares several; name another.")
    model = bundle.load(folder, jobs=batches.jobs).reading(layout)
    minibatches = read_minibatches(chips, model.spec, batches)
    names = [name.partition("-")[2] for name in manifest.members]
    similarities = _compare(model, minibatches, jobs=batches.jobs)
    notes = (MEANING, describe_minibatches(minibatches), *_trained_chips(folder, minibatches, jobs=batches.jobs))
    return member_findings(names, similarities, sum(map(len, minibatches)), notes)


def member_findings(names: Sequence[str], similarities: Floats, chips: int, notes: tuple[str, ...] = ()) -> Findings:
    """Return the similarities (members, members) as a table and a heat map, with what to do.

    Raises:
        ValueError: every member gives all chips the same scores.
    """
    if np.isnan(similarities).all():
        raise ValueError(f"every member gives the same scores to all {chips} chips; name chips that differ.")
    title = f"CKA of the scores of {len(names)} members on {chips} chips"
    rows: list[tuple[Cell, ...]] = [(name, *map(float, line)) for name, line in zip(names, similarities, strict=True)]
    if np.isnan(similarities).any():
        notes = (*notes, "without a figure: a member that gives all chips the same scores")
    picture = heat_map(title, names, names, similarities)
    return Findings(title, ("member", *names), rows, notes, _advice(names, similarities), picture)


def _compare(model: Bundle, minibatches: Sequence[Listing], *, jobs: int) -> Floats:
    similarity = MinibatchCka()
    with progress.bar("comparing", sum(map(len, minibatches))) as advance:
        for paths in minibatches:
            scores = _scores(model, paths, jobs=jobs)
            similarity.update(scores, scores)
            advance(len(paths))
    return similarity.similarities()


def _scores(model: Bundle, paths: Listing, *, jobs: int) -> list[Scores]:
    """Return the scores (chips, labels) of each member."""
    parts = list(extract.stream_outputs(paths, model.networks, model.spec, jobs=jobs))
    outputs = [np.concatenate(values, axis=1) for values in zip(*(part.values for part in parts), strict=True)]
    pairs = zip(model.members, outputs, strict=True)
    return [member_scores(member, output, model.manifest.view_mean) for member, output in pairs]


def _trained_chips(folder: Path, minibatches: Sequence[Listing], *, jobs: int) -> tuple[str, ...]:
    """Return a note on chips that the bundle was trained on, if there are any."""
    record = training_record.read(folder)
    trained = set(record.hashes) if record else set()
    hashes = [digest for paths in minibatches for digest in hash_chips(paths, jobs=jobs).values()]
    count = sum(digest in trained for digest in hashes)
    if not count:
        return ()
    return (
        f"the bundle was trained on {count} of these {len(hashes)} chips, which all its members have learnt: on other "
        "chips they are less alike",
    )


def _advice(names: Sequence[str], similarities: Floats) -> str:
    """Return which of the members say nearly the same, or which are least alike."""
    pairs = [
        (float(similarities[row, column]), names[row], names[column])
        for row, column in combinations(range(len(names)), 2)
        if not np.isnan(similarities[row, column])
    ]
    if not pairs:
        return "No two members can be compared: leave out those that give all chips the same scores."
    value, first, second = max(pairs)
    count = sum(pair[0] >= ALIKE for pair in pairs)
    if count:
        of_pairs = f", the most of {count} such pairs" if count > 1 else ""
        return (
            f"{first} and {second} say nearly the same, with a CKA of {value:.3f}{of_pairs}: train without the slower "
            "one, and check with amazon_tags bundle compare that little is lost."
        )
    value, first, second = min(pairs)
    return (
        f"No two members say nearly the same (a CKA of {ALIKE} or more); least alike are {first} and {second} with "
        f"{value:.3f}. Leaving one out loses what only it says."
    )
