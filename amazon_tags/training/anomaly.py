"""Anomaly scores of `amazon_tags embed --anomaly`: how far each chip lies from the chips of an earlier file of vectors.

The scores are columns of the file that is written, one for each entry of `COLUMNS`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from amazon_tags.files.hashes import sha256
from amazon_tags.model.vector_origin import VectorOrigin, difference, from_metadata
from amazon_tags.tables.vector_tables import FurtherColumns, VectorTable, read_table
from ensemble.arrays import Floats, Vectors
from ensemble.representation.anomaly import NEIGHBOURS, NONE, KnownVectors, fit_known

METADATA_KEY = "amazon_tags_anomaly"
COLUMNS = ("anomaly", "anomaly_percentile")
UNUSUAL = 0.99  # percentile from which a chip is counted as unusual
NAMED = 3  # unusual chips that a message names


@dataclass(frozen=True)
class KnownChips:
    """The chips of a file of vectors.

    Attributes:
        path: the file.
        width: of its vectors.
        metadata: what a file of scores says of them.
        rows: the row of each chip in `vectors`, by the SHA-256 of its file.
        vectors: what distances are measured to; chips of equal content have one row.
    """

    path: Path
    width: int
    metadata: dict[str, str]
    rows: dict[str, int]
    vectors: KnownVectors


@dataclass
class AnomalyScores:
    """Scores of chips, which grow while the chips' vectors are written.

    Attributes:
        known: what distances are measured to.
        distance: of each chip that was written.
        percentile: likewise.
    """

    known: KnownChips
    distance: list[float] = field(default_factory=list)
    percentile: list[float] = field(default_factory=list)

    def columns(self) -> FurtherColumns:
        """Return the columns to write, which are computed from each part of the vectors."""
        return FurtherColumns(COLUMNS, self._measure)

    def order(self) -> list[int]:
        """Return the places of the chips, the farthest first."""
        order: list[int] = np.argsort(-np.array(self.distance), kind="stable").tolist()
        return order

    def unusual(self) -> int:
        """Return how many chips have a percentile of at least `UNUSUAL`."""
        return int((np.array(self.percentile) >= UNUSUAL).sum())

    def describe(self, names: Sequence[str]) -> str:
        """Return a sentence on the unusual chips, whose names stand in the order of the vectors."""
        count, chips = self.unusual(), len(names)
        known = f"the {len(self.known.vectors.units):,} known chips"
        text = (
            f"{count} of {chips} chips lie farther from {known} than {100 * UNUSUAL:.0f} % of these from each other; "
            f"{expected(chips)} would be expected of chips like them"
        )
        named = ", ".join(f"{names[place]} ({self.distance[place]:.3f})" for place in self.order()[:NAMED])
        return f"{text}; the farthest: {named}"

    def _measure(self, hashes: Sequence[str], vectors: Vectors) -> Floats:
        rows = np.array([self.known.rows.get(digest, NONE) for digest in hashes], np.intp)
        anomaly = self.known.vectors.measure(vectors, rows)
        self.distance += anomaly.distance.tolist()
        self.percentile += anomaly.percentile.tolist()
        return np.stack([anomaly.distance, anomaly.percentile], axis=1)


def expected(chips: int) -> str:
    """Return how many of the chips would be unusual if they were like the known ones."""
    return f"{(1 - UNUSUAL) * chips:.0f}" if chips * (1 - UNUSUAL) >= 1 else "less than 1"


def check_known(path: Path, origin: VectorOrigin) -> VectorTable:
    """Read and check a file of known vectors, which must be of the same backbone, layer and chips as those to come.

    Raises:
        OriginError: its metadata are damaged.
        ValueError: the file cannot be used, or holds other vectors or too few.
    """
    table = read_table(path)
    found = from_metadata(path, table.metadata)
    if found is None:
        raise ValueError(
            f"{path} does not say what computed its vectors, so that distances to them may mean nothing; embed the "
            f"known chips with amazon_tags embed -o {path.name}."
        )
    if other := difference(origin, found):
        raise ValueError(
            f"{path} has vectors of {other}; embed known and new chips with the same backbone, layer and options."
        )
    count = len(different_chips(table))
    if count <= NEIGHBOURS:
        raise ValueError(
            f"{path} has {count} different chips, but at least {NEIGHBOURS + 1} known ones are needed "
            f"for the distance to the neighbour number {NEIGHBOURS}; embed more."
        )
    return table


def read_known(table: VectorTable, width: int) -> KnownChips:
    """Return the chips of a file that `check_known` read; `width` is that of the vectors to come.

    Raises:
        ValueError: the width is another one, or the file is damaged.
    """
    if table.width != width:
        raise ValueError(f"{table.path} has vectors of width {table.width}, but the backbone's are {width} wide.")
    first = different_chips(table)
    vectors = fit_known(np.concatenate(list(table.parts()))[first])
    hashes = [] if table.hashes is None else [table.hashes[place] for place in first]
    about = {"known": sha256(table.path), "chips": len(first), "neighbours": NEIGHBOURS}
    rows = {digest: row for row, digest in enumerate(hashes)}
    return KnownChips(table.path, table.width, {METADATA_KEY: json.dumps(about)}, rows, vectors)


def different_chips(table: VectorTable) -> list[int]:
    """Return the places of chips of different content, each by its first one."""
    if table.hashes is None:
        return list(range(len(table.ids)))
    places = {digest: place for place, digest in reversed(list(enumerate(table.hashes)))}
    return sorted(places.values())
