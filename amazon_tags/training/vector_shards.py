"""Vectors of chips by shards: each machine writes a Parquet file into a folder, and `merge` joins them to one."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from amazon_tags import progress
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.datasets.usable_chips import usable_rows
from amazon_tags.files import atomic, preflight
from amazon_tags.files.folders import make_folder
from amazon_tags.model.vector_origin import METADATA_KEY, VectorOrigin, to_metadata
from amazon_tags.prediction.shard import VECTOR_SHARDS, Shard
from amazon_tags.tables import vector_tables
from amazon_tags.tables.vector_tables import VectorTable, read_table, vector_writer
from amazon_tags.training.embed import FeatureExtractor, build_network, read_extractor
from amazon_tags.training.embedding_table import EmbeddingTable, read_geometry, write_embedding_table
from amazon_tags.training.fingerprints import combine_hashes, hash_chips
from ensemble.arrays import Vectors
from features.images.listing import Listing
from features.networks import openvino_runtime
from features.networks.foreign import ForeignBackbone
from features.networks.openvino_runtime import OpenvinoNetwork

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


@dataclass(frozen=True)
class ShardedEmbedding:
    """What all shards of a run have alike.

    Attributes:
        paths: all chips.
        names: the SHA-256 of their names.
        extractor: what makes the vectors.
        origin: what is stored of it.
        own: the backbone, if it is the user's own.
        jobs: threads.
        build: `build_network`, or a call of it.
    """

    paths: Listing
    names: str
    extractor: FeatureExtractor
    origin: VectorOrigin
    own: ForeignBackbone | None
    jobs: int
    build: Callable[..., tuple[bytes, bytes]] = build_network

    @cached_property
    def network(self) -> OpenvinoNetwork:
        """The network, which is built when the first shard needs it."""
        return openvino_runtime.load(*self.build(self.extractor, self.own, self.origin.spec), jobs=self.jobs)

    @property
    def groups(self) -> int:
        """The number of groups of chips, which shards consist of."""
        return _groups(len(self.paths))


def open_embedding(
    inputs: Sequence[Path], extractor: FeatureExtractor, *, views: int = 1, jobs: int = 2
) -> ShardedEmbedding:
    """List chips and check what makes their vectors; the arguments are those of `embed_shard`."""
    origin, own = read_extractor(extractor, views)
    paths = list_chips(inputs)
    names = hashlib.sha256("\n".join(paths.names()).encode()).hexdigest()
    return ShardedEmbedding(paths, names, extractor, origin, own, jobs)


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
    return write_shard(open_embedding(inputs, extractor, views=views, jobs=jobs), folder, shard)


def write_shard(embedding: ShardedEmbedding, folder: Path, shard: Shard) -> str:
    """Write the vectors of a shard as `embed_shard` does."""
    paths, jobs = embedding.paths, embedding.jobs
    groups = shard.of(embedding.groups)
    part = paths[groups.start * GROUP : groups.stop * GROUP]
    make_folder(folder)
    if not groups:
        return f"shard {shard} is empty: {len(paths):,} chips are {embedding.groups} groups of {GROUP:,}"
    target = folder / f"vectors-{shard.number:05}-of-{shard.count:05}.parquet"
    preflight.refuse_outputs([target], paths.files())

    hashes, half = hash_chips(part, jobs=jobs), embedding.extractor.half
    key = ShardKey(shard.number, shard.count, len(paths), embedding.names, combine_hashes(hashes), half)
    metadata = {**to_metadata(embedding.origin), SHARD_KEY: json.dumps(asdict(key))}
    if target.is_file() and vector_tables.read_metadata(target) == metadata:
        return f"holds shard {shard} already, nothing to do"
    usable_rows(part, embedding.origin.spec, None, jobs=jobs)  # such a chip is an error before Keras is loaded
    if read_geometry(part, jobs=jobs):
        raise ValueError("chips with a position cannot be divided into shards yet; embed them in one run.")

    with progress.bar(f"shard {shard}", len(part)) as advance:
        table = EmbeddingTable(target, embedding.origin, half, remarks={SHARD_KEY: metadata[SHARD_KEY]})
        write_embedding_table(table, hashes, embedding.network, jobs=jobs, advance=advance)
    return f"shard {shard}: {len(part):,} of {len(paths):,} vectors of width {embedding.network.dim}"


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
