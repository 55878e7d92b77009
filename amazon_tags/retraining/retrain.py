"""One run of a retraining job: check the data, train a candidate, compare it with the current model, promote it or not.

A run is a folder of the job's `runs`, named by its number; it ends with its row in the ledger. If a run was killed, the
next one resumes it, provided that data and settings are still the same.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.files import atomic, folders, locks
from amazon_tags.model import bundle, registry, training_record
from amazon_tags.model.bundle import BundleError, Verified
from amazon_tags.model.recipe import recipe_to_json
from amazon_tags.model.registry import RegistryError
from amazon_tags.model.training_record import TrainingRecord
from amazon_tags.prediction.monitor import RunStatistics, append_line, monitor_line
from amazon_tags.prediction.predict import TaggedChips
from amazon_tags.retraining import answers, checks, data_checks, job_data, ledger, model_checks, run_folder
from amazon_tags.retraining.answers import ModelAnswers
from amazon_tags.retraining.data_checks import ChipDigests
from amazon_tags.retraining.job import Job, read_job
from amazon_tags.retraining.ledger import LedgerEntry
from amazon_tags.retraining.result import Outcome, RetrainingResult, RunRecord
from amazon_tags.retraining.run_folder import Run
from amazon_tags.training.fingerprints import refuse_changed_chips
from amazon_tags.training.preparation import TrainOptions, check_recipe, refuse_few_chips
from ensemble.decisions.decision import expected_f
from ensemble.metrics import score
from features.images import listing

PASSED = "passed.bin"  # in `runs`: digests of the data that last passed its checks


def retrain(path: Path) -> RetrainingResult:
    """Run the job of a TOML file once, and return what happened.

    Raises:
        BlockingIOError: another run of the job has not ended yet.
        BundleError: the current model is damaged.
        ValueError: the job, its tables, its chips or its registry cannot be used.
    """
    job = read_job(path)
    check_recipe(job.recipe, job.weights)
    if job.recipe.dates > 1:
        raise ValueError(f"{path}: the recipe has dates = 2, but retrain trains on single chips; name another recipe.")
    if job.settings.tracking and find_spec("mlflow") is None:
        raise ValueError(f"{path}: tracking needs MLflow; run, in the checkout: pip install '.[mlflow]'")
    job.runs.mkdir(parents=True, exist_ok=True)
    registry.make_registry(job.registry)
    with locks.hold_lock(job.runs / "lock"):
        return _run_once(job)


def _run_once(job: Job) -> RetrainingResult:
    """Return the earlier result if nothing changed, otherwise start or resume a run."""
    folders.sweep(job.runs)
    last = ledger.last(job.runs)
    if last and last.outcome == "promoted":  # perhaps killed before it had cleaned up
        _clean_up(job, run_folder.path_of(job, last.number))

    data = job_data.gather(job)
    refuse_few_chips(data.training(), job.recipe)
    fingerprint = run_folder.fingerprint_of(job, data)
    current = registry.pointers(job.registry).current
    _refuse_lost_registry(job, last, current)
    if last and last.fingerprint == fingerprint and _still_holds(last, current):
        return _no_change(job, last, current)

    if last:  # a rejected candidate stays until a new run starts
        run_folder.remove_candidate(run_folder.path_of(job, last.number))
    run = run_folder.start_or_resume(job, data, fingerprint, last.number + 1 if last else 1)
    with progress.copied_to(run.folder / "log.txt"):
        progress.say(f"{run.name}: {data.summary.chips} labelled chips, {data.summary.withheld} withheld")
        atomic.write_json(run.folder / "data.json", data.summary.to_json())
        result = _decide(run)
        progress.say(f"{run.name}: {result.outcome}{': ' * bool(result.why)}{result.why}")
    return result


def _refuse_lost_registry(job: Job, last: LedgerEntry | None, current: str | None) -> None:
    """Refuse a registry without a current model if the ledger says that there was one: it may not be mounted."""
    if last and current is None and (last.champion or last.outcome == "promoted"):
        raise RegistryError(
            f"{job.registry} has no current model, but by the ledger {last.candidate or last.champion} was; mount or "
            f"restore it, or promote one: amazon_tags models promote {job.registry} NAME|BUNDLE. To start without it, "
            "name another folder for runs."
        )


def _still_holds(last: LedgerEntry, current: str | None) -> bool:
    """Return whether a run on the same data would end as before: a rejection holds against the same champion only."""
    return last.outcome == "promoted" or current == last.champion


def _no_change(job: Job, last: LedgerEntry, current: str | None) -> RetrainingResult:
    if current:
        _open_champion(job, current)
    why = f"chips, labels and settings are those of run {last.number}, which was {last.outcome}"
    return RetrainingResult("no_change", last.number, why, current)


def _decide(run: Run) -> RetrainingResult:
    """Check the data, train, check the candidate, and promote it if nothing failed."""
    if _has_sound_candidate(run) and _was_promoted(run):
        return _finish(run, "promoted")

    champion = _check_data(run)
    if why := checks.reasons(run.checks):
        return _finish(run, "rejected", f"the data: {why}")
    atomic.write_bytes(run.job.runs / PASSED, data_checks.digest_chips(run.data.data).tobytes())

    _train_candidate(run)
    _check_candidate(run, champion)
    if why := checks.reasons(run.checks):
        return _finish(run, "rejected", f"the candidate: {why}")

    _promote(run)
    return _finish(run, "promoted")


def _has_sound_candidate(run: Run) -> bool:
    """Return whether a killed run of the same number left a sound candidate; remove a damaged one."""
    if not run.candidate_folder.exists():
        return False
    try:
        bundle.verify(run.candidate_folder)
    except BundleError as error:
        progress.say(f"the candidate that a killed run left is damaged and will be trained again: {error}")
        folders.remove_folder(run.candidate_folder)
        return False
    return True


def _was_promoted(run: Run) -> bool:
    """Return whether the run was killed after its promotion; it may have been rolled back since."""
    run.candidate = registry.model_name(run.candidate_folder)
    for move in registry.pointers(run.job.registry).log:
        if (move.after, move.why) == (run.candidate, run.name):
            run.champion = move.before
            return True
    return False


def _check_data(run: Run) -> ModelAnswers | None:
    """Check the labelled chips, by the answers of the current model if there is one; return these answers."""
    job, data = run.job, run.data
    run.checks = data_checks.check_rules(data)
    run.champion = registry.pointers(job.registry).current
    if run.champion is None:
        return None

    model = _open_champion(job, run.champion)
    champion = answers.answer_chips(model, data.data, job.threads)
    record = training_record.read_required(model.bundle.folder)
    run.checks += data_checks.check_new_chips(data, champion, record, _passed_digests(job), job.gate)
    _monitor(run, champion, record)
    run.f2["champion"] = score.f2(data.data.truth, champion.tags)
    return champion


def _open_champion(job: Job, name: str) -> Verified:
    try:
        champion = registry.verify(job.registry / name, jobs=job.threads)
    except BundleError as error:
        raise BundleError(
            f"the current model cannot be used: {error} Or promote another model, or a sound copy of this one: "
            f"amazon_tags models promote {job.registry} NAME|BUNDLE"
        ) from error
    if champion.bundle.manifest.vectors:
        raise RegistryError(
            f"the current model {name} takes vectors, but retrain compares models on chips; promote a model of chips: "
            f"amazon_tags models promote {job.registry} NAME|BUNDLE"
        )
    if champion.bundle.manifest.spec.dates > 1:
        raise RegistryError(
            f"the current model {name} takes pairs of chips, but retrain compares models on single chips; promote a "
            f"model of these: amazon_tags models promote {job.registry} NAME|BUNDLE"
        )
    return champion


def _passed_digests(job: Job) -> ChipDigests:
    """Return the digests of the data that last passed; a damaged file counts as fewer digests."""
    path = job.runs / PASSED
    content = path.read_bytes() if path.exists() else b""
    return np.frombuffer(content[: len(content) // 8 * 8], np.uint64)


def _monitor(run: Run, champion: ModelAnswers, record: TrainingRecord) -> None:
    """Log, once a run, the current model's answers to chips that it was not trained on, as `predict --monitor` does."""
    new, path = np.flatnonzero(~champion.out_of_fold), run.folder / "monitor.json"
    if not len(new) or path.exists():
        return
    model, statistics = champion.model.bundle, RunStatistics()
    names = [listing.name(run.data.data.paths[int(row)]) for row in new]
    scores, tags = champion.scores[new], champion.tags[new]
    expected = expected_f(model.decision, scores, tags)
    statistics.add(
        TaggedChips(
            names, names, scores, tags, expected, [None] * len(new), champion.band_statistics[new], [()] * len(new)
        )
    )
    line = monitor_line(statistics, model, record)
    append_line(run.job.runs / "monitor.jsonl", line)
    atomic.write_json(path, line.to_json())


def _train_candidate(run: Run) -> None:
    """Train on the chips that are not withheld, unless a killed run has; refuse chips that changed meanwhile."""
    job, data = run.job, run.data.data
    if not run.candidate_folder.exists():
        from amazon_tags.training.train import train_on  # noqa: PLC0415  importing Keras takes seconds

        options = TrainOptions(job.weights, job.settings.views, job.threads, job.runs / "bank")
        train_on(run.data.training(), run.candidate_folder, recipe=job.recipe, options=options)
    try:
        refuse_changed_chips(dict(zip(data.paths, data.hashes, strict=True)), jobs=job.threads)
    except ValueError:
        folders.remove_folder(run.candidate_folder)
        raise
    run.candidate = registry.model_name(run.candidate_folder)


def _check_candidate(run: Run, champion: ModelAnswers | None) -> None:
    """Check the candidate alone and, if it is sound, against the current model."""
    job, data = run.job, run.data.data
    failures, model = model_checks.check_bundle(run.candidate_folder, run.data.training(), jobs=job.threads)
    run.checks += failures
    if model is None or checks.reasons(run.checks):
        return
    candidate = answers.answer_chips(model, data, job.threads)
    run.f2["candidate"] = score.f2(data.truth, candidate.tags)
    run.checks += model_checks.check_packaged(data, candidate, job.threads)
    run.checks += model_checks.compare_models(data, champion, candidate, job.gate)


def _promote(run: Run) -> None:
    """Copy the candidate, which `_check_candidate` has verified, into the registry, and make it the current model."""
    name = registry.add(run.job.registry, run.candidate_folder, verified=True)
    registry.promote(run.job.registry, name, why=run.name, over=run.champion, verified=True)


def _finish(run: Run, outcome: Outcome, why: str = "") -> RetrainingResult:
    """Write the run's records and last of all its row in the ledger; then clean up."""
    job = run.job
    result = RetrainingResult(
        outcome,
        run.number,
        why,
        model=registry.pointers(job.registry).current,
        champion=run.champion,
        candidate=run.candidate,
        f2=run.f2,
        chips=run.data.summary.chips,
    )
    record = RunRecord(result, run.fingerprint, recipe_to_json(job.recipe), run.started)
    atomic.write_json(run.folder / "gate.json", checks.table(run.checks))
    atomic.write_json(run.folder / run_folder.RECORD, record.to_json())
    if job.settings.tracking:
        _track(job, record, run.folder)

    ledger.write(job.runs, _ledger_entry(run, result))
    if outcome == "promoted":
        _clean_up(job, run.folder)
    return result


def _ledger_entry(run: Run, result: RetrainingResult) -> LedgerEntry:
    return LedgerEntry(
        run.number,
        run.started,
        run_folder.now(),
        run.fingerprint,
        result.outcome,
        result.why,
        run.champion,
        run.candidate,
        run.f2.get("champion"),
        run.f2.get("candidate"),
        result.chips,
    )


def _track(job: Job, record: RunRecord, folder: Path) -> None:
    """Copy the run to MLflow; if that fails, warn and keep the run."""
    from amazon_tags.retraining import tracking  # noqa: PLC0415  an extra, and seconds of imports
    from amazon_tags.retraining.tracking import TrackingError  # noqa: PLC0415

    try:
        tracking.write(job.settings.tracking, job.runs, record, folder)
    except TrackingError as error:
        progress.say(f"WARNING: {error}; the run is in the ledger")


def _clean_up(job: Job, folder: Path) -> None:
    """Remove the candidate of a promoted run, which the registry has, and the oldest models beyond `keep`."""
    run_folder.remove_candidate(folder)
    folders.sweep(folder)
    try:
        removed = registry.clean(job.registry, job.settings.keep)
    except OSError as error:  # locked, or another user's; the promotion stands
        progress.say(f"WARNING: old models were not removed from {job.registry}: {error}")
        return
    for name in removed:
        progress.say(f"model {name} was removed from {job.registry}; the newest {job.settings.keep} stay")
