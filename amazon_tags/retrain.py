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

from amazon_tags import (
    bank,
    bundle,
    files,
    gate,
    heldout,
    intake,
    job,
    labels,
    ledger,
    monitor,
    predict,
    progress,
    recipe,
    registry,
    train,
    validate,
)
from ensemble import decoders, score
from features import listing

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
    checks: list[gate.Check] = field(default_factory=list)
    champion: str | None = None
    candidate: str | None = None
    f2: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the registry's log calls it."""
        return f"run {self.number}"


def run(path: Path) -> dict[str, Any]:
    """Do a job once.

    Returns:
        What happened: `outcome` is `promoted`, `rejected` or `no_change`; with `why`, and what was compared.

    Raises:
        BlockingIOError: another run of the job is going on.
        ValueError: the job, its tables or its chips cannot be used.
    """
    asked = job.read(path)
    train.check(asked.plan, asked.weights)
    if asked.settings.tracking and find_spec("mlflow") is None:
        raise ValueError(f"{path}: tracking needs MLflow; run, in the checkout: pip install '.[mlflow]'")
    asked.runs.mkdir(parents=True, exist_ok=True)
    registry.begin(asked.registry)
    with files.lock(asked.runs / "lock"):
        return _once(asked)


def _once(asked: job.Job) -> dict[str, Any]:
    files.sweep(asked.runs)
    last = ledger.last(asked.runs)
    if last and last.outcome == "promoted":  # and perhaps killed before it was tidy
        _tidy(asked, asked.runs / f"{last.number:04}")
    taken = intake.gather(asked)
    mark = _fingerprint(asked, taken)
    current = _current(asked)
    if last and current is None and (last.champion or last.outcome == "promoted"):
        raise registry.RegistryError(
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
    with progress.kept(begun.folder / "log.txt"):
        progress.say(f"run {begun.number}: {taken.told['chips']} labelled chips, {taken.told['withheld']} withheld")
        files.write_json(begun.folder / "data.json", taken.told)
        result = _decide(asked, taken, begun)
        progress.say(f"run {begun.number}: {result['outcome']}{': ' * bool(result['why'])}{result['why']}")
    return result


def _decide(asked: job.Job, taken: intake.Intake, begun: _Run) -> dict[str, Any]:
    out = begun.folder / "candidate"
    if _left(out):
        begun.candidate = registry.name(out)
        for move in registry.pointers(asked.registry).log:
            if (move["to"], move["why"]) == (begun.candidate, begun.name):  # killed after its promotion
                begun.champion = move["from"]
                return _end(asked, taken, begun, "promoted", "")
    begun.champion = _current(asked)
    champion = None
    begun.checks = validate.rules(taken)
    if begun.champion:
        folder = asked.registry / begun.champion
        _verify(asked, begun.champion)
        champion, known = gate.judge(folder, taken.given, asked.threads), heldout.known(folder)
        begun.checks += validate.witness(taken, champion, known, _passed(asked), asked.gate)
        _watch(asked, taken, begun, champion, known)
        begun.f2["champion"] = score.f2(taken.given.truth, champion.tags)
    why = gate.reasons(begun.checks)
    if why:
        return _end(asked, taken, begun, "rejected", f"the data: {why}")
    files.write_bytes(asked.runs / PASSED, validate.marks(taken.given).tobytes())
    trained = taken.training()
    if not out.exists():
        means = train.Means(asked.weights, asked.settings.views, asked.threads, asked.runs / "bank")
        train.fit(trained, out, plan=asked.plan, means=means)
    _refuse_changed(asked, taken, out)
    begun.candidate = registry.name(out)
    begun.checks += gate.whole(out, trained)
    if not gate.reasons(begun.checks):
        candidate = gate.judge(out, taken.given, asked.threads)
        begun.f2["candidate"] = score.f2(taken.given.truth, candidate.tags)
        begun.checks += gate.packaged(taken.given, candidate, asked.threads)
        begun.checks += gate.compare(taken.given, champion, candidate, asked.gate)
    why = gate.reasons(begun.checks)
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
    except bundle.BundleError as error:
        progress.say(f"the candidate that a killed run left is made anew: {error}")
        files.remove_folder(out)
        return False
    return True


def _refuse_changed(asked: job.Job, taken: intake.Intake, out: Path) -> None:
    """Chips were told apart by their content when the run began: what was made of other content since is removed."""
    try:
        bank.refuse_changed(dict(zip(taken.given.paths, taken.given.hashes, strict=True)), jobs=asked.threads)
    except ValueError:
        files.remove_folder(out)
        raise


def _verify(asked: job.Job, name: str) -> None:
    try:
        registry.verify(asked.registry / name)
    except bundle.BundleError as error:
        raise bundle.BundleError(
            f"the current model cannot be used: {error} Or promote another one, or a sound copy: "
            f"amazon_tags models promote {asked.registry} NAME|BUNDLE"
        ) from error


def _passed(asked: job.Job) -> validate.Marks:
    path = asked.runs / PASSED
    content = path.read_bytes() if path.exists() else b""
    return np.frombuffer(content[: len(content) // 8 * 8], np.uint64)


def _watch(asked: job.Job, taken: intake.Intake, begun: _Run, champion: gate.Judged, known: heldout.HeldOut) -> None:
    """Log, once a run, what the champion sees on the chips that it did not learn from, as `predict --monitor` would."""
    new, told = np.flatnonzero(~champion.blind), begun.folder / "monitor.json"
    if not len(new) or told.exists():
        return
    model, seen = bundle.load(champion.folder), monitor.Seen()
    scores, tags = champion.scores[new], champion.tags[new]
    worth = decoders.forecast(model.decision, scores, tags)
    names = [listing.name(taken.given.paths[row]) for row in new]
    good = np.ones(len(new), np.bool_)
    seen.add(predict.Tagged(names, scores, tags, worth, [], good, champion.looks[new]))
    line = monitor.entry(seen, model, known)
    monitor.append(asked.runs / "monitor.jsonl", line)
    files.write_json(told, line)


def _end(asked: job.Job, taken: intake.Intake, begun: _Run, outcome: str, why: str) -> dict[str, Any]:
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
    files.write_json(begun.folder / "gate.json", gate.table(begun.checks))
    told = {
        **result,
        "fingerprint": begun.fingerprint,
        "recipe": recipe.to_values(asked.plan),
        "started": begun.started,
    }
    files.write_json(begun.folder / RECORD, told)
    if asked.settings.tracking:
        _track(asked, told, begun.folder)
    entry = ledger.Entry(
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


def _tidy(asked: job.Job, folder: Path) -> None:
    """Remove the candidate of a promoted run, which the registry has, and models that are one too many."""
    _forget(folder)
    files.sweep(folder)
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
            files.remove_folder(folder / name)


def _track(asked: job.Job, told: dict[str, Any], folder: Path) -> None:
    """Copy the run to MLflow; where that fails, the run is none the worse."""
    from amazon_tags import tracking  # noqa: PLC0415  an extra, and seconds of imports

    try:
        tracking.write(asked.settings.tracking, asked.runs, told, folder)
    except tracking.TrackingError as error:
        progress.say(f"WARNING: {error}; the ledger has the run")


def _begin(asked: job.Job, mark: str, number: int) -> _Run:
    """A new run, or the one of that number that was killed; what a killed run of other data left is removed."""
    folder = asked.runs / f"{number:04}"
    if folder.exists() and (not (folder / MARK).exists() or (folder / MARK).read_text() != mark):
        if not (folder / MARK).exists():
            raise ValueError(f"{folder} is no run of a job; move it away, or name another folder for runs.")
        if (folder / RECORD).exists():  # it came to its end: the ledger that knew it is gone, or was killed over it
            return _begin(asked, mark, number + 1)
        files.remove_folder(folder)
    if not folder.exists():
        with files.atomic_folder(folder) as part:
            files.write_text(part / MARK, mark)
    else:
        files.sweep(folder)
        progress.say(f"run {number}: going on where it was stopped")
    return _Run(folder, number, mark, _now())


def _fingerprint(asked: job.Job, taken: intake.Intake) -> str:
    values = [
        taken.given.fingerprint,
        recipe.to_values(asked.plan),
        {name: files.sha256(path) for name, path in sorted(asked.weights.items())},
        [labels.to_json(asked.space), asked.settings.views, asked.settings.holdout, asdict(asked.gate)],
        version("amazon-tags"),
    ]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _current(asked: job.Job) -> str | None:
    return registry.pointers(asked.registry).current


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
