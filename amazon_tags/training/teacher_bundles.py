"""Teachers that are bundles: what they say of all chips, as targets of members that learn from them.

Unlike teachers within the recipe, a bundle may have been trained on chips that a fold holds out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.model import bundle, training_record
from amazon_tags.model.manifest import Manifest, TeacherBundle
from amazon_tags.model.recipe import Recipe, is_bundle
from amazon_tags.prediction.predict import score_chips
from amazon_tags.training.training_data import TrainingData
from ensemble.arrays import Scores
from ensemble.networks.settings import TunedMember
from features.images.layout import Layout

STORED_PREFIX = "bundle:"  # of a teacher's name in a bundle, before the first digits of its manifest's digest
LESSON_VIEWS = 4  # dihedral views of a chip that teachers score: the quarter turns


@dataclass(frozen=True)
class Teacher:
    """A bundle that members learn from, and what the manifest of the new bundle says of it."""

    folder: Path
    manifest: Manifest
    record: TeacherBundle

    @property
    def stored_name(self) -> str:
        """Its name in a bundle's recipe, without folders."""
        return f"{STORED_PREFIX}{self.manifest.name}"


def add_teachers(recipe: Recipe, folders: tuple[Path, ...]) -> Recipe:
    """Return the recipe whose fine-tuned members also learn from bundles.

    Raises:
        ValueError: it has no fine-tuned member.
    """
    if folders and not any(isinstance(settings, TunedMember) for settings in recipe.members):
        raise ValueError(
            f"--teacher {folders[0]} has no student: the recipe has frozen members alone, whose heads learn from "
            "labels; name a recipe with a tuned member."
        )
    names = tuple(str(folder.absolute()) for folder in folders)
    members = (
        replace(settings, teachers=(*settings.teachers, *names)) if isinstance(settings, TunedMember) else settings
        for settings in recipe.members
    )
    return replace(recipe, members=tuple(members))


def read_teachers(recipe: Recipe, data: TrainingData) -> dict[str, Teacher]:
    """Return the bundles that members of a recipe learn from, by their text in the recipe.

    Raises:
        BundleError: a bundle is damaged.
        ValueError: one is not there, takes vectors, or single chips in place of pairs or the reverse, or does not know
            a label of the data.
    """
    names = [name for settings in recipe.members if isinstance(settings, TunedMember) for name in settings.teachers]
    paired = recipe.dates > 1
    return {name: _read_teacher(name, data, paired=paired) for name in dict.fromkeys(names) if is_bundle(name)}


def _read_teacher(name: str, data: TrainingData, *, paired: bool) -> Teacher:
    folder = Path(name)
    if not folder.is_dir():
        raise ValueError(
            f"the teacher {name} is neither an earlier member of the recipe nor the folder of a bundle; name one."
        )
    manifest = bundle.read_manifest(folder)
    bundle.refuse_vector_model(folder, manifest)
    bundle.refuse_other_dates(folder, manifest, paired=paired)
    missing = [label for label in data.space.names if label not in manifest.space.names]
    if missing:
        raise ValueError(
            f"the teacher {name} does not know {len(missing)} of {len(data.space.names)} labels (first: "
            f"{missing[0]!r}); name a bundle that was trained with these labels."
        )
    record = training_record.read(folder)
    shared = None if record is None else len(set(record.hashes) & set(data.hashes))
    note = manifest.data.note if manifest.data else ""
    return Teacher(folder, manifest, TeacherBundle(manifest.sha256, shared, note))


def stored_teachers(recipe: Recipe, teachers: Mapping[str, Teacher]) -> Recipe:
    """Return the recipe as a bundle stores it: teachers by their digests, without folders."""
    members = (
        replace(settings, teachers=tuple(_stored_name(name, teachers) for name in settings.teachers))
        if isinstance(settings, TunedMember)
        else settings
        for settings in recipe.members
    )
    return replace(recipe, members=tuple(members))


def _stored_name(name: str, teachers: Mapping[str, Teacher]) -> str:
    return teachers[name].stored_name if name in teachers else name


def report_teachers(teachers: Mapping[str, Teacher], chips: int) -> None:
    """Report how many of the labelled chips each teacher was trained on."""
    for teacher in teachers.values():
        progress.say(f"{teacher.folder} {shared_text(teacher.record.shared, chips)}")


def shared_text(shared: int | None, chips: int) -> str:
    """Return what a teacher knows of the labelled chips, and what that means for their scores, to follow its name."""
    if shared == 0:
        return f"was trained on none of these {chips} labelled chips, so that held-out scores stay fair"
    known = "perhaps on all" if shared is None else f"on {shared}"
    return (
        f"was trained {known} of these {chips} labelled chips: what it learnt of a held-out chip reaches the students "
        "through their targets, so that held-out scores may be too high"
    )


def teach(teacher: Teacher, data: TrainingData, layout: Layout, *, jobs: int) -> Scores:
    """Return a teacher's scores of the labelled and then of the unlabelled chips, means over the quarter turns.

    Raises:
        BundleError: the bundle is damaged.
        ChipError: it cannot use a chip.
    """
    model = bundle.load(teacher.folder, jobs=jobs).reading(layout, paired=teacher.manifest.spec.dates > 1)
    chips = [*data.paths, *data.unlabelled]
    with progress.bar(teacher.folder.name, len(chips)) as advance:
        parts = []
        for part in score_chips(chips, model, views=LESSON_VIEWS, jobs=jobs):
            parts.append(part.scores)
            advance(len(part.ids))
    columns = [model.space.names.index(label) for label in data.space.names]
    return np.concatenate(parts)[:, columns]
