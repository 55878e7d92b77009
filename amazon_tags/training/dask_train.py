"""`train --engine dask`: the units of members, one for each fold and one on all chips, as tasks of a Dask cluster.

Workers leave their units in the work folder of the run, where `train_on` finds them as those of a run that was killed:
the bundle is the same. A worker reads chips and labels by their paths; neither is sent. All else, such as the second
level, the decision and the int8 networks, is computed by the process of the command.
"""

import hashlib
import platform
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path

import distributed
import keras

from amazon_tags import progress
from amazon_tags.cluster import AGAIN, Cluster, Task, connect, run_tasks
from amazon_tags.datasets.usable_chips import usable_rows
from amazon_tags.model.manifest import Manifest
from amazon_tags.model.recipe import Recipe
from amazon_tags.training.child import call_in_child
from amazon_tags.training.examples import Examples
from amazon_tags.training.members import (
    ALL_CHIPS,
    LESSON,
    NETWORK,
    VECTORS,
    Member,
    PlannedMember,
    fit_unit,
    frozen_network,
    frozen_vectors,
    lesson_vectors,
    score_unit,
    scores_file,
    unit_folder,
)
from amazon_tags.training.preparation import TrainOptions, chip_spec
from amazon_tags.training.train import make_examples, train_on
from amazon_tags.training.training_data import TrainingData, TrainingSource, read_training_data
from ensemble.networks.settings import FrozenMember

NOWHERE = Path("/dev/null")  # for a worker's list of the chips that cannot be used; the command has written it
_one_at_a_time = threading.Lock()  # a worker may have several threads, but the memory for one training


@dataclass(frozen=True)
class _Facts:
    """What must be the same on all machines, or units of different runs would be mixed."""

    version: str
    backend: str
    data: str
    folds: str


@dataclass(frozen=True)
class _Request:
    """What a worker needs to make the examples of a run: paths and options."""

    source: TrainingSource
    recipe: Recipe
    views: int
    is_tolerant: bool
    facts: _Facts


def train_on_cluster(
    source: TrainingSource,
    data: TrainingData,
    output: Path,
    cluster: Cluster,
    *,
    recipe: Recipe,
    options: TrainOptions,
) -> Manifest:
    """Train as `train_on` does, with the units of the members fitted by the workers of a Dask cluster.

    Every machine must see chips, labels, weight files and the output's folder by the same paths, and have this version
    of the package with the extras `train` and `dask`.

    Args:
        source: where `data` is from.
        data: as of `train_on`, like `output` and `recipe`.
        output: the bundle's folder.
        cluster: where to run.
        recipe: the recipe.
        options: as of `train_on`.

    Raises:
        ConnectionError: the scheduler cannot be reached, or is lost.
        RuntimeError: a unit was tried in vain by many workers.
        ValueError: the scheduler is on another machine and has no TLS; otherwise as of `train_on`.
    """
    examples = make_examples(data, recipe, options)
    request = _Request(
        _absolute(source), recipe, options.views, options.unusable is not None, _facts(data.fingerprint, examples)
    )
    with connect(cluster) as client:
        fit_ahead = partial(_fit_units, client, request, examples)
        return train_on(data, output.absolute(), recipe=recipe, options=options, fit_ahead=fit_ahead)


def _absolute(source: TrainingSource) -> TrainingSource:
    return replace(
        source,
        chips=source.chips.absolute(),
        table=source.table.absolute(),
        space=str(Path(source.space).absolute()) if source.space.endswith(".toml") else source.space,
        unlabelled=tuple(path.absolute() for path in source.unlabelled),
        groups=source.groups and source.groups.absolute(),
    )


def _facts(data: str, examples: Examples) -> _Facts:
    folds = hashlib.sha256(examples.fold.tobytes()).hexdigest()
    return _Facts(version("amazon-tags"), keras.backend.backend(), data, folds)


def _fit_units(
    client: distributed.Client,
    request: _Request,
    examples: Examples,
    members: Sequence[Member],
    numbers: Sequence[int],
) -> None:
    """Let the workers fit the units of these numbers that are missing."""
    missing = [(member, number) for number in numbers for member in _missing(members, number)]
    for member, _ in missing:
        if isinstance(member.settings, FrozenMember) and not (member.folder / NETWORK).exists():
            # by this machine, where a backbone of the user's own is known to be
            call_in_child(frozen_network, member.settings, examples, member.folder)
    tasks = _tasks(request, missing)
    with progress.bar("fitting", len(tasks)) as advance:
        for done, (name, messages) in enumerate(run_tasks(client, tasks), start=1):
            for message in messages:
                progress.say(message)
            progress.say(f"{name}: done by a worker, {done} of {len(tasks)}")
            advance(1)
    unseen = [(member, number) for member, number in missing if not _is_finished(member, number)]
    if unseen:
        raise RuntimeError(
            f"{unit_folder(*unseen[0])} is not here, although a worker has written it; let all machines see the "
            f"output's folder by the same path, and {AGAIN}"
        )


def _missing(members: Iterable[Member], number: int) -> list[PlannedMember]:
    """Return the members of which a unit is missing, each after its teachers, of which it may be missing, too."""
    plans: dict[Path, PlannedMember] = {}
    for member in members:
        if not _is_finished(member, number):
            for plan in [*_missing(member.teachers, number), _plan(member)]:
                plans.setdefault(plan.folder, plan)
    return list(plans.values())


def _is_finished(member: Member, number: int) -> bool:
    """Return whether a unit is there; a listing of the folder is newer than what a network folder says of a name."""
    unit = unit_folder(member, number)
    names = {path.name for path in member.folder.iterdir()}
    return unit.name in names and (number == ALL_CHIPS or scores_file(unit).name in names)


def _plan(member: Member) -> PlannedMember:
    """Return a member without its scores, which no worker needs."""
    weights = Path(member.settings.weights)
    settings = replace(member.settings, weights=str(weights.absolute())) if weights.is_file() else member.settings
    return PlannedMember(settings, member.folder, tuple(map(_plan, member.teachers)))


def _tasks(request: _Request, missing: Sequence[tuple[PlannedMember, int]]) -> list[Task]:
    """Return the tasks of units, each after those that it needs: vectors of its member, and units of teachers."""
    tasks: dict[str, Task] = {}
    teachers = {teacher.folder for member, _ in missing for teacher in member.teachers}
    for member, number in missing:
        after = [f"{member.settings.name} vectors"]
        if isinstance(member.settings, FrozenMember):
            vectors = Task(after[0], make_vectors, (request, member.settings, member.folder))
            _add(tasks, vectors, (member.folder / VECTORS).exists())
            if member.folder in teachers:
                lesson = Task(f"{member.settings.name} lesson", make_lesson, (request, member))
                _add(tasks, lesson, (member.folder / LESSON).exists())
        for teacher in member.teachers:
            after += [f"{teacher.settings.name} lesson", _title(teacher, number)]
        needed = tuple(name for name in after if name in tasks)
        _add(tasks, Task(_title(member, number), make_unit, (request, member, number), needed))
    return list(tasks.values())


def _title(member: Member, number: int) -> str:
    return f"{member.settings.name} {unit_folder(member, number).name}"


def _add(tasks: dict[str, Task], task: Task, is_done: bool = False) -> None:
    if not is_done:
        tasks.setdefault(task.name, task)


def make_vectors(request: _Request, settings: FrozenMember, folder: Path) -> list[str]:
    """Write the vectors of a frozen member, on a worker, and return the messages."""
    with _one_at_a_time:
        return _run(partial(frozen_vectors, settings, _open_request(request), folder))


def make_lesson(request: _Request, member: PlannedMember) -> list[str]:
    """Write what the network of a frozen teacher gives for all chips, on a worker, and return the messages."""
    with _one_at_a_time:
        return _run(partial(lesson_vectors, member, _open_request(request)))


def make_unit(request: _Request, member: PlannedMember, number: int) -> list[str]:
    """Fit a unit and score its fold, on a worker, and return the messages."""
    make = fit_unit if number == ALL_CHIPS else score_unit
    with _one_at_a_time:
        piece = partial(make, member.settings, _open_request(request), member.folder, number, member.teachers)
        return _run(piece) if isinstance(member.settings, FrozenMember) else call_in_child(_run, piece)


def _run(piece: Callable[[], object]) -> list[str]:
    """Do a piece of work and return its messages.

    Another worker, which the scheduler believed dead, may finish the same piece meanwhile: its files are used then.
    """
    with redirect_stdout(sys.stderr), progress.collected() as messages:
        try:
            piece()
        except FileExistsError:
            piece()
    return messages


@lru_cache(maxsize=1)
def _open_request(request: _Request) -> Examples:
    """Return the chips and labels as this machine sees them, and refuse them if they are not those of the run."""
    spec = chip_spec(request.recipe)
    find_usable = partial(usable_rows, spec=spec, listed=NOWHERE if request.is_tolerant else None)
    data = read_training_data(request.source, 1, find_usable=find_usable)
    examples = make_examples(data, request.recipe, TrainOptions(views=request.views, jobs=1))
    own = asdict(_facts(data.fingerprint, examples))
    for name, value in asdict(request.facts).items():
        if own[name] != value:
            raise ValueError(
                f"{platform.node()}, the machine of a worker, has {name} {own[name]}, but the run has {value}; let "
                "all machines have one version, one KERAS_BACKEND, and see the same chips and labels."
            )
    return examples
