"""The call behind `amazon_tags sources`: a target's chips and candidate pretraining sets in, their ranking out."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.datasets.usable_chips import usable_rows
from amazon_tags.evaluation.source_ranking import SourceRanking, VectorSet, rank_source_vectors, refuse_few
from amazon_tags.model.vector_origin import VectorInput, difference, from_metadata
from amazon_tags.tables.vector_tables import VectorTable, is_vector_file, read_table
from amazon_tags.training.embed import FeatureExtractor, build_network, read_extractor
from amazon_tags.training.feature_bank import bank_file, embed_chips
from amazon_tags.training.fingerprints import hash_chips
from ensemble.arrays import Rows
from features.images import bands, chips
from features.images.chips import ChipError
from features.images.layout import AS_STATED, Layout
from features.images.listing import ChipPath, Listing
from features.images.spec import ChipSpec
from features.images.stored import RGB
from features.networks import openvino_runtime

DEFAULT_BACKBONE = "mobilenet_v3_small"  # small, and its weights can be downloaded
MAX_CHIPS = 5000  # of a set: the time of a comparison grows with the product of two sets


@dataclass(frozen=True)
class SourceOptions:
    """Options of a ranking of sources.

    Attributes:
        backbone: a name of `BACKBONES`, a folder that `pretrain` wrote, an `.onnx` or `.xml` file with a TOML file
            beside it, or `hub:` and a preset.
        weights: `imagenet`, `none` (random) or a weight file.
        layout: how bands and levels of the files are read.
        bank: a folder that keeps the vectors for later runs.
        max_chips: of a larger set, as many random chips are compared.
        seed: of the random chips and of the intervals.
        jobs: threads.
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str = "imagenet"
    layout: Layout = AS_STATED
    bank: Path | None = None
    max_chips: int = MAX_CHIPS
    seed: int = 0
    jobs: int = 2


def rank_sources(target: Path, sources: Mapping[str, Path], options: SourceOptions | None = None) -> SourceRanking:
    """Rank candidate pretraining sets for a target by vectors of one frozen backbone.

    Args:
        target: a folder or an archive of chips, or a Parquet file of vectors.
        sources: the same for each source, by its name; all are chips, or all are vectors.
        options: backbone, weights, bank, and how many chips are compared.

    Raises:
        FileNotFoundError: a path or a file of the backbone does not exist.
        ValueError: a set is empty, has one chip only, is the target itself, or has other bands or vectors than the
            target; or the backbone cannot be used.
    """
    options = options or SourceOptions()
    paths = {"the target": target, **{f"source {name}": path for name, path in sources.items()}}
    if not sources:
        raise ValueError(f"{target} cannot be compared with no source; name at least one.")
    same = [name for name, path in sources.items() if path.resolve() == target.resolve()]
    if same:
        raise ValueError(f"source {same[0]} is the target itself ({sources[same[0]]}); name a set of other chips.")

    are_vectors = [is_vector_file(path) for path in paths.values()]
    if any(are_vectors) and not all(are_vectors):
        place = are_vectors.index(False)
        raise ValueError(
            f"{list(paths)[place]} ({list(paths.values())[place]}) holds chips, but "
            f"{list(paths.values())[are_vectors.index(True)]} is a file of vectors; embed the chips too, by the same "
            "backbone: amazon_tags embed CHIPS -o vectors.parquet."
        )
    find_vectors = _read_sets if all(are_vectors) else _embed_sets
    vectors, sets = find_vectors(paths, options)
    names = (target.resolve().name, *sources)
    named = [VectorSet(name, found.ids, found.vectors, found.chips) for name, found in zip(names, sets, strict=True)]
    return rank_source_vectors(named[0], named[1:], vectors=vectors, seed=options.seed)


def _read_sets(paths: Mapping[str, Path], options: SourceOptions) -> tuple[str, list[VectorSet]]:
    """Return what the vectors of files are, and the vectors; raise ValueError if they cannot be compared."""
    tables = {name: read_table(path) for name, path in paths.items()}
    inputs = {
        name: VectorInput(table.width, from_metadata(table.path, table.metadata)) for name, table in tables.items()
    }
    needed = inputs["the target"]
    for name, found in inputs.items():
        refuse_few(name, len(tables[name].ids))
        what = f"width {found.width} instead of {needed.width}" if found.width != needed.width else ""
        if needed.origin and found.origin:
            what = difference(needed.origin, found.origin) or what
        if what:
            raise ValueError(
                f"{name} ({paths[name]}) has other vectors than the target, {what}; embed both by one backbone."
            )
    unnamed = [name for name, found in inputs.items() if found.origin is None]
    if unnamed:
        progress.say(
            f"{len(unnamed)} of {len(paths)} files do not say what computed their vectors (first: "
            f"{paths[unnamed[0]]}), and are matched by their width of {needed.width} alone"
        )
    return needed.describe(), [_read_set(name, table, options) for name, table in tables.items()]


def _read_set(name: str, table: VectorTable, options: SourceOptions) -> VectorSet:
    """Return random vectors of a file, or all."""
    rows = _random_rows(name, len(table.ids), options)
    parts, top = [], 0
    for part in table.parts():
        parts.append(part[rows[(rows >= top) & (rows < top + len(part))] - top])
        top += len(part)
    return VectorSet(name, [table.ids[row] for row in rows], np.concatenate(parts), len(table.ids))


def _embed_sets(paths: Mapping[str, Path], options: SourceOptions) -> tuple[str, list[VectorSet]]:
    """Return what the vectors of chips are, and the vectors; raise ValueError if they cannot be compared."""
    if options.bank and options.bank.exists() and not options.bank.is_dir():
        raise NotADirectoryError(f"{options.bank} is a file, but --bank takes a folder; name another.")
    extractor = FeatureExtractor(options.backbone, weights=options.weights, layout=options.layout).resolve()
    origin, own = read_extractor(extractor)
    listings = {name: list_chips([path]) for name, path in paths.items()}
    compared: dict[str, Listing] = {}
    for name, listing in listings.items():
        refuse_few(f"{name} ({paths[name]})", len(listing))
        compared[name] = listing.take(_random_rows(name, len(listing), options))
    _refuse_other_bands(compared, origin.spec, options.jobs)
    for listing in compared.values():
        usable_rows(listing, origin.spec, None, jobs=options.jobs)

    files = build_network(extractor, own, origin.spec)
    network = openvino_runtime.load(*files, jobs=options.jobs)
    bank = bank_file(options.bank, files, origin.spec) if options.bank else None
    sets = []
    for name, listing in compared.items():
        hashes = hash_chips(listing, jobs=options.jobs)
        vectors = embed_chips(hashes, network, origin.spec, bank=bank, jobs=options.jobs)
        sets.append(VectorSet(name, listing.names(), vectors, len(listings[name])))
    return VectorInput(network.dim, origin).describe(), sets


def _random_rows(name: str, chips: int, options: SourceOptions) -> Rows:
    """Return the rows of the chips that are compared, ascending, and report it if they are not all."""
    if chips <= options.max_chips:
        return np.arange(chips)
    progress.say(
        f"{name} has {chips:,} chips, of which {options.max_chips:,} random ones are compared (seed {options.seed}); "
        "more would cover more, and near duplicates among the others are not found"
    )
    return np.sort(np.random.default_rng(options.seed).permutation(chips)[: options.max_chips])


def _refuse_other_bands(compared: Mapping[str, Listing], spec: ChipSpec, jobs: int) -> None:
    """Raise ValueError if a chip has other bands than the first one of the target."""
    target, first = next(iter(compared.items()))
    needed: tuple[str, ...] = ()
    with ThreadPoolExecutor(jobs) as pool:
        for name, listing in compared.items():
            found = list(pool.map(lambda path: _band_names(path, spec), listing))
            needed = needed or found[0]
            other = [row for row, names in enumerate(found) if names != needed]
            if other:
                raise ValueError(
                    f"{len(other):,} of {len(listing):,} chips of {name} have other bands than {target} (first: "
                    f"{listing[other[0]]} has {', '.join(found[other[0]])}, but {first[0]} has {', '.join(needed)}); "
                    "their vectors would differ by that alone: compare chips of the same bands."
                )


def _band_names(path: ChipPath, spec: ChipSpec) -> tuple[str, ...]:
    """Return the bands of a chip, without alpha, in the order of the alphabet."""
    if chips.header(path).format != "tif":
        return tuple(sorted(RGB))
    try:
        return tuple(sorted(filter(None, bands.name_bands(chips.read_image(path), spec)[0].bands)))
    except ChipError:
        raise
    except ValueError as error:
        raise ChipError(f"{path} {error}") from error
