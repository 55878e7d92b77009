"""Vectors of chips by shards: each machine writes a Parquet file into a folder, and `merge` joins them to one."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from amazon_tags import progress
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.datasets.usable_chips import usable_rows
from amazon_tags.files import atomic, preflight
from amazon_tags.model.vector_origin import METADATA_KEY, to_metadata
from amazon_tags.prediction.shard import VECTOR_SHARDS, Shard
from amazon_tags.tables import vector_tables
from amazon_tags.tables.vector_tables import VectorTable, read_table, vector_writer
from amazon_tags.training.embed import FeatureExtractor, build_network, read_extractor
from amazon_tags.training.embedding_table import EmbeddingTable, read_geometry, write_embedding_table
from amazon_tags.training.fingerprints import combine_hashes, hash_chips
from ensemble.arrays import Vectors
from features.networks import openvino_runtime

SHARD_KEY = "amazon_tags_shard"  # of the metadata
GROUP = 1024  # chips that one shard takes together; a multiple of every batch, so that no vector depends on the shards


@dataclass(frozen=True)
class ShardKey:
    """What the file of a shard says of itself.

    Attributes:
        number: which shard it is, from 1.
        count: the number of shards.
        total: the number of all chips.
        names: the SHA-256 of the names of all chips, in order.
        chips: the SHA-256 of the names and contents of this shard's chips.
        half: whether the vectors are float16.
    """

    number: int
    count: int
    total: int
    names: str
    chips: str
    half: bool


def embed_shard(
    inputs: Sequence[Path], folder: Path, shard: Shard, extractor: FeatureExtractor, *, views: int = 1, jobs: int = 2
) -> str:
    """Write the vectors of a shard of chips into a folder, and return a sentence on what was done.

    Does nothing if the folder holds the shard's file, of these chips and this extractor.

    Args:
        inputs: all chips, not those of the shard alone.
        folder: where all shards write; it is created if it does not exist.
        shard: which of the chips to embed.
        extractor: what makes the vectors.
        views: as of `embed`, like `jobs`.
        jobs: threads.

    Raises:
        ChipError: a chip cannot be used.
        OSError: a file cannot be read or written.
        ValueError: chips have positions, which only one run can bring to one reference system; or as of `embed`.
    """
    origin, own = read_extractor(extractor, views)
    paths = list_chips(inputs)
    groups = shard.of(_groups(len(paths)))
    part = paths[groups.start * GROUP : groups.stop * GROUP]
    folder.mkdir(exist_ok=True)
    if not groups:
        return f"shard {shard} is empty: {len(paths):,} chips are {_groups(len(paths))} groups of {GROUP:,}"
    target = folder / f"vectors-{shard.number:05}-of-{shard.count:05}.parquet"
    preflight.refuse_outputs([target], paths.files())

    hashes = hash_chips(part, jobs=jobs)
    names = hashlib.sha256("\n".join(paths.names()).encode()).hexdigest()
    key = ShardKey(shard.number, shard.count, len(paths), names, combine_hashes(hashes), extractor.half)
    metadata = {**to_metadata(origin), SHARD_KEY: json.dumps(asdict(key))}
    if target.is_file() and vector_tables.read_metadata(target) == metadata:
        return f"holds shard {shard} already, nothing to do"
    usable_rows(part, origin.spec, None, jobs=jobs)  # a chip that cannot be used is an error before Keras is loaded
    if read_geometry(part, jobs=jobs):
        raise ValueError("chips with a position cannot be divided into shards yet; embed them in one run.")

    network = openvino_runtime.load(*build_network(extractor, own, origin.spec), jobs=jobs)
    with progress.bar(f"shard {shard}", len(part)) as advance:
        table = EmbeddingTable(target, origin, extractor.half, remarks={SHARD_KEY: metadata[SHARD_KEY]})
        write_embedding_table(table, hashes, network, jobs=jobs, advance=advance)
    return f"shard {shard}: {len(part):,} of {len(paths):,} vectors of width {network.dim}"


def _groups(count: int) -> int:
    return -(-count // GROUP)


def merge_vectors(folder: Path, output: Path) -> int:
    """Join the files of all shards to the file that one run would have written, and return the number of vectors.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: a shard is missing, damaged, or of other chips or another extractor, or the output is no Parquet
            file.
    """
    if not vector_tables.is_vector_path(output):
        raise ValueError(f"{output} is no {vector_tables.SUFFIX} file, which the vectors of shards are merged to.")
    files = sorted(folder.glob(VECTOR_SHARDS))
    preflight.refuse_outputs([output], files)
    tables = [read_table(path) for path in files]
    keys = [_read_key(table) for table in tables]
    _refuse_incomplete(folder, tables, keys)

    origin = {METADATA_KEY: tables[0].metadata[METADATA_KEY]}
    with (
        atomic.atomic_file(output) as stream,
        vector_writer(stream, tables[0].width, origin, half=keys[0].half) as write,
        progress.bar("merging", sum(len(table.ids) for table in tables)) as advance,
    ):
        for table in tables:
            for ids, hashes, vectors in _parts(table):
                write(ids, hashes, vectors)
                advance(len(ids))
    return sum(len(table.ids) for table in tables)


def _parts(table: VectorTable) -> Iterator[tuple[list[str], list[str], Vectors]]:
    first = 0
    for vectors in table.parts():
        rows = slice(first, first + len(vectors))
        yield table.ids[rows], (table.hashes or [])[rows], vectors
        first = rows.stop


def _read_key(table: VectorTable) -> ShardKey:
    try:
        return ShardKey(**json.loads(table.metadata[SHARD_KEY]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{table.path} is no shard of embed; move it elsewhere.") from error


def _refuse_incomplete(folder: Path, tables: Sequence[VectorTable], keys: Sequence[ShardKey]) -> None:
    """Raise ValueError if the files are not those of all shards of one run."""
    first = keys[0]
    for table, key in zip(tables[1:], keys[1:], strict=True):
        values = [(one.count, one.names, one.half) for one in (key, first)]
        origins = [(one.width, one.metadata.get(METADATA_KEY)) for one in (table, tables[0])]
        if values[0] != values[1] or origins[0] != origins[1]:
            raise ValueError(
                f"{table.path} and {tables[0].path.name} are of other chips, shards, backbones or options; delete the "
                "wrong one."
            )
    filled = {number for number in range(1, first.count + 1) if Shard(number, first.count).of(_groups(first.total))}
    if missing := sorted(filled - {key.number for key in keys}):
        raise ValueError(
            f"{folder} lacks {len(missing)} of {len(filled)} shards (first: {missing[0]}/{first.count}); run them "
            "again."
        )
    names = [name for table in tables for name in table.ids]
    if hashlib.sha256("\n".join(names).encode()).hexdigest() != first.names:
        raise ValueError(f"the shards in {folder} do not hold the chips that they were made of; run all of them again.")
