"""The call behind `amazon_tags embed`: chips in; a feature bank out, unless it exists already, or a Parquet file."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from amazon_tags import progress
from amazon_tags.datasets.chip_listing import list_chips
from amazon_tags.datasets.usable_chips import usable_rows
from amazon_tags.files import preflight
from amazon_tags.files.hashes import sha256
from amazon_tags.model.backbone_folder import PretrainedBackbone, find_backbone
from amazon_tags.model.vector_origin import VectorOrigin
from amazon_tags.tables import vector_tables
from amazon_tags.tables.suggest import did_you_mean
from amazon_tags.tables.vector_tables import join_columns
from amazon_tags.training.anomaly import AnomalyScores, check_known, read_known
from amazon_tags.training.anomaly_page import write_anomaly_page
from amazon_tags.training.embedding_table import EmbeddingTable, read_geometry, write_embedding_table
from amazon_tags.training.feature_bank import BankKey, read_bank, write_bank
from amazon_tags.training.fingerprints import combine_hashes, hash_chips
from amazon_tags.training.hub_presets import backbone_path
from amazon_tags.training.layer_names import refuse_layer
from amazon_tags.training.network_files import member_network
from amazon_tags.training.reconstruction import plan_errors
from features.images.layout import AS_STATED, Layout
from features.images.spec import ChipSpec, Statistics, bands_to_take
from features.images.stored import RGB
from features.networks import foreign, foreign_graph, openvino_runtime, weight_files
from features.networks.backbone_shapes import BACKBONE_SHAPES, BackboneOptions, refuse_pool, refuse_side
from features.networks.foreign import ForeignBackbone
from features.networks.foreign_settings import is_foreign


@dataclass(frozen=True)
class FeatureExtractor:
    """A frozen backbone.

    Attributes:
        backbone: a name of `BACKBONES`, a folder that `pretrain` wrote, an `.onnx` or `.xml` file with a TOML file
            beside it, or `hub:` and a KerasHub preset.
        layer: where the backbone ends, `top` or the name of a layer.
        weights: `imagenet`, `none` (random) or a weight file.
        side: the chips' side in pixels; 0 for the backbone's own, which is the only one of a file.
        layout: how bands and levels of the files are read.
        pool: how feature maps or tokens become a vector, of `POOLS`.
        half: round the vectors to float16, which only a Parquet file holds.
        bands: of the chips that it takes: those of a folder that `pretrain` wrote; red, green and blue become the
            bands that the layout names, if these are more than four.
        statistics: of many bands, by which the chips of that folder were normalised.
        reconstruction: write the reconstruction error beside each vector, which only a Parquet file holds.
        pretrained: the folder that `pretrain` wrote, if the extractor has been resolved from one.
    """

    backbone: str
    layer: str = "top"
    weights: str = "imagenet"
    side: int = 0
    layout: Layout = AS_STATED
    pool: str = "average"
    half: bool = False
    bands: tuple[str, ...] = RGB
    statistics: Statistics = ()
    reconstruction: bool = False
    pretrained: PretrainedBackbone | None = None

    def resolve(self) -> "FeatureExtractor":
        """Return the extractor with the name, the weights, the bands and the side of a folder that `pretrain` wrote.

        Raises:
            BackboneError: the folder is damaged.
            ValueError: weights are stated beside it.
        """
        found = find_backbone(self.backbone, self.weights)
        if found is None:
            return self
        spec = found.manifest.spec
        backbone, weights = found.manifest.backbone, str(found.weights.absolute())
        resolved = replace(self, backbone=backbone, weights=weights, side=self.side or spec.side, pretrained=found)
        return replace(resolved, bands=spec.bands, statistics=spec.statistics)

    def spec(self) -> ChipSpec:
        """Return the chips that a backbone of the table takes.

        Raises:
            ValueError: the layout names more than four bands that cannot be those of a network, or their levels have no
                scale.
        """
        bands, layout = bands_to_take(self.layout)
        if self.bands not in (RGB, bands):  # a folder's own: the layout is about the files alone
            bands, layout = self.bands, self.layout
        statistics = self.statistics if bands == self.bands else ()
        side = self.side or BACKBONE_SHAPES[self.backbone].side
        spec = ChipSpec(bands, "uint8" if bands == RGB else "uint16", side, layout, statistics=statistics)
        if spec.has_many_bands() and not statistics and layout.levels == "dn":
            raise ValueError(
                f"--levels dn take levels as they are, but a frozen backbone of {len(bands)} bands needs their scale "
                "to reflectance; state one, such as 0.0001."
            )
        return spec


@dataclass(frozen=True)
class EmbedFiles:
    """Files besides the chips and the output.

    Attributes:
        unusable: leave out chips that cannot be used, and list them in this file; None makes such a chip an error.
        known: a Parquet file of known chips that `embed` wrote; how far the chips lie from these becomes two columns.
        page: an HTML page to write, which shows the chips that lie farthest from the known ones.
    """

    unusable: Path | None = None
    known: Path | None = None
    page: Path | None = None

    def outputs(self) -> list[Path]:
        """Return the files that are written."""
        return [path for path in (self.unusable, self.page) if path]


@dataclass(frozen=True)
class EmbedSummary:
    """A sentence on what was done, the number of chips, and how many of them could not be used and were left out."""

    text: str
    chips: int
    unusable: int


NO_FILES = EmbedFiles()


def embed(
    inputs: Sequence[Path],
    output: Path,
    extractor: FeatureExtractor,
    *,
    views: int = 1,
    jobs: int = 2,
    files: EmbedFiles = NO_FILES,
) -> EmbedSummary:
    """Write the vectors of chips as a feature bank, or as a Parquet file if the output's name ends in `.parquet`.

    All that can be refused without Keras is refused before it is imported.

    Args:
        inputs: chips, folders or archives of chips.
        output: the bank's folder, or a Parquet file, which is replaced if it exists.
        extractor: what makes the vectors.
        views: the number of dihedral views that a vector is averaged over.
        jobs: threads.
        files: other files to read and write.

    Raises:
        BackboneError: the folder of the backbone is damaged.
        ValueError: the backbone or the layer is unknown, the side, the pool or the weights do not fit, the output is of
            another format, the known chips have other vectors, or the position of a chip cannot be converted.
        FileExistsError: `output` is anything but the bank of these chips by this extractor.
    """
    vector_tables.refuse_vector_path(output, half=extractor.half)
    extractor = extractor.resolve()
    is_table = vector_tables.is_vector_path(output)
    origin, own = read_extractor(extractor, views)
    _refuse_scores(output, files, extractor)
    known = check_known(files.known, origin) if files.known else None
    plan = None
    if extractor.reconstruction or known:
        plan = plan_errors(extractor.pretrained, origin.spec, known, needed=extractor.reconstruction)
    paths = list_chips(inputs)
    count = len(paths)
    if files.unusable:
        paths = paths.take(usable_rows(paths, origin.spec, files.unusable, jobs=jobs))
    hashes = hash_chips(paths, jobs=jobs)
    key = _bank_key(combine_hashes(hashes), origin)
    if is_table:
        preflight.refuse_outputs([output, *files.outputs()], [*paths.files(), *([files.known] if files.known else [])])
    elif _is_complete(output, key):
        return EmbedSummary(f"holds these {len(paths)} chips already, nothing to do", count, count - len(paths))
    if not files.unusable:  # a chip that cannot be used is an error before Keras is loaded
        usable_rows(paths, origin.spec, None, jobs=jobs)

    geometry = read_geometry(paths, jobs=jobs) if is_table else None
    network = openvino_runtime.load(*build_network(extractor, own, origin.spec), jobs=jobs)
    scores = AnomalyScores(read_known(known, network.dim)) if known else None
    errors = plan.load(jobs=jobs) if plan else None
    with progress.bar("embedding", len(paths)) as advance:
        if is_table:
            remarks = (scores.known.metadata if scores else {}) | (plan.metadata() if plan else {})
            further = join_columns([part.columns() for part in (scores, errors) if part])
            table = EmbeddingTable(output, origin, extractor.half, geometry, remarks, further, errors)
            write_embedding_table(table, hashes, network, jobs=jobs, advance=advance)
        else:
            write_bank(output, hashes, network, key, jobs=jobs, advance=advance)
    text = f"{len(paths)} vectors of width {network.dim}"
    if scores:
        text += f"; {scores.describe(paths.names())}"
    if errors:
        text += f"; {errors.describe(paths.names())}"
    if scores and files.page:
        write_anomaly_page(files.page, paths, origin.spec, scores, errors)
    return EmbedSummary(text, count, count - len(paths))


def _refuse_scores(output: Path, files: EmbedFiles, extractor: FeatureExtractor) -> None:
    """Raise ValueError if anomaly scores or reconstruction errors are to be written into a feature bank."""
    if (files.known or extractor.reconstruction) and not vector_tables.is_vector_path(output):
        what = "anomaly scores" if files.known else "reconstruction errors"
        raise ValueError(f"{output} is a feature bank, which holds no {what}; name a {vector_tables.SUFFIX} file.")


def read_extractor(extractor: FeatureExtractor, views: int = 1) -> tuple[VectorOrigin, ForeignBackbone | None]:
    """Return what the vectors are computed from, and the backbone if it is a user's own.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the backbone, its layer or its weights cannot be used.
    """
    _check_extractor(extractor)
    if is_foreign(extractor.backbone):
        own = foreign.read_backbone(backbone_path(extractor.backbone))
        spec = own.settings.chip_spec()
        spec = replace(spec, side=extractor.side or spec.side, layout=extractor.layout)
        foreign_graph.build(own, spec)  # a network that cannot be used is an error before any chip is read
        return VectorOrigin(backbone=own.path.name, weights=own.fingerprint, views=views, spec=spec), own
    weights = extractor.weights
    origin = VectorOrigin(
        backbone=extractor.backbone,
        layer=extractor.layer,
        pool=extractor.pool,
        weights=weights if weights in ("imagenet", "none") else sha256(Path(weights)),
        views=views,
        spec=extractor.spec(),
    )
    return origin, None


def _bank_key(chips: str, origin: VectorOrigin) -> BankKey:
    spec = origin.spec
    return BankKey(
        chips,
        origin.weights,
        origin.backbone,
        origin.layer,
        spec.side,
        origin.views,
        layout=spec.layout,
        pool=origin.pool,
        bands=spec.bands,
    )


def _is_complete(output: Path, key: BankKey) -> bool:
    """Return whether the bank exists already; raise an error for anything else that exists or cannot be written."""
    if not output.exists():
        preflight.refuse_unwritable(output)
        return False
    if read_bank(output).key == key:
        return True
    raise FileExistsError(
        f"{output} is a feature bank of other chips, weights, layer, pool, bands, layout or views; name another folder."
    )


def _check_extractor(extractor: FeatureExtractor) -> None:
    """Raise an error for an unknown backbone or layer, or a file that holds no weights."""
    name, layer = extractor.backbone, extractor.layer
    if is_foreign(name):
        for option, value, plain in (
            ("--layer", layer, "top"),
            ("--weights", extractor.weights, "imagenet"),
            ("--pool", extractor.pool, "average"),
        ):
            if value != plain:
                raise ValueError(
                    f"{name} is a network of your own, so that {option} {value} has no effect; leave it out, and state "
                    "output and pool in the TOML file."
                )
        return
    if name not in BACKBONE_SHAPES:
        near = did_you_mean(name, BACKBONE_SHAPES)
        raise ValueError(f"there is no backbone named {name}{near}; choose one of {', '.join(BACKBONE_SHAPES)}.")
    refuse_layer(name, layer)
    refuse_pool(name, extractor.pool)
    if extractor.side:
        refuse_side(name, extractor.side)
    weight_files.refuse_download(name, extractor.weights)
    if extractor.weights not in ("imagenet", "none"):
        weight_files.refuse_other_files(Path(extractor.weights))


def build_network(extractor: FeatureExtractor, own: ForeignBackbone | None, spec: ChipSpec) -> tuple[bytes, bytes]:
    """Return the XML and the weights of an extractor's network; the arguments are what `read_extractor` returns."""
    with tempfile.TemporaryDirectory() as folder:
        _export_network(extractor, own, spec, Path(folder))
        return member_network(Path(folder))


def _export_network(extractor: FeatureExtractor, own: ForeignBackbone | None, spec: ChipSpec, folder: Path) -> None:
    if own:
        foreign_graph.export(own, spec, folder)
        return
    import keras  # noqa: PLC0415  importing it takes seconds, which only this function should pay

    from features.networks import backbones, openvino_export  # noqa: PLC0415

    keras.utils.clear_session()  # or layers would be named by what was built before
    keras.utils.set_random_seed(0)  # for random weights
    options = BackboneOptions(pool=extractor.pool)
    model = backbones.build(extractor.backbone, spec, layer=extractor.layer, weights=extractor.weights, options=options)
    openvino_export.export(model, folder)
