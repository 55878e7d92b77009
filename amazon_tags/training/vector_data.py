"""Training data of `train_vectors`: vectors of a Parquet file, matched with their label table."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amazon_tags.files.hashes import sha256_bytes
from amazon_tags.model.vector_origin import VectorInput, from_metadata
from amazon_tags.tables import label_tables, labels, truth_tables
from amazon_tags.tables.image_names import select
from amazon_tags.tables.labels import LabelSpace
from amazon_tags.tables.vector_tables import read_table
from amazon_tags.training.training_data import (
    TrainingSource,
    named_fingerprint,
    refuse_too_few,
    report_missing,
    report_unused,
)
from ensemble.arrays import Tags, Vectors
from features.images import naming


@dataclass(frozen=True)
class VectorData:
    """The labelled vectors, in natural order of their chips' names.

    Attributes:
        ids: the chips' names.
        hashes: the SHA-256 of each chip's file or, where the file of vectors does not state it, of its vector.
        vectors: (chips, width).
        input: the width of the vectors, and what they were computed from.
        truth: (chips, labels) the ground truth.
        space: the label space.
        fingerprint: one SHA-256 of all names, hashes and tags.
        groups: (chips,) names of groups that must stay in one fold.
    """

    ids: list[str]
    hashes: list[str]
    vectors: Vectors
    input: VectorInput
    truth: Tags
    space: LabelSpace
    fingerprint: str
    groups: NDArray[np.str_] | None = None


def read_vector_data(source: TrainingSource) -> VectorData:
    """Read the vectors and labels of a source whose `chips` are a Parquet file of vectors.

    Raises:
        ValueError: the file of vectors or the label table cannot be used, chips that the table names have no vector,
            or there are too few.
    """
    table = read_table(source.chips)
    vector_input = VectorInput(table.width, from_metadata(table.path, table.metadata))
    space = labels.choose(source.space, source.table)
    label_table = truth_tables.read_truth(source.table, space, allow_unknown=True, join_rows=source.join_rows)
    label_table.report(source.table)
    advice = None if source.skip_missing else "pass --skip-missing to train without them"
    report_missing(label_table.ids, table.ids, source.table, source.chips, advice)

    named = set(label_table.ids)
    ids = sorted((name for name in table.ids if name in named), key=naming.natural)
    rows = select(label_table.ids, ids)
    truth, unknown = label_table.truth[rows], label_table.unknown[rows]
    report_unused(source, unknown, len(ids), len(table.ids) - len(ids))
    refuse_too_few(source, truth)

    places = select(table.ids, ids)
    vectors = np.concatenate(list(table.parts()))[places]
    hashes = [sha256_bytes(vector.tobytes()) for vector in vectors]
    if table.hashes is not None:
        hashes = [table.hashes[place] for place in places]
    fingerprint = named_fingerprint(ids, hashes, truth, unknown)
    groups = label_tables.read_groups(source.groups, ids) if source.groups else None
    return VectorData(ids, hashes, vectors, vector_input, truth, space, fingerprint, groups)
