"""Start fine-tuned members from the trained backbones of another bundle; importing this loads no network library."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from amazon_tags.model import bundle, training_record
from amazon_tags.model.manifest import Manifest, StartBundle
from amazon_tags.model.recipe import MemberSettings, Recipe
from amazon_tags.training.pretrained_members import WEIGHT_NAMES
from ensemble.networks.settings import TunedMember
from features.images.spec import ChipSpec

RARE_KEYS = ("components", "pairs")  # with defaults that most members have
SHARED_KEYS = ("backbone", "layer", "sees", "pool", *RARE_KEYS)  # that a member shares with the one that it starts from
WEIGHTS = "network.weights.h5"


@dataclass(frozen=True)
class BundleStart:
    """A bundle to start from.

    Attributes:
        folder: of the bundle.
        manifest: of the bundle.
        members: the folder in the bundle, such as 00-small, that each member of the recipe starts from, by its name.
    """

    folder: Path
    manifest: Manifest
    members: Mapping[str, str]

    def recipe(self, recipe: Recipe) -> Recipe:
        """Return the recipe whose members have the paths of their weights in the bundle."""
        members = [
            replace(settings, weights=str(self._weights(settings.name))) if settings.name in self.members else settings
            for settings in recipe.members
        ]
        return replace(recipe, members=tuple(members))

    def origins(self) -> dict[str, str]:
        """Return the SHA-256 of each weight file, by its path."""
        files = self.manifest.files
        return {
            str(self._weights(name)): files[f"members/{source}/{WEIGHTS}"].sha256
            for name, source in self.members.items()
        }

    def record(self) -> StartBundle:
        """Return what the manifest of the new bundle says."""
        names = {name: source.partition("-")[2] for name, source in self.members.items()}
        return StartBundle(self.manifest.sha256, names, self.manifest.data.note if self.manifest.data else "")

    def refuse_trained_chips(self, hashes: Sequence[str]) -> None:
        """Refuse chips, by the SHA-256 of their files, that the bundle was trained on.

        Raises:
            BundleError: the bundle's record of its chips is damaged.
            ValueError: it was trained on one of them, or has no record.
        """
        trained = set(training_record.read_required(self.folder).hashes)
        shared = [place for place, digest in enumerate(hashes) if digest in trained]
        if shared:
            raise ValueError(
                f"{self.folder} was trained on {len(shared)} of {len(hashes)} chips, so that no score of these would "
                "be out of fold; start from a bundle of other chips, or leave these out."
            )

    def _weights(self, name: str) -> Path:
        return self.folder / "members" / self.members[name] / WEIGHTS


def read_start(folder: Path, recipe: Recipe, spec: ChipSpec, weights: Mapping[str, Path]) -> BundleStart:
    """Find, for the members of a recipe, the members of a bundle that they can start from, and check their files.

    Args:
        folder: the bundle.
        recipe: its fine-tuned members with `init` imagenet start from the bundle's member with the same `SHARED_KEYS`.
        spec: the chips that the recipe's networks take.
        weights: weight files by the name of a backbone.

    Raises:
        BundleError: the bundle is damaged.
        ValueError: it takes other chips or vectors, no member fits or several do, or a weight file has no use.
    """
    manifest = bundle.read_manifest(folder)
    _refuse_other_chips(folder, manifest, spec)
    stored = {settings.name: settings for settings in manifest.read_recipe().members}
    trained = {name: stored.get(name.partition("-")[2]) for name in manifest.members}
    sources = {name: settings for name, settings in trained.items() if isinstance(settings, TunedMember)}

    members = {}
    for settings in recipe.members:
        fitting = [name for name, source in sources.items() if _can_start(settings, source)]
        if len(fitting) > 1:
            raise ValueError(
                f"{folder} has {len(fitting)} members that {settings.name} could start from ({', '.join(fitting)}); "
                "name a bundle with one member of this backbone."
            )
        if fitting:
            members[settings.name] = fitting[0]
    if not members:
        raise ValueError(
            f"{folder} has no fine-tuned member that a member of the recipe can start from: it has "
            f"{_list(sources.values())}, the recipe has {_list(recipe.members)}; one must be tuned with init imagenet, "
            f"and have the same {', '.join(SHARED_KEYS)}."
        )
    for name in members.values():
        bundle.read_checked(folder, manifest, f"members/{name}/{WEIGHTS}")
    _refuse_unused_weights(folder, recipe, members, weights)
    return BundleStart(folder, manifest, members)


def _can_start(settings: MemberSettings, source: TunedMember) -> bool:
    is_open = isinstance(settings, TunedMember) and settings.init == "imagenet" and settings.weights in WEIGHT_NAMES
    return is_open and all(getattr(settings, key) == getattr(source, key) for key in SHARED_KEYS)


def _refuse_other_chips(folder: Path, manifest: Manifest, spec: ChipSpec) -> None:
    if manifest.vectors:
        raise ValueError(
            f"{folder} has heads on vectors and no backbone to start from; name a bundle with fine-tuned members."
        )
    taken, needed = _chips(manifest.spec), _chips(spec)
    if taken != needed:
        raise ValueError(
            f"{folder} was trained on {taken}, but the recipe takes {needed}; name a bundle of the same "
            "bands, levels and dates."
        )


def _chips(spec: ChipSpec) -> str:
    levels = f", levels {spec.layout.levels}" if spec.dtype != "uint8" else ""
    pairs = "pairs of " if spec.dates > 1 else ""
    return f"{pairs}{spec.dtype} chips of {', '.join(spec.bands)}{levels}"


def _refuse_unused_weights(
    folder: Path, recipe: Recipe, members: Mapping[str, str], weights: Mapping[str, Path]
) -> None:
    reading = {settings.backbone for settings in recipe.members if settings.name not in members}
    unused = [
        name for name in weights if name not in reading and name in [settings.backbone for settings in recipe.members]
    ]
    if unused:
        raise ValueError(
            f"a weight file was given for {unused[0]}, but every member with this backbone starts from {folder}; "
            "give no file."
        )


def _list(members: Iterable[MemberSettings]) -> str:
    """Return members with what must be equal, for a message."""
    named = []
    for settings in members:
        keys = [key for key in SHARED_KEYS if hasattr(settings, key)]
        values = [getattr(settings, key) for key in keys if key not in RARE_KEYS or not _has_default(settings, key)]
        kind = "tuned" if isinstance(settings, TunedMember) else "frozen"
        named.append(f"{settings.name} ({kind}: {', '.join(map(str, values))})")
    return ", ".join(named) or "none"


def _has_default(settings: MemberSettings, key: str) -> bool:
    return bool(getattr(settings, key) == getattr(TunedMember, key))
