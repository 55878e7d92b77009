"""A bundle: a model folder, in which nothing is parsed before its hash is checked.

manifest.json     `manifest.Manifest`: label space, chip spec, members, origin; sha256 and size of every other file
decision.json     how scores become tags, and the tags that `predict --on-error fill` gives to unusable chips
second.npz        how the members' scores are combined; second.json for trees
members/NN-name/  network.xml, network.bin (OpenVINO IR), int8.xml, int8.bin (the same, quantised), network.weights.h5
                  (to train further), head.npz or head.json; of a bundle that takes vectors, the head alone
golden.npz        rendered chips, or drawn vectors, and their scores at training time, which a bundle must reproduce
held_out.npz      hashes, ground truth, band statistics, out-of-fold scores and tags of the training chips
card.md           what the model is for, what was measured, its limits, below a YAML head
README.md         the same, for model hubs

`bundle_writer` writes bundles.
"""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.errors import RefusedError
from amazon_tags.files import folders
from amazon_tags.files.hashes import sha256_bytes
from amazon_tags.model import decision_file, engine
from amazon_tags.model.damage import refusing_damage
from amazon_tags.model.engine import CompiledMember, Engine
from amazon_tags.model.manifest import READABLE_FORMATS, Manifest, digest
from amazon_tags.tables import labels
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Scores, Tags
from ensemble.decisions.decision import Decision, decide_tags
from ensemble.second_level import blend
from ensemble.second_level.blend import Blend
from ensemble.second_level.models import SECOND_LEVEL_FILES, SecondLevel, parse_second_level
from features.arrays import ChipBatch
from features.images.layout import AS_STATED, Layout
from features.images.spec import ChipSpec
from features.networks import openvino_runtime
from features.networks.extract import Network

ViewOutputs = NDArray[np.float32]  # (views, chips, labels or dim): what a member's network gives

DEFAULT = Path(__file__).parents[1] / "default_model"
MAX_FILE_BYTES = 1 << 31  # the largest backbone has 0.35e9
# Of golden scores: other processors sum in another order, which moves a score by some 1e-5, in fewer bits by some 1e-2.
GOLDEN_TOLERANCE = {"f32": 1e-3, "bf16": 0.1, "int8": 0.1}
REPLACE = "train the bundle again or get another copy"


class BundleError(RefusedError):
    """A bundle that is damaged or cannot be read; the message says which file and why."""


@dataclass(frozen=True)
class Bundle:
    """A model that is compiled and has reproduced its golden scores.

    Attributes:
        folder: where it was loaded from.
        common: (labels,) the tags that a chip gets when it cannot be used.
        golden_distance: the largest difference between a golden chip's score here and at training time.
        layout: what the user states about the files of the chips.
    """

    folder: Path
    manifest: Manifest
    members: tuple[CompiledMember, ...]
    second: SecondLevel
    decision: Decision
    common: NDArray[np.bool_]
    engine: Engine
    golden_distance: float
    layout: Layout = AS_STATED

    @property
    def space(self) -> LabelSpace:
        """The label space: the columns of its scores and tags."""
        return self.manifest.space

    @property
    def spec(self) -> ChipSpec:
        """The chips that its networks take, and how their files are read."""
        stored = self.manifest.spec
        return replace(stored, layout=self.layout, training_layout=stored.layout)

    def reading(self, layout: Layout, *, paired: bool = False) -> "Bundle":
        """Return the same model for files of chips, or pairs of them, of which a user states this layout.

        Raises:
            ValueError: the model takes vectors, or single chips where there are pairs, or the reverse.
        """
        refuse_vector_model(self.folder, self.manifest)
        refuse_other_dates(self.folder, self.manifest, paired=paired)
        return replace(self, layout=layout)

    @property
    def networks(self) -> list[Network]:
        """The members' networks, in the order that `scores` expects."""
        return [member.network for member in self.members]

    def scores(self, outputs: Sequence[ViewOutputs]) -> Scores:
        """Return the scores (chips, labels) of the networks' outputs, each averaged over its views."""
        pairs = zip(self.members, outputs, strict=True)
        return self.second.scores([member_scores(*pair, self.manifest.view_mean) for pair in pairs])

    def decide(self, scores: Scores) -> Tags:
        """Return the tags (chips, labels) that the bundle's decision makes of scores."""
        return decide_tags(self.decision, scores)


@dataclass(frozen=True)
class Verified:
    """The number of files whose hashes were checked, and the bundle in each precision that this processor supports."""

    files: int
    bundles: dict[str, Bundle]

    @property
    def bundle(self) -> Bundle:
        """The bundle in f32."""
        return self.bundles["f32"]


def refuse_vector_model(folder: Path, manifest: Manifest) -> None:
    """Raise ValueError for a bundle that takes vectors where chips are to be scored."""
    if manifest.vectors:
        command = manifest.vectors.command()
        advice = f"embed them ({command}) and" if command else "compute these and"
        raise ValueError(
            f"{folder} has no network for chips, only heads on vectors of {manifest.vectors.describe()}; {advice} pass "
            "predict --vectors vectors.parquet."
        )


def refuse_other_dates(folder: Path, manifest: Manifest, *, paired: bool = False) -> None:
    """Raise ValueError for a bundle of pairs where single chips are to be used, or the reverse."""
    if manifest.spec.dates > 1 and not paired:
        raise ValueError(
            f"{folder} takes pairs of chips of two dates, not single chips; tag pairs by predict --pairs TABLE, or "
            "name a bundle of single chips."
        )
    if manifest.spec.dates == 1 and paired:
        raise ValueError(
            f"{folder} takes single chips, not pairs; leave --pairs out, or name a bundle that train --pairs wrote."
        )


def member_scores(member: CompiledMember, outputs: ViewOutputs, view_mean: str) -> Scores:
    """Return a member's scores (chips, labels) of its network's outputs, averaged over the views."""
    scores = list(outputs) if member.head is None else [member.head.scores(view) for view in outputs]
    return blend.equal(scores, view_mean).scores(scores)


def load(folder: Path, *, jobs: int = 1, precision: str = "f32", device: str = "cpu") -> Bundle:
    """Read and compile a bundle, then let it score its golden chips.

    Args:
        folder: the bundle.
        jobs: threads.
        precision: see `engine.choose`.
        device: see `engine.choose`.

    Raises:
        BundleError: a file is missing, changed or of another format, or golden scores are not reproduced.
        ValueError: the bundle was not measured in this precision, or this processor does not support it.
    """
    manifest = read_manifest(folder)
    choice = engine.choose(manifest, device=device, precision=precision)
    with refusing_damage(BundleError, f"{folder}: its contents do not fit together", REPLACE):
        members = tuple(load_member(folder, manifest, name, choice, jobs=jobs) for name in manifest.members)
        if not manifest.vectors:
            _check_networks(manifest.spec, members)
        if manifest.view_mean not in blend.KINDS[:2]:
            raise ValueError(f"views are averaged by {manifest.view_mean}")
        second = load_second(folder, manifest)
        decision, common = parse_decision(read_checked(folder, manifest, "decision.json"), manifest.space)

        bundle = Bundle(folder, manifest, members, second, decision, common, choice, golden_distance=np.inf)
        return _with_golden_distance(bundle, read_checked(folder, manifest, "golden.npz"))


def verify(folder: Path, *, jobs: int = 1) -> Verified:
    """Check every file's hash, then load the bundle in every precision that this processor supports.

    Raises:
        BundleError: a file is damaged, missing or unknown to the manifest, or golden scores are not reproduced.
    """
    files = check_files(folder)
    names = read_manifest(folder).precision.costs
    supported = [name for name in names if openvino_runtime.supports(engine.HINTS[name])]
    return Verified(files, {name: load(folder, jobs=jobs, precision=name) for name in supported})


def check_files(folder: Path) -> int:
    """Check the size and hash of every file, without loading any; return how many files there are.

    Files that file managers leave, such as .DS_Store, are ignored; nothing ever reads them.

    Raises:
        BundleError: a file is damaged, missing or unknown to the manifest.
    """
    manifest = read_manifest(folder)
    for name in sorted(manifest.files):
        read_checked(folder, manifest, name)
    paths = [path for path in folder.rglob("*") if path.is_symlink() or not (path.is_dir() or folders.is_litter(path))]
    names = {path.relative_to(folder).as_posix() for path in paths}
    unknown = sorted(names - {*manifest.files, "manifest.json"})
    if unknown:
        raise BundleError(
            f"{folder} holds {len(unknown)} files that its manifest does not name (first: {unknown[0]}); remove them."
        )
    return len(manifest.files)


def read_card(folder: Path) -> str:
    """Return the text of `card.md` below its YAML head, once its hash is checked; older versions wrote no head."""
    text = read_checked(folder, read_manifest(folder), "card.md").decode(errors="replace")
    return text.partition("\n---\n")[2].lstrip("\n") if text.startswith("---\n") else text


def read_file(folder: Path, name: str) -> bytes | None:
    """Return the bytes of a file, once its hash is checked; None if the bundle has no such file."""
    manifest = read_manifest(folder)
    return read_checked(folder, manifest, name) if name in manifest.files else None


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest; its format number is checked first, then its digest.

    Raises:
        BundleError: there is none, it is damaged, or another version of amazon_tags is needed.
    """
    path = folder / "manifest.json"
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise BundleError(f"{folder} has no manifest.json; name a bundle that amazon_tags train wrote.") from error
    with refusing_damage(BundleError, f"{path} is damaged", REPLACE):
        values: dict[str, Any] = json.loads(content)
        if values["format"] not in READABLE_FORMATS:
            raise BundleError(
                f"{folder} has bundle format {values['format']}, but this is amazon_tags {version('amazon-tags')}, "
                f"which reads formats {READABLE_FORMATS[0]} to {READABLE_FORMATS[-1]}; install amazon_tags "
                f"{values['version']}, which wrote it."
            )
        if values["sha256"] != digest(values):
            raise BundleError(f"{path} was changed: it does not fit its own hash; {REPLACE}.")
        manifest = Manifest.from_json(values)
    for name in manifest.members:
        if not re.fullmatch(r"\d\d-[a-z0-9_]+", name):  # it becomes a path
            raise BundleError(f"{path} names a member {name!r}; members are named like 00-small.")
    return manifest


def read_checked(folder: Path, manifest: Manifest, name: str) -> bytes:
    """Return a file's bytes, once its size and hash are those of the manifest.

    Raises:
        BundleError: the file is missing, changed, or unknown to the manifest.
    """
    path = folder / name
    if name not in manifest.files:
        raise BundleError(f"{folder}: its manifest does not name {name}; {REPLACE}.")
    entry = manifest.files[name]
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise BundleError(f"{folder}: its manifest names {name}, which lies outside the bundle; {REPLACE}.")
    if not path.is_file():
        raise BundleError(f"{path} is missing; {REPLACE}.")
    size = path.stat().st_size
    if size != entry.size or size > MAX_FILE_BYTES:
        raise BundleError(f"{path} has {size:,} bytes, but the manifest says {entry.size:,}; {REPLACE}.")
    content = path.read_bytes()
    if sha256_bytes(content) != entry.sha256:
        raise BundleError(f"{path} was changed: its hash is not the manifest's; {REPLACE}.")
    return content


def load_second(folder: Path, manifest: Manifest) -> SecondLevel:
    """Return the second level of a bundle; format 1 averages its members."""
    count = len(manifest.members)
    if manifest.format == 1:
        return Blend("mean", np.full((count, len(manifest.space.names)), 1 / count), np.zeros((0, 0, 0)))
    name = next(name for name in SECOND_LEVEL_FILES if name in manifest.files)
    return parse_second_level(name, read_checked(folder, manifest, name), count)


def parse_golden(content: bytes, precision: str) -> tuple[ChipBatch, Scores]:
    """Return the golden chips and their scores at training time from the content of `golden.npz`."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return archive["chips"], archive[precision if precision in archive else "scores"]


def load_member(folder: Path, manifest: Manifest, name: str, choice: Engine, *, jobs: int = 1) -> CompiledMember:
    """Return a member of a bundle, compiled for an engine unless it takes vectors."""
    read = partial(read_checked, folder, manifest)
    if manifest.vectors:
        return engine.vector_member(read, manifest.files, name, manifest.vectors.width)
    if choice.device == "gpu":
        return engine.gpu_member(read, folder, manifest, name, choice.precision)
    return engine.cpu_member(read, manifest.files, name, choice.precision, jobs=jobs)


def parse_decision(content: bytes, space: LabelSpace) -> tuple[Decision, NDArray[np.bool_]]:
    """Return a bundle's decision and common tags (labels,) from the content of `decision.json`."""
    values = json.loads(content)
    decision_space, decision = decision_file.from_json(values)
    if decision_space != space:
        raise ValueError("the decision is for other labels")
    return decision, labels.encode(space, values["common"])


def _check_networks(spec: ChipSpec, members: Sequence[CompiledMember]) -> None:
    expected = (spec.side, spec.side, len(spec.channels)), np.dtype(spec.dtype)
    for member in members:
        network = member.network
        if (network.chip_shape, network.dtype) != expected:
            raise ValueError(f"{member.name} expects chips of {network.dtype} {network.chip_shape}, not {spec}")


def _with_golden_distance(bundle: Bundle, content: bytes) -> Bundle:
    """Return the bundle with its `golden_distance`; raise BundleError if that is too large."""
    precision = bundle.engine.precision
    pixels, expected = parse_golden(content, precision)
    scores = bundle.scores([network(pixels)[np.newaxis] for network in bundle.networks])
    if scores.shape != expected.shape:
        raise ValueError(f"golden scores are {expected.shape}, but the members give {scores.shape}")

    distance, allowed = float(np.abs(scores - expected).max()), GOLDEN_TOLERANCE[precision]
    if not distance <= allowed:
        raise BundleError(
            f"the model scores its golden chips {distance:.2g} away from their scores at training time "
            f"(allowed {allowed}); this processor or its OpenVINO computes wrong results, or the bundle's files do not "
            f"belong together: {REPLACE}."
        )
    return replace(bundle, golden_distance=distance)
