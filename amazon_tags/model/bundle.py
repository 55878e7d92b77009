"""A bundle: a model folder in which nothing is parsed before its hash is checked.

manifest.json     format number, label space, chip spec, members, sha256 and size of every other file, provenance
decision.json     how scores become tags, and the constant answer that `predict --on-error fill` gives
second.npz        how the members' scores become one; second.json for trees
members/NN-name/  network.xml, network.bin (OpenVINO IR), int8.xml, int8.bin (the same, quantised), network.weights.h5
                  (to train on), head.npz or head.json
golden.npz        rendered chips and their scores at training time, which a loaded bundle must reproduce
held_out.npz      the hashes of the chips that it learnt from, their out-of-fold scores and tags, truth and looks
card.md           what it is for, what was measured, its limits
"""

import io
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from amazon_tags.files import atomic
from amazon_tags.files.hashes import sha256, sha256_bytes
from amazon_tags.model import decision_file, engine
from amazon_tags.model.engine import CompiledMember, Engine
from amazon_tags.tables import labels
from amazon_tags.tables.labels import LabelSpace
from ensemble.arrays import Scores
from ensemble.decisions.decision import Decision, decide_tags
from ensemble.second_level import blend
from ensemble.second_level.blend import Blend
from ensemble.second_level.models import SECOND_LEVEL_FILES, SecondLevel, pack_second_level, parse_second_level
from features.images.chips import ChipSpec
from features.networks import openvino_runtime
from features.networks.extract import Network
from features.networks.openvino_runtime import ChipBatch

Values = NDArray[np.float32]  # (views, chips, dim)

FORMAT, READ = 2, (1, 2)  # 1 knew no second level: its members were averaged
DEFAULT = Path(__file__).parents[1] / "default_model"
# Of golden scores: other processors sum in another order, which moves a score by some 1e-5, in fewer bits by some 1e-2.
TOLERANCE = {"f32": 1e-3, "bf16": 0.1, "int8": 0.1}
NONSENSE = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    RecursionError,
    StopIteration,
    TypeError,
    ValueError,
    BadZipFile,
    zlib.error,
)
LARGEST = 1 << 31  # bytes of one file; the largest backbone has 0.35e9


class BundleError(ValueError):
    """A bundle that is not to be trusted or not to be read; the message says which file and why."""


@dataclass(frozen=True)
class Bundle:
    """A model that is compiled and has reproduced its golden scores.

    Attributes:
        common: (labels,) the tags that a chip gets when it cannot be used.
        golden_distance: the largest difference between a golden chip's score here and at training time.
    """

    folder: Path
    space: LabelSpace
    spec: ChipSpec
    members: tuple[CompiledMember, ...]
    second: SecondLevel
    decision: Decision
    common: NDArray[np.bool_]
    manifest: dict[str, Any]
    engine: Engine
    golden_distance: float

    @property
    def networks(self) -> list[Network]:
        """The members' networks, in the order of `scores`' argument."""
        return [member.network for member in self.members]

    def scores(self, values: Sequence[Values]) -> Scores:
        """What the second level makes of the members' scores, each averaged over its views."""
        kind = self.manifest.get("view_mean", "mean")
        pairs = zip(self.members, values, strict=True)
        return self.second.scores([_member_scores(member, value, kind) for member, value in pairs])

    def decide(self, scores: Scores) -> NDArray[np.bool_]:
        """Tags (chips, labels) by the bundle's decision."""
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


def _member_scores(member: CompiledMember, values: Values, kind: str) -> Scores:
    scores = list(values) if member.head is None else [member.head.scores(view) for view in values]
    return blend.equal(scores, kind).scores(scores)


def load(folder: Path, *, jobs: int = 1, precision: str = "f32", device: str = "cpu") -> Bundle:
    """Read and compile a bundle, then let it score its golden chips.

    Args:
        folder: the bundle.
        jobs: threads.
        precision: of `engine.choose`.
        device: of `engine.choose`.

    Raises:
        BundleError: for a file that is missing, changed or of another format, or scores that are not reproduced.
        ValueError: for a precision that the bundle was not measured in, or that this processor lacks.
    """
    manifest = read_manifest(folder)
    chosen = engine.choose(manifest, device=device, precision=precision)
    read = partial(_bytes, folder, manifest)
    try:
        space = labels.from_json(manifest["labels"])
        spec = ChipSpec(tuple(manifest["chips"]["bands"]), manifest["chips"]["dtype"], manifest["chips"]["side"])
        members = tuple(
            engine.gpu_member(read, folder, manifest, name, chosen.precision)
            if chosen.device == "gpu"
            else engine.cpu_member(read, set(manifest["files"]), name, chosen.precision, jobs=jobs)
            for name in manifest["members"]
        )
        _check_networks(spec, members)
        made, common = _load_decision(_bytes(folder, manifest, "decision.json"), space)
        if manifest.get("view_mean", "mean") not in blend.KINDS[:2]:
            raise ValueError(f"views are averaged by {manifest['view_mean']}")
        second = _load_second(folder, manifest)
        loaded = Bundle(folder, space, spec, members, second, made, common, manifest, chosen, np.inf)
        loaded = replace(loaded, golden_distance=_golden_distance(loaded, _bytes(folder, manifest, "golden.npz")))
        _check_golden(loaded)
    except BundleError:
        raise
    except NONSENSE as error:
        raise BundleError(f"{folder}: its contents do not fit together ({error}); train or fetch it anew.") from error
    return loaded


def verify(folder: Path, *, jobs: int = 1) -> Verified:
    """Check every file's hash, then load the bundle in every precision that this processor supports.

    Raises:
        BundleError: a file is damaged, missing or unknown to the manifest, or golden scores are not reproduced.
    """
    files = check_files(folder)
    names = engine.precision_reports(read_manifest(folder))
    supported = [name for name in names if openvino_runtime.supports(engine.HINTS[name])]
    return Verified(files, {name: load(folder, jobs=jobs, precision=name) for name in supported})


def check_files(folder: Path) -> int:
    """Check the size and hash of every file, without loading any; return how many files there are.

    Raises:
        BundleError: a file is damaged, missing or unknown to the manifest.
    """
    manifest = read_manifest(folder)
    for name in sorted(manifest["files"]):
        _bytes(folder, manifest, name)
    paths = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    names = {path.relative_to(folder).as_posix() for path in paths}
    unknown = sorted(names - {*manifest["files"], "manifest.json"})
    if unknown:
        raise BundleError(
            f"{folder} holds {len(unknown)} files that its manifest does not name (first: {unknown[0]}); remove them."
        )
    return len(manifest["files"])


def read_card(folder: Path) -> str:
    """The text of `card.md`."""
    return _bytes(folder, read_manifest(folder), "card.md").decode(errors="replace")


def read_file(folder: Path, name: str) -> bytes | None:
    """The checked bytes of a file that a bundle may hold."""
    manifest = read_manifest(folder)
    return _bytes(folder, manifest, name) if name in manifest["files"] else None


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, whose format number is looked at first."""
    path = folder / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        number, writer = manifest["format"], manifest["version"]
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise BundleError(f"{folder} has no manifest.json; name a bundle made by amazon_tags train.") from error
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise BundleError(f"{path} is damaged ({error}); train or fetch the bundle anew.") from error
    if number not in READ:
        raise BundleError(
            f"{folder} has bundle format {number}, but this is amazon_tags {version('amazon-tags')}, which reads "
            f"formats {READ[0]} to {FORMAT}; install amazon_tags {writer}, which wrote it."
        )
    if manifest.get("sha256") != _digest(manifest):
        raise BundleError(f"{path} was changed: it does not fit its own hash; train or fetch the bundle anew.")
    if not isinstance(manifest.get("files"), dict) or not isinstance(manifest.get("members"), list):
        raise BundleError(f"{path} names no files or no members; train or fetch the bundle anew.")
    for name in manifest["members"]:
        if not re.fullmatch(r"\d\d-[a-z0-9_]+", str(name)):  # it becomes a path
            raise BundleError(f"{path} names a member {name!r}; members are named like 00-small.")
    return manifest


def write_decision(folder: Path, space: LabelSpace, made: Decision, common: NDArray[np.bool_]) -> None:
    """`decision.json` of a bundle in the making."""
    values = {**decision_file.to_json(space, made), "common": labels.decode(space, common)}
    atomic.write_json(folder / "decision.json", values)


def write_second(folder: Path, made: SecondLevel) -> None:
    """`second.npz` or `second.json` of a bundle in the making."""
    name, content = pack_second_level(made)
    atomic.write_bytes(folder / name, content)


def seal(folder: Path, space: LabelSpace, spec: ChipSpec, golden: ChipBatch, story: dict[str, Any]) -> None:
    """Finish a folder that holds members, second level, decision and card: score the golden chips, write the manifest.

    `story` is whatever else the manifest shall tell, `view_mean` among it.
    """
    names = sorted(path.name for path in (folder / "members").iterdir())
    manifest = {
        "format": FORMAT,
        "version": version("amazon-tags"),
        "labels": labels.to_json(space),
        "chips": asdict(spec),
        "members": names,
        **story,
        "files": _held(folder),
    }
    scores: dict[str, Any] = {}
    for precision in engine.precision_reports(manifest):
        read, held = partial(_bytes, folder, manifest), set(manifest["files"])
        members = [engine.cpu_member(read, held, name, precision) for name in names]
        first = [_member_scores(member, member.network(golden)[np.newaxis], "mean") for member in members]
        scores["scores" if precision == "f32" else precision] = _load_second(folder, manifest).scores(first)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, chips=golden, **scores)
    atomic.write_bytes(folder / "golden.npz", buffer.getvalue())
    manifest["files"] = _held(folder)
    atomic.write_json(folder / "manifest.json", {**manifest, "sha256": _digest(manifest)})


def _digest(manifest: dict[str, Any]) -> str:
    """SHA-256 of a manifest's values, but for the digest itself."""
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return sha256_bytes(json.dumps(rest, sort_keys=True).encode())


def _held(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _load_second(folder: Path, manifest: dict[str, Any]) -> SecondLevel:
    count = len(manifest["members"])
    if manifest["format"] == 1:
        return Blend("mean", np.full((count, len(manifest["labels"]["labels"])), 1 / count), np.zeros((0, 0, 0)))
    name = next(name for name in SECOND_LEVEL_FILES if name in manifest["files"])
    return parse_second_level(name, _bytes(folder, manifest, name), count)


def _load_decision(content: bytes, space: LabelSpace) -> tuple[Decision, NDArray[np.bool_]]:
    values = json.loads(content)
    named, made = decision_file.from_json(values)
    if named != space:
        raise ValueError("the decision is for other labels")
    return made, labels.encode(space, values["common"])


def _check_networks(spec: ChipSpec, members: Sequence[CompiledMember]) -> None:
    expected = (spec.side, spec.side, len(spec.bands)), np.dtype(spec.dtype)
    for member in members:
        if (member.network.chip_shape, member.network.dtype) != expected:
            raise ValueError(f"{member.name} eats {member.network.dtype} {member.network.chip_shape}, not {spec}")


def _check_golden(bundle: Bundle) -> None:
    allowed = TOLERANCE[bundle.engine.precision]
    if not bundle.golden_distance <= allowed:
        raise BundleError(
            f"the model scores its golden chips {bundle.golden_distance:.2g} away from what it did when it was trained "
            f"(allowed {allowed}); this machine or its OpenVINO computes wrong, or the bundle was put together wrong."
        )


def _golden_distance(bundle: Bundle, content: bytes) -> float:
    precision = bundle.engine.precision
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        pixels, expected = archive["chips"], archive[precision if precision in archive else "scores"]
    scores = bundle.scores([network(pixels)[np.newaxis] for network in bundle.networks])
    if scores.shape != expected.shape:
        raise ValueError(f"golden scores are {expected.shape}, but the members give {scores.shape}")
    return float(np.abs(scores - expected).max())


def _bytes(folder: Path, manifest: dict[str, Any], name: str) -> bytes:
    """A file's bytes, once their size and hash are those of the manifest."""
    path = folder / name
    try:
        size, digest = int(manifest["files"][name]["size"]), manifest["files"][name]["sha256"]
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{folder}: its manifest does not name {name}; train or fetch it anew.") from error
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise BundleError(f"{folder}: its manifest names {name}, which lies outside the bundle.")
    if not path.is_file():
        raise BundleError(f"{path} is missing; train or fetch the bundle anew.")
    found = path.stat().st_size
    if found != size or found > LARGEST:
        raise BundleError(f"{path} has {found:,} bytes, but the manifest says {size:,}; train or fetch it anew.")
    content = path.read_bytes()
    if sha256_bytes(content) != digest:
        raise BundleError(f"{path} was changed: its hash is not the manifest's; train or fetch the bundle anew.")
    return content
