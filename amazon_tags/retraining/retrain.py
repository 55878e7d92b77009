"""What `amazon_tags retrain` does: labelled chips in, a model that is better than the champion in its place, or none.

A run is a folder of the job's `runs`, named by its number. A run that was killed is gone on with by the next one, if
that would do the same; it ends with its row in the ledger.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from amazon_tags import progress
from amazon_tags.files import atomic, folders, locks
from amazon_tags.files.hashes import sha256
from amazon_tags.model import bundle, registry, training_record
from amazon_tags.model.bundle import BundleError
from amazon_tags.model.recipe import recipe_to_json
from amazon_tags.model.registry import RegistryError
from amazon_tags.model.training_record import TrainingRecord
from amazon_tags.prediction.monitor import RunStatistics, append_line, monitor_line
from amazon_tags.prediction.predict import TaggedChips
from amazon_tags.retraining import data_checks, job_data, ledger, model_checks
from amazon_tags.retraining.data_checks import Marks
from amazon_tags.retraining.job import Job, read_job
from amazon_tags.retraining.job_data import JobData
from amazon_tags.retraining.ledger import LedgerEntry
from amazon_tags.retraining.model_checks import Check, ModelAnswers
from amazon_tags.tables import labels
from amazon_tags.training.fingerprints import refuse_changed_chips
from amazon_tags.training.train import TrainOptions, check_recipe, train_on
from ensemble.decisions.decision import expected_f
from ensemble.metrics import score
from features.images import listing

PASSED = "passed.bin"  # marks of the data that last passed its checks
RECORD = "run.json"  # the last file of a run's folder, with its result
MARK = "fingerprint"  # the file of a run's folder that tells what it works on


@dataclass
class _Run:
    """What is known of a run so far; `result` is what it prints."""

    folder: Path
    number: int
    fingerprint: str
    started: str
    checks: list[Check] = field(default_factory=list)
    champion: str | None = None
    candidate: str | None = None
    f2: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the registry's log calls it."""
        return f"run {self.number}"


def retrain(path: Path) -> dict[str, Any]:
    """Do a job once.

    Returns:
        What happened: `outcome` is `promoted`, `rejected` or `no_change`; with `why`, and what was compared.

    Raises:
        BlockingIOError: another run of the job is going on.
        ValueError: the job, its tables or its chips cannot be used.
    """
    asked = read_job(path)
    check_recipe(asked.recipe, asked.weights)
    if asked.settings.tracking and find_spec("mlflow") is None:
        raise ValueError(f"{path}: tracking needs MLflow; run, in the checkout: pip install '.[mlflow]'")
    asked.runs.mkdir(parents=True, exist_ok=True)
    registry.make_registry(asked.registry)
    with locks.hold_lock(asked.runs / "lock"):
        return _once(asked)


def _once(asked: Job) -> dict[str, Any]:
    folders.sweep(asked.runs)
    last = ledger.last(asked.runs)
    if last and last.outcome == "promoted":  # and perhaps killed before it was tidy
        _tidy(asked, asked.runs / f"{last.number:04}")
    taken = job_data.gather(asked)
    mark = _fingerprint(asked, taken)
    current = _current(asked)
    if last and current is None and (last.champion or last.outcome == "promoted"):
        raise RegistryError(
            f"{asked.registry} has no current model, but by the ledger {last.candidate or last.champion} was; mount or "
            f"restore it, or promote one: amazon_tags models promote {asked.registry} NAME|BUNDLE. To begin anew, name "
            "another folder for runs."
        )
    stands = last and (last.outcome == "promoted" or current == last.champion)
    if last and stands and last.fingerprint == mark:
        if current:
            _verify(asked, current)
        why = f"chips, labels and settings are those of run {last.number}, which was {last.outcome}"
        return {"outcome": "no_change", "run": last.number, "why": why, "model": current}
    if last:  # rejected: its candidate was there to be looked at until something new came
        _forget(asked.runs / f"{last.number:04}")
    begun = _begin(asked, mark, last.number + 1 if last else 1)
    with progress.copied_to(begun.folder / "log.txt"):
        progress.say(f"run {begun.number}: {taken.told['chips']} labelled chips, {taken.told['withheld']} withheld")
        atomic.write_json(begun.folder / "data.json", taken.told)
        result = _decide(asked, taken, begun)
        progress.say(f"run {begun.number}: {result['outcome']}{': ' * bool(result['why'])}{result['why']}")
    return result


def _decide(asked: Job, taken: JobData, begun: _Run) -> dict[str, Any]:
    out = begun.folder / "candidate"
    if _left(out):
        begun.candidate = registry.model_name(out)
        for move in registry.pointers(asked.registry).log:
            if (move.after, move.why) == (begun.candidate, begun.name):  # killed after its promotion
                begun.champion = move.before
                return _end(asked, taken, begun, "promoted", "")
    begun.champion = _current(asked)
    champion = None
    begun.checks = data_checks.check_rules(taken)
    if begun.champion:
        folder = asked.registry / begun.champion
        _verify(asked, begun.champion)
        champion, known = (
            model_checks.answer_chips(folder, taken.given, asked.threads),
            training_record.read_required(folder),
        )
        begun.checks += data_checks.check_new_chips(taken, champion, known, _passed(asked), asked.gate)
        _watch(asked, taken, begun, champion, known)
        begun.f2["champion"] = score.f2(taken.given.truth, champion.tags)
    why = model_checks.reasons(begun.checks)
    if why:
        return _end(asked, taken, begun, "rejected", f"the data: {why}")
    atomic.write_bytes(asked.runs / PASSED, data_checks.marks(taken.given).tobytes())
    trained = taken.training()
    if not out.exists():
        options = TrainOptions(asked.weights, asked.settings.views, asked.threads, asked.runs / "bank")
        train_on(trained, out, recipe=asked.recipe, options=options)
    _refuse_changed(asked, taken, out)
    begun.candidate = registry.model_name(out)
    begun.checks += model_checks.check_bundle(out, trained)
    if not model_checks.reasons(begun.checks):
        candidate = model_checks.answer_chips(out, taken.given, asked.threads)
        begun.f2["candidate"] = score.f2(taken.given.truth, candidate.tags)
        begun.checks += model_checks.check_packaged(taken.given, candidate, asked.threads)
        begun.checks += model_checks.compare_models(taken.given, champion, candidate, asked.gate)
    why = model_checks.reasons(begun.checks)
    if why:
        return _end(asked, taken, begun, "rejected", f"the candidate: {why}")
    name = registry.add(asked.registry, out)
    registry.promote(asked.registry, name, why=begun.name, over=begun.champion)
    return _end(asked, taken, begun, "promoted", "")


def _left(out: Path) -> bool:
    """Whether a killed run of the same number left a candidate that is whole; a damaged one is removed."""
    if not out.exists():
        return False
    try:
        bundle.verify(out)
    except BundleError as error:
        progress.say(f"the candidate that a killed run left is made anew: {error}")
        folders.remove_folder(out)
        return False
    return True


def _refuse_changed(asked: Job, taken: JobData, out: Path) -> None:
    """Chips were told apart by their content when the run began: what was made of other content since is removed."""
    try:
        refuse_changed_chips(dict(zip(taken.given.paths, taken.given.hashes, strict=True)), jobs=asked.threads)
    except ValueError:
        folders.remove_folder(out)
        raise


def _verify(asked: Job, name: str) -> None:
    try:
        registry.verify(asked.registry / name)
    except BundleError as error:
        raise BundleError(
            f"the current model cannot be used: {error} Or promote another one, or a sound copy: "
            f"amazon_tags models promote {asked.registry} NAME|BUNDLE"
        ) from error


def _passed(asked: Job) -> Marks:
    path = asked.runs / PASSED
    content = path.read_bytes() if path.exists() else b""
    return np.frombuffer(content[: len(content) // 8 * 8], np.uint64)


def _watch(asked: Job, taken: JobData, begun: _Run, champion: ModelAnswers, known: TrainingRecord) -> None:
    """Log, once a run, what the champion sees on the chips that it did not learn from, as `predict --monitor` would."""
    new, told = np.flatnonzero(~champion.blind), begun.folder / "monitor.json"
    if not len(new) or told.exists():
        return
    model, seen = bundle.load(champion.folder), RunStatistics()
    scores, tags = champion.scores[new], champion.tags[new]
    worth = expected_f(model.decision, scores, tags)
    names = [listing.name(taken.given.paths[row]) for row in new]
    seen.add(TaggedChips(names, names, scores, tags, worth, [None] * len(new), champion.band_statistics[new]))
    line = monitor_line(seen, model, known)
    append_line(asked.runs / "monitor.jsonl", line)
    atomic.write_json(told, line.to_json())


def _end(asked: Job, taken: JobData, begun: _Run, outcome: str, why: str) -> dict[str, Any]:
    """Write the run's record, and last of all its row in the ledger; then the registry is cleaned."""
    result = {
        "outcome": outcome,
        "run": begun.number,
        "why": why,
        "model": _current(asked),
        "champion": begun.champion,
        "candidate": begun.candidate,
        "f2": begun.f2,
        "chips": taken.told["chips"],
    }
    atomic.write_json(begun.folder / "gate.json", model_checks.table(begun.checks))
    told = {
        **result,
        "fingerprint": begun.fingerprint,
        "recipe": recipe_to_json(asked.recipe),
        "started": begun.started,
    }
    atomic.write_json(begun.folder / RECORD, told)
    if asked.settings.tracking:
        _track(asked, told, begun.folder)
    entry = LedgerEntry(
        begun.number,
        begun.started,
        _now(),
        begun.fingerprint,
        outcome,
        why,
        begun.champion,
        begun.candidate,
        begun.f2.get("champion"),
        begun.f2.get("candidate"),
        taken.told["chips"],
    )
    ledger.write(asked.runs, entry)
    if outcome == "promoted":
        _tidy(asked, begun.folder)
    return result


def _tidy(asked: Job, folder: Path) -> None:
    """Remove the candidate of a promoted run, which the registry has, and models that are one too many."""
    _forget(folder)
    folders.sweep(folder)
    try:
        gone = registry.clean(asked.registry, asked.settings.keep)
    except OSError as error:  # busy, or another user's: the run has done what it should
        progress.say(f"WARNING: {asked.registry} was not cleaned: {error}")
        return
    for name in gone:
        progress.say(f"{name} is removed from {asked.registry}: {asked.settings.keep} are kept")


def _forget(folder: Path) -> None:
    for name in ("candidate", "candidate.work"):
        if (folder / name).exists():
            folders.remove_folder(folder / name)


def _track(asked: Job, told: dict[str, Any], folder: Path) -> None:
    """Copy the run to MLflow; where that fails, the run is none the worse."""
    from amazon_tags.retraining import tracking  # noqa: PLC0415  an extra, and seconds of imports
    from amazon_tags.retraining.tracking import TrackingError  # noqa: PLC0415

    try:
        tracking.write(asked.settings.tracking, asked.runs, told, folder)
    except TrackingError as error:
        progress.say(f"WARNING: {error}; the ledger has the run")


def _begin(asked: Job, mark: str, number: int) -> _Run:
    """A new run, or the one of that number that was killed; what a killed run of other data left is removed."""
    folder = asked.runs / f"{number:04}"
    if folder.exists() and (not (folder / MARK).exists() or (folder / MARK).read_text() != mark):
        if not (folder / MARK).exists():
            raise ValueError(f"{folder} is no run of a job; move it away, or name another folder for runs.")
        if (folder / RECORD).exists():  # it came to its end: the ledger that knew it is gone, or was killed over it
            return _begin(asked, mark, number + 1)
        folders.remove_folder(folder)
    if not folder.exists():
        with folders.atomic_folder(folder) as part:
            atomic.write_text(part / MARK, mark)
    else:
        folders.sweep(folder)
        progress.say(f"run {number}: going on where it was stopped")
    return _Run(folder, number, mark, _now())


def _fingerprint(asked: Job, taken: JobData) -> str:
    values = [
        taken.given.fingerprint,
        recipe_to_json(asked.recipe),
        {name: sha256(path) for name, path in sorted(asked.weights.items())},
        [labels.to_json(asked.space), asked.settings.views, asked.settings.holdout, asdict(asked.gate)],
        version("amazon-tags"),
    ]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _current(asked: Job) -> str | None:
    return registry.pointers(asked.registry).current


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
