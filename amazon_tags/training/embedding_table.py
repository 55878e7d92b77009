"""The vectors of chips as one Parquet file, complete or absent, for `amazon_tags embed -o FILE.parquet`."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from amazon_tags.files import atomic
from amazon_tags.model.vector_origin import VectorOrigin, to_metadata
from amazon_tags.tables.geoparquet import GeometryColumn, geometry_column
from amazon_tags.tables.vector_tables import FurtherColumns, vector_writer
from amazon_tags.training.fingerprints import refuse_changed_chips
from amazon_tags.training.reconstruction import ReconstructionErrors
from features.images import chips, footprint, listing
from features.images.footprint import Footprint
from features.images.listing import ChipPath
from features.networks import extract
from features.networks.openvino_runtime import OpenvinoNetwork


@dataclass(frozen=True)
class EmbeddingTable:
    """A file of vectors that is to be written.

    Attributes:
        path: the Parquet file, which is replaced if it exists.
        origin: what the file says of the vectors; its spec and views are used.
        half: whether to round the vectors to float16.
        geometry: the chips' positions, if they state any.
        remarks: further metadata of the file.
        further: columns behind the others.
        errors: take the reconstruction errors of the chips, before `further` is called for them.
    """

    path: Path
    origin: VectorOrigin
    half: bool = False
    geometry: GeometryColumn | None = None
    remarks: Mapping[str, str] = field(default_factory=dict)
    further: FurtherColumns | None = None
    errors: ReconstructionErrors | None = None


def write_embedding_table(
    table: EmbeddingTable,
    hashes: Mapping[ChipPath, str],
    network: OpenvinoNetwork,
    *,
    jobs: int = 1,
    advance: Callable[[int], None] = lambda count: None,
) -> None:
    """Write the vectors of chips, each the mean over its views, in the order of `hashes`.

    Args:
        table: the file.
        hashes: the chips with their hashes, from `hash_chips`.
        network: the network that computes the vectors.
        jobs: threads that decode chips.
        advance: called with the number of chips that were done since its last call.

    Raises:
        chips.ChipError: a chip cannot be used; no file is written.
        ValueError: chips were changed in the meantime, or float16 cannot hold a value; no file is written.
    """
    paths, digests, origin = list(hashes), list(hashes.values()), table.origin
    metadata = {**to_metadata(origin), **table.remarks}
    networks = [network, table.errors.network] if table.errors else [network]
    with (
        atomic.atomic_file(table.path) as stream,
        vector_writer(
            stream, network.dim, metadata, half=table.half, geometry=table.geometry, further=table.further
        ) as write,
    ):
        for outputs in extract.stream_outputs(paths, networks, origin.spec, turns=origin.views, jobs=jobs):
            names = [listing.name(path) for path in paths[outputs.rows]]
            if table.errors:
                table.errors.add(outputs.values[1].mean(axis=0)[:, 0])
            write(names, digests[outputs.rows], outputs.values[0].mean(axis=0))
            advance(len(names))
        refuse_changed_chips(hashes, jobs=jobs)


def read_geometry(paths: Sequence[ChipPath], *, jobs: int = 1) -> GeometryColumn | None:
    """Return the positions that the files of chips state; None if none of them does.

    Raises:
        ValueError: the position of a chip cannot be converted to the reference system of all.
    """
    with ThreadPoolExecutor(jobs) as pool:
        return geometry_column(list(pool.map(_footprint, paths)))


def _footprint(path: ChipPath) -> Footprint | None:
    content = chips.bytes_of(path)
    try:
        return footprint.read_footprint(content)
    except ValueError as error:
        raise chips.ChipError(f"{path} {error}") from error
