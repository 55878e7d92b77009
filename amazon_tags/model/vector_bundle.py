"""A bundle that scores vectors in place of chips: one of heads alone, or one whose networks are one frozen backbone.

Nothing is scored unless the vectors are those that the bundle needs.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from amazon_tags import progress
from amazon_tags.model import bundle, engine
from amazon_tags.model.bundle import Bundle
from amazon_tags.model.manifest import Manifest
from amazon_tags.model.recipe import MemberSettings
from amazon_tags.model.vector_origin import VectorInput, VectorOrigin, difference, unnamed_remark
from ensemble.networks.settings import FrozenMember
from features.networks.foreign_settings import is_foreign


def load_for_vectors(folder: Path, vectors: VectorInput, path: Path) -> Bundle:
    """Return a bundle whose `scores` take the vectors (1, chips, width) of each member.

    As by `bundle.load`, golden scores are reproduced first.

    Args:
        folder: the bundle.
        vectors: what their file states of them.
        path: the file, for messages.

    Raises:
        BundleError: the bundle is damaged, or of another format.
        ValueError: the bundle needs chips, or other vectors.
    """
    manifest = bundle.read_manifest(folder)
    bundle.refuse_other_dates(folder, manifest)
    needed = manifest.vectors or VectorInput(vectors.width, _origin_of_members(folder, manifest))
    if not manifest.vectors and vectors.origin is None:
        raise ValueError(
            f"{path} does not say what computed its vectors, but {folder} takes only those of its own backbone: "
            f"{needed.describe()}; embed the chips by {needed.command()}, or predict on them."
        )
    _refuse_others(folder, needed, vectors, path)
    model = bundle.load(folder)
    if manifest.vectors:
        return model
    read = partial(bundle.read_checked, folder, manifest)
    members = [engine.vector_member(read, manifest.files, name, needed.width) for name in manifest.members]
    return replace(model, members=tuple(members))


def _origin_of_members(folder: Path, manifest: Manifest) -> VectorOrigin:
    """Return the origin of the vectors inside of a bundle with networks; raise ValueError if it needs chips."""
    names = {name.partition("-")[2] for name in manifest.members}
    members = [member for member in manifest.read_recipe().members if member.name in names]
    others = [member.name for member in members if not _is_head_on_whole_chips(member)]
    if others:
        raise ValueError(
            f"{folder} cannot score vectors: {len(others)} of its {len(members)} members are fine-tuned, or see other "
            f"than the chips as they are (first: {others[0]}); predict on the chips."
        )
    if manifest.spec.statistics:
        raise ValueError(
            f"{folder} cannot score vectors: it normalises its {len(manifest.spec.bands)} bands by its training chips, "
            "which embed does not; predict on the chips, or train on the vectors."
        )
    if own := [member.backbone for member in members if is_foreign(member.backbone)]:
        raise ValueError(
            f"{folder} cannot score vectors: it does not say by which settings those of {own[0]} were computed; "
            "predict on the chips, or train on the vectors."
        )
    origins = {
        VectorOrigin(
            backbone=member.backbone,
            layer=member.layer,
            pool=member.pool,
            weights=(
                manifest.pretrained[member.name].sha256
                if member.name in manifest.pretrained
                else manifest.started_from.get(member.backbone, member.weights)
            ),
            spec=manifest.spec,
        )
        for member in members
    }
    if len(origins) > 1:
        kinds = sorted({f"{origin.backbone} {origin.layer} {origin.pool}" for origin in origins})
        raise ValueError(
            f"{folder} cannot score vectors: its members need those of {', '.join(kinds)}; predict on the chips."
        )
    (origin,) = origins
    if origin.weights == "none":
        raise ValueError(f"{folder} cannot score vectors: its backbone has random weights; predict on the chips.")
    return origin


def _is_head_on_whole_chips(member: MemberSettings) -> bool:
    return isinstance(member, FrozenMember) and member.sees == "bands" and member.shrink == 1


def _refuse_others(folder: Path, needed: VectorInput, found: VectorInput, path: Path) -> None:
    """Raise ValueError for vectors that are not those that a bundle needs; report what cannot be compared."""
    if needed.origin and found.origin:
        problem = difference(needed.origin, found.origin)
    else:
        problem = ""
        where = path if found.origin is None else folder
        progress.say(unnamed_remark(where, needed.width))
    if not problem and needed.width != found.width:
        problem = f"width {found.width} instead of {needed.width}"
    if problem:
        command = needed.command()
        advice = f"embed the chips by {command}" if command else "compute the vectors as those of the training"
        raise ValueError(
            f"{path} has vectors with {problem}, but {folder} takes those of {needed.describe()}; {advice}."
        )
