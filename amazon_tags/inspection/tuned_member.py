"""Check the fine-tuned member that `amazon_tags inspect reuse` measures, and the weights that it started from.

Importing this loads no network library.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from amazon_tags.files.hashes import sha256
from amazon_tags.inspection.layered_model import SIGN, LayeredModel, ModelOptions, read_models, split_bundle
from amazon_tags.model import bundle
from amazon_tags.model.manifest import Manifest
from amazon_tags.training.start_bundle import WEIGHTS
from ensemble.networks.settings import TunedMember
from features.images.layout import Layout
from features.initialisation.start import Start

IN_BUNDLE = 2  # the folder of a bundle, counted upwards from the folder of a member's weight file


@dataclass(frozen=True)
class TunedModel:
    """A fine-tuned member of a bundle.

    Attributes:
        folder: of the bundle.
        manifest: of the bundle.
        settings: of the member.
        trained: its backbone with the trained weights.
        start: the weights that its `init` begins with: `imagenet`, `none` or a file.
    """

    folder: Path
    manifest: Manifest
    settings: TunedMember
    trained: LayeredModel
    start: str


def read_tuned(text: str, weights: Mapping[str, Path], layout: Layout) -> TunedModel:
    """Check a fine-tuned member and its start.

    Args:
        text: the folder of a bundle, perhaps with `@` and one of its members.
        weights: the file that the member started from, by the name of its backbone.
        layout: how bands and levels of the chips' files are read.

    Raises:
        BundleError: a bundle is damaged.
        FileNotFoundError: a weight file is missing.
        ValueError: there is no such member, it was not fine-tuned, or its start is not known.
    """
    found = split_bundle(text)
    if not found:
        raise ValueError(f"{text} is not the folder of a bundle; name one, perhaps as BUNDLE{SIGN}MEMBER.")
    folder, chosen = found
    (trained,) = read_models((text,), ModelOptions({}, layout=layout)) if chosen else (_only_tuned(folder, layout),)
    manifest = bundle.read_manifest(folder)
    name = Path(trained.weights).parent.name.partition("-")[2]
    settings = next(member for member in manifest.read_recipe().members if member.name == name)
    if not isinstance(settings, TunedMember):
        raise ValueError(f"{name} of {folder} is a frozen member, which ends as it started; name a fine-tuned one.")
    if settings.output == "softmax":
        raise ValueError(
            f"{name} of {folder} has a softmax over all labels, whose scale is only in its compiled network; name a "
            "member with another output."
        )
    return TunedModel(folder, manifest, settings, trained, _find_start(folder, manifest, settings, weights))


def _only_tuned(folder: Path, layout: Layout) -> LayeredModel:
    """Return the only fine-tuned member; `read_models` says which members there are if there are several."""
    manifest = bundle.read_manifest(folder)
    stored = [member.partition("-")[2] for member in manifest.members]
    kinds = {member.name: member for member in manifest.read_recipe().members if member.name in stored}
    if kinds and not manifest.vectors and not any(isinstance(member, TunedMember) for member in kinds.values()):
        raise ValueError(
            f"{folder} has no fine-tuned member, only frozen ones ({', '.join(kinds)}), which end as they started; "
            "name a bundle with a fine-tuned one."
        )
    return read_models((str(folder),), ModelOptions({}, layout=layout))[0]


def _find_start(folder: Path, manifest: Manifest, settings: TunedMember, weights: Mapping[str, Path]) -> str:
    """Return what a member's `init` begins with: `imagenet`, `none` or a file."""
    name, backbone = settings.name, settings.backbone
    surplus = [other for other in weights if other != backbone]
    if surplus:
        raise ValueError(
            f"there are weights for {surplus[0]}, but {name} of {folder} has the backbone {backbone}; name that, or "
            "leave the weights out."
        )
    if settings.init == "grad":
        raise ValueError(
            f"{name} of {folder} started from grad, whose weights were scaled on the training chips, which a bundle "
            "does not hold; name a member with another init."
        )
    file = weights.get(backbone)
    if manifest.start and name in manifest.start.members:
        return _start_in_bundle(folder, manifest, settings, file)
    if not Start(settings.init).takes_weights():
        if file:
            raise ValueError(
                f"{name} of {folder} started from {settings.init} weights, not from a file; leave --weights out."
            )
        return settings.weights
    return _recorded_start(folder, manifest, settings, file)


def _recorded_start(folder: Path, manifest: Manifest, settings: TunedMember, file: Path | None) -> str:
    """Return the file that the manifest names by its hash, or if it names none, the given one or the recipe's start."""
    pretrained = manifest.pretrained.get(settings.name)
    recorded = pretrained.sha256 if pretrained else manifest.started_from.get(settings.backbone)
    if recorded and not file:
        raise ValueError(
            f"{settings.name} of {folder} started from a weight file (SHA-256 {recorded[:12]}...); pass --weights "
            f"{settings.backbone}=FILE with that file."
        )
    if recorded and file and (found := sha256(file)) != recorded:
        raise ValueError(
            f"{settings.name} of {folder} started from a weight file with SHA-256 {recorded[:12]}..., but that of "
            f"{file} is {found[:12]}...; pass the file of the training."
        )
    return str(file) if file else settings.weights


def _start_in_bundle(folder: Path, manifest: Manifest, settings: TunedMember, file: Path | None) -> str:
    """Return the weight file in the bundle that a member started from, once its hash is checked."""
    start = manifest.start
    source = start.members[settings.name] if start else ""
    digest = start.sha256[:12] if start else ""
    advice = f"pass --weights {settings.backbone}=BUNDLE/members/NN-{source}/{WEIGHTS} of that bundle"
    if not file:
        raise ValueError(f"{settings.name} of {folder} started from {source} of the bundle {digest}; {advice}.")
    path = file.resolve()
    place = path.parents[IN_BUNDLE] if len(path.parents) > IN_BUNDLE else path.parent
    other = bundle.read_manifest(place) if (place / "manifest.json").is_file() else None
    if other is None or other.name != digest or path.parent.name.partition("-")[2] != source:
        found = f"is of the bundle {other.name}" if other else "is of no bundle"
        raise ValueError(
            f"{settings.name} of {folder} started from {source} of the bundle {digest}, but {file} {found}; {advice}."
        )
    bundle.read_checked(place, other, path.relative_to(place).as_posix())
    return str(file)
