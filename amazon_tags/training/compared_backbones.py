"""Vectors of labelled chips by several frozen backbones, for the calls that compare these: rank and inspect."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amazon_tags.datasets.usable_chips import usable_rows
from amazon_tags.files import preflight
from amazon_tags.model.vector_origin import VectorOrigin
from amazon_tags.tables.image_names import likely_difference, select
from amazon_tags.tables.vector_tables import is_vector_path, read_table
from amazon_tags.training.embed import FeatureExtractor, build_network, read_extractor
from amazon_tags.training.feature_bank import bank_file, embed_chips
from amazon_tags.training.network_files import milliseconds_a_chip
from amazon_tags.training.training_data import TrainingData, TrainingSource, read_training_data
from ensemble.arrays import Fold, Tags, Vectors
from ensemble.metrics import folds
from features.images import listing
from features.images.layout import AS_STATED, Layout
from features.images.spec import ChipSpec
from features.networks import openvino_runtime
from features.networks.foreign import ForeignBackbone
from features.networks.foreign_settings import is_foreign

FOLDS = 5
BYTES_A_MEGABYTE = 1e6
LAYER_SIGN = "@"  # between a backbone and a layer at which it ends


@dataclass(frozen=True)
class ComparisonOptions:
    """Options of a comparison of backbones.

    Attributes:
        weights: files to start a backbone from, by its name, instead of ImageNet's weights.
        side: the chips' side in pixels; 0 for each backbone's own.
        layout: how bands and levels of the files are read.
        bank: a folder that keeps the vectors for later runs.
        jobs: threads.
        unusable: leave out chips that cannot be used, and list them in this file; None makes such a chip an error.
        seed: of the folds.
    """

    weights: Mapping[str, Path] = field(default_factory=dict)
    side: int = 0
    layout: Layout = AS_STATED
    bank: Path | None = None
    jobs: int = 2
    unusable: Path | None = None
    seed: int = 0


@dataclass(frozen=True)
class _Candidate:
    """A checked backbone: its name, how it makes vectors, and `own` if it is a file of the user's own."""

    name: str
    extractor: FeatureExtractor
    origin: VectorOrigin
    own: ForeignBackbone | None


@dataclass(frozen=True)
class Embedding:
    """The vectors of a backbone (chips, width); size and time are None if they were read from a file."""

    vectors: Vectors
    megabytes: float | None = None
    milliseconds: float | None = None


@dataclass(frozen=True)
class ComparedBackbones:
    """Labelled chips, and the checked backbones by their names; `files` have vectors already."""

    data: TrainingData
    names: tuple[str, ...]
    networks: Mapping[str, _Candidate]
    files: Mapping[str, Embedding]
    options: ComparisonOptions

    def divide(self) -> Fold:
        """Return the fold (chips,) of each chip, with groups in one fold.

        Raises:
            ValueError: there are too few chips or groups.
        """
        return divide_chips(self.data.truth, self.data.groups, seed=self.options.seed)

    def embeddings(self) -> Iterator[tuple[str, Embedding]]:
        """Yield the vectors of all chips by one backbone after another."""
        for name in self.names:
            yield name, self.files[name] if name in self.files else _embed(self.networks[name], self)


def divide_chips(truth: Tags, groups: NDArray[np.str_] | None, *, seed: int = 0) -> Fold:
    """Return the fold (chips,) of each chip, with groups (chips,) in one fold.

    Raises:
        ValueError: there are too few chips or groups.
    """
    if not folds.can_divide(truth, (FOLDS,), groups=groups):
        raise ValueError(f"{len(truth)} chips cannot make {FOLDS} folds of chips or groups; label more chips.")
    return folds.stratify(truth, folds=FOLDS, seed=seed, groups=groups)


def read_compared(
    source: TrainingSource, backbones: tuple[str, ...], options: ComparisonOptions, *, least: int
) -> ComparedBackbones:
    """Check backbones, and read the labelled chips.

    Args:
        source: labelled chips.
        backbones: at least `least`; each is a name of the table or a folder that `pretrain` wrote, with `@` and a layer
            if it shall end there, an `.onnx` or `.xml` file, `hub:` and a KerasHub preset, or a Parquet file of vectors
            of these chips.
        options: weights, folders, threads.
        least: how many backbones the caller needs.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a backbone, the weights, the chips or their table cannot be used, or there are too few chips.
    """
    _refuse_names(backbones, options, least)
    networks = {name: _check_backbone(name, options) for name in backbones if not is_vector_path(Path(name))}
    spec = next((network.origin.spec for network in networks.values()), ChipSpec())
    if options.unusable:
        preflight.refuse_outputs([options.unusable], [source.table])
    find_usable = partial(usable_rows, spec=spec, listed=options.unusable, jobs=options.jobs)
    data = read_training_data(source, options.jobs, find_usable=find_usable)
    files = {name: _read_vectors(Path(name), data) for name in backbones if name not in networks}
    return ComparedBackbones(data, backbones, networks, files, options)


def needs_keras(backbone: str) -> bool:
    """Return whether a backbone is one that Keras builds: neither a file of vectors nor a network of the user's own."""
    return not is_foreign(backbone) and not is_vector_path(Path(backbone))


def _refuse_names(backbones: tuple[str, ...], options: ComparisonOptions, least: int) -> None:
    """Raise ValueError for too few backbones, one that is there twice, and weights of another backbone."""
    if len(backbones) < least or len(set(backbones)) < len(backbones):
        raise ValueError(
            f"this compares {least} backbones or more, each once, but these are {', '.join(backbones) or 'none'}; "
            "name others."
        )
    known = [name.partition(LAYER_SIGN)[0] for name in backbones]
    surplus = [name for name in options.weights if name not in known]
    if surplus:
        raise ValueError(
            f"there are weights for {surplus[0]}, which is not among the backbones {', '.join(backbones)}; name it "
            "there, or leave the weights out."
        )


def _check_backbone(text: str, options: ComparisonOptions) -> _Candidate:
    if is_foreign(text):
        extractor = FeatureExtractor(text, side=options.side, layout=options.layout)
    else:
        name, _, layer = text.partition(LAYER_SIGN)
        weights = str(options.weights.get(name, "imagenet"))
        extractor = FeatureExtractor(name, layer or "top", weights, options.side, options.layout).resolve()
    return _Candidate(text, extractor, *read_extractor(extractor))


def _read_vectors(path: Path, data: TrainingData) -> Embedding:
    """Return the vectors of the chips from a file; raise ValueError for chips that are missing or were others."""
    table = read_table(path)
    ids = [listing.name(chip) for chip in data.paths]
    there = set(table.ids)
    missing = [name for name in ids if name not in there]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(ids)} chips have no vector in {path} (first: {missing[0]})"
            f"{likely_difference(missing[0], table.ids)}; embed these chips too."
        )
    rows = select(table.ids, ids)
    hashes = data.hashes if table.hashes is None else [table.hashes[row] for row in rows]
    changed = [name for name, then, now in zip(ids, hashes, data.hashes, strict=True) if then != now]
    if changed:
        raise ValueError(
            f"{len(changed)} of {len(ids)} chips are not those whose vectors {path} holds (first: {changed[0]}); "
            "embed the chips again."
        )
    return Embedding(np.concatenate(list(table.parts()))[rows])


def _embed(candidate: _Candidate, compared: ComparedBackbones) -> Embedding:
    """Return the vectors of a backbone, from the bank where it has them, and what its network costs."""
    data, options = compared.data, compared.options
    spec = candidate.origin.spec
    files = build_network(candidate.extractor, candidate.own, spec)
    network = openvino_runtime.load(*files, jobs=options.jobs)
    bank = bank_file(options.bank, files, spec) if options.bank else None
    hashes = dict(zip(data.paths, data.hashes, strict=True))
    vectors = embed_chips(hashes, network, spec, bank=bank, jobs=options.jobs, title=candidate.name)
    return Embedding(vectors, sum(map(len, files)) / BYTES_A_MEGABYTE, milliseconds_a_chip(files))
