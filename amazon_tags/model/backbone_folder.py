"""A backbone folder: the weights that `amazon_tags pretrain` trained, and what they are.

manifest.json          `BackboneManifest`: the backbone, its chips, method and settings; size and sha256 of other files
network.weights.h5     of the whole backbone, in Keras' format
decoder.npz            the weights of the decoder, by fcmae; earlier versions did not keep it
card.md                the same in words
neighbours.png, reconstruction.png   what the network had learnt at the end

Wherever a backbone is named, the path of the folder stands for the backbone of the table with these weights.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from amazon_tags import records
from amazon_tags.errors import RefusedError
from amazon_tags.files import atomic, folders
from amazon_tags.files.hashes import sha256
from amazon_tags.model.damage import refusing_damage
from amazon_tags.model.file_entry import FileEntry
from amazon_tags.records import Json
from features.images.spec import ChipSpec
from features.networks.backbone_shapes import BACKBONE_SHAPES

FORMAT = 1
KIND = "backbone"
MANIFEST, WEIGHTS, DECODER, CARD = "manifest.json", "network.weights.h5", "decoder.npz", "card.md"
ADVICE = "pretrain it again or get another copy"


class BackboneError(RefusedError):
    """A backbone folder that is damaged or cannot be read; the message says which file and why."""


@dataclass(frozen=True, kw_only=True)
class BackboneManifest:
    """What a backbone folder says of itself.

    Attributes:
        kind: tells it from the manifest of a bundle.
        format: the number of its format.
        version: the version of amazon_tags that wrote it.
        backbone: the name of the architecture.
        spec: the chips that it was trained on.
        method: of pretraining.
        settings: all settings of the method, for the card.
        chips: how many chips it was trained on.
        fingerprint: one SHA-256 of the list of these chips, by name and content.
        start: `imagenet`, `random`, or the SHA-256 of the weight file that it started from.
        note: on the origin of the chips and their terms.
        loss: the mean loss of the last round.
        spread: the mean spread of the vectors of the last round, from 0 (collapsed) to 1.
        files: every other file of the folder.
    """

    kind: str = KIND
    format: int = FORMAT
    version: str = ""
    backbone: str
    spec: ChipSpec
    method: str
    settings: Json = field(default_factory=dict)
    chips: int
    fingerprint: str
    start: str
    note: str = ""
    loss: float
    spread: float
    files: Mapping[str, FileEntry] = field(default_factory=dict)


@dataclass(frozen=True)
class PretrainedBackbone:
    """A backbone folder whose weight file has been checked.

    Attributes:
        folder: its path.
        manifest: what it says of itself.
    """

    folder: Path
    manifest: BackboneManifest

    @property
    def weights(self) -> Path:
        """The weight file."""
        return self.folder / WEIGHTS

    @property
    def sha256(self) -> str:
        """The SHA-256 of the weight file."""
        return self.manifest.files[WEIGHTS].sha256

    @property
    def has_decoder(self) -> bool:
        """Whether the folder was written with a decoder."""
        return DECODER in self.manifest.files

    def checked_decoder(self) -> Path:
        """Return the file of the decoder.

        Raises:
            BackboneError: it is missing or damaged.
        """
        return _checked_file(self.folder, DECODER, self.manifest.files[DECODER])


def is_backbone_folder(backbone: str) -> bool:
    """Return whether the name of a backbone is the path of a folder that `pretrain` wrote, perhaps a damaged one."""
    folder = Path(backbone)
    return backbone not in BACKBONE_SHAPES and folder.is_dir() and not (folder / "members").is_dir()


def holds_backbone(folder: Path) -> bool:
    """Return whether a folder's manifest says that it is a backbone folder."""
    try:
        values = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and values.get("kind") == KIND


def read_backbone_folder(folder: Path) -> PretrainedBackbone:
    """Read the manifest of a backbone folder, and check its weight file.

    Raises:
        BackboneError: a file is missing or damaged, or of another format.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BackboneError(f"{folder} has no {MANIFEST}, so it is no folder that pretrain wrote; {ADVICE}.")
    with refusing_damage(BackboneError, f"{path} is damaged", ADVICE, also=(OSError,)):
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["kind"] != KIND:
            raise BackboneError(f"{folder} is no folder that pretrain wrote; name one of these.")
        if values["format"] != FORMAT:
            raise BackboneError(f"{folder} has format {values['format']}, which this version cannot read; {ADVICE}.")
        manifest = records.from_json(BackboneManifest, values)
        entry = manifest.files[WEIGHTS]
    if manifest.backbone not in BACKBONE_SHAPES:
        raise BackboneError(f"{folder} holds a {manifest.backbone}, which this version does not have; update it.")
    _checked_file(folder, WEIGHTS, entry)
    return PretrainedBackbone(folder, manifest)


def _checked_file(folder: Path, name: str, entry: FileEntry) -> Path:
    """Return the path of a file that is as the manifest says; raise BackboneError for any other."""
    path = folder / name
    if not path.is_file():
        raise BackboneError(f"{folder} has no {name}; {ADVICE}.")
    size = path.stat().st_size
    if size != entry.size:
        raise BackboneError(f"{path} is damaged ({size:,} bytes instead of {entry.size:,}); {ADVICE}.")
    if sha256(path) != entry.sha256:
        raise BackboneError(f"{path} is damaged (its SHA-256 is another than in {MANIFEST}); {ADVICE}.")
    return path


def find_backbone(backbone: str, weights: str = "imagenet") -> PretrainedBackbone | None:
    """Return the folder that the name of a backbone is the path of; None for any other name.

    Raises:
        BackboneError: the folder is damaged.
        ValueError: weights are stated beside it.
    """
    if not is_backbone_folder(backbone):
        return None
    if weights != "imagenet":
        raise ValueError(f"{backbone} holds its weights, so that the weights {weights} have no effect; leave them out.")
    return read_backbone_folder(Path(backbone))


def seal(folder: Path, manifest: BackboneManifest) -> BackboneManifest:
    """Write the manifest of a folder that holds all other files; return what was written."""
    files = {
        path.name: FileEntry(path.stat().st_size, sha256(path))
        for path in sorted(folder.iterdir())
        if path.is_file() and not folders.is_litter(path)
    }
    manifest = replace(manifest, version=version("amazon-tags"), files=files)
    atomic.write_json(folder / MANIFEST, records.to_json(manifest))
    return manifest
