"""What `amazon_tags pretrain` shall train, checked before a network library is loaded."""

from dataclasses import dataclass, replace
from pathlib import Path

from amazon_tags.files.hashes import sha256
from amazon_tags.model.backbone_folder import is_backbone_folder, read_backbone_folder
from amazon_tags.tables.suggest import did_you_mean
from features.images.layout import AS_STATED, Layout
from features.images.sensor_colours import BANDS
from features.images.spec import ChipSpec, bands_to_take
from features.images.stored import RGB
from features.networks import weight_files
from features.networks.backbone_shapes import BACKBONE_SHAPES
from features.pretraining.settings import PretrainSettings, refuse_settings


@dataclass(frozen=True)
class PretrainRequest:
    """What the user wants.

    Attributes:
        settings: the method and its settings.
        start: `imagenet`, `random`, a weight file, or a folder that `pretrain` wrote.
        side: of the network's input, in pixels.
        infrared: whether the network takes the four bands of a 16-bit sensor instead of red, green and blue.
        layout: how bands and levels of the files are read; more than four bands are what the network takes.
        groups: the table of neighbours, which only SimCLR uses.
        jobs: threads.
        note: on the origin of the chips and their terms.
    """

    settings: PretrainSettings
    start: str = "random"
    side: int = 128
    infrared: bool = False
    layout: Layout = AS_STATED
    groups: Path | None = None
    jobs: int = 2
    note: str = ""


@dataclass(frozen=True)
class PretrainPlan:
    """A checked request.

    Attributes:
        settings: the method and its settings.
        spec: the chips that the network takes.
        start: `imagenet`, `random`, or the SHA-256 of a weight file.
        weights: what `backbones.build` loads: `imagenet`, `none` or a file.
        jobs: threads.
        note: on the origin of the chips and their terms.
    """

    settings: PretrainSettings
    spec: ChipSpec
    start: str
    weights: str
    jobs: int
    note: str


def check_request(request: PretrainRequest) -> PretrainPlan:
    """Refuse what cannot be trained whatever the chips are.

    Raises:
        BackboneError: the start is a damaged folder.
        FileNotFoundError: the start is no file.
        ValueError: the backbone is unknown, or the settings, the start or the groups do not fit it.
    """
    settings = request.settings
    name = settings.backbone
    if name not in BACKBONE_SHAPES:
        near = did_you_mean(name, BACKBONE_SHAPES)
        raise ValueError(f"there is no backbone named {name}{near}; choose one of {', '.join(BACKBONE_SHAPES)}.")
    refuse_settings(settings, request.side)
    if request.groups and settings.method != "simclr":
        raise ValueError(
            f"--groups keeps neighbours out of the negatives, which {settings.method} does not have; leave it out."
        )
    request.note.encode()  # raises for text that the card cannot hold, before the work
    bands, layout = bands_to_take(request.layout)
    if request.infrared and bands != RGB:
        raise ValueError(f"--infrared takes four bands, but --bands names {len(bands)}; leave one of them out.")
    bands = BANDS if request.infrared else bands
    settings = replace(settings, random=request.start == "random")
    start, weights = _read_start(name, request.start)
    spec = ChipSpec(bands, "uint8" if bands == RGB else "uint16", request.side, layout)
    return PretrainPlan(settings, spec, start, weights, request.jobs, request.note)


def _read_start(name: str, start: str) -> tuple[str, str]:
    """Return what the manifest says of a start, and the weights to load."""
    if start == "random":
        return start, "none"
    if start == "imagenet":
        if not BACKBONE_SHAPES[name].download:
            raise ValueError(f"{name} has no ImageNet weights to download; use --start random, or a weight file.")
        return start, start
    if is_backbone_folder(start):
        pretrained = read_backbone_folder(Path(start))
        if pretrained.manifest.backbone != name:
            raise ValueError(f"{start} holds a {pretrained.manifest.backbone}, but the backbone is {name}; name that.")
        return pretrained.sha256, str(pretrained.weights)
    weight_files.refuse_other_files(Path(start))
    return sha256(Path(start)), start
