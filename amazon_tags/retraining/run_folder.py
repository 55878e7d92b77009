"""A run's folder: started, resumed after a kill, cleaned; and the fingerprint that decides whether to resume."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from amazon_tags import progress
from amazon_tags.files import atomic, folders
from amazon_tags.files.hashes import sha256
from amazon_tags.model.recipe import recipe_to_json
from amazon_tags.retraining.checks import Check
from amazon_tags.retraining.job import Job
from amazon_tags.retraining.job_data import JobData
from amazon_tags.tables import labels
from amazon_tags.training.foreign_members import read_foreign_backbones

RECORD = "run.json"  # the run's result, the last file to be written there
FINGERPRINT = "fingerprint"  # what the run works on, the first file to be written there


@dataclass
class Run:
    """A run, with what it has found so far."""

    job: Job
    data: JobData
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
        """The run's name in the registry's log."""
        return f"run {self.number}"

    @property
    def candidate_folder(self) -> Path:
        """Where its candidate is trained."""
        return self.folder / "candidate"


def remove_candidate(folder: Path) -> None:
    """Remove the candidate in a run's folder, finished or not, if there is one."""
    for name in ("candidate", "candidate.work"):
        if (folder / name).exists():
            folders.remove_folder(folder / name)


def start_or_resume(job: Job, data: JobData, fingerprint: str, number: int) -> Run:
    """Create the folder of a run, or resume the killed one of this number; remove a killed one of other data.

    Raises:
        ValueError: a folder of the run's name holds something else.
    """
    folder = path_of(job, number)
    if folder.exists() and not (folder / FINGERPRINT).exists():
        raise ValueError(f"{folder} is not a run's folder; move it away, or name another folder for runs.")
    if folder.exists() and (folder / FINGERPRINT).read_text() != fingerprint:
        if (folder / RECORD).exists():  # it ended, but its row is missing: the ledger was lost, or the run killed
            return start_or_resume(job, data, fingerprint, number + 1)
        folders.remove_folder(folder)

    if folder.exists():
        folders.sweep(folder)
        progress.say(f"run {number}: resumed where it was stopped")
    else:
        with folders.atomic_folder(folder) as part:
            atomic.write_text(part / FINGERPRINT, fingerprint)
    return Run(job, data, folder, number, fingerprint, now())


def path_of(job: Job, number: int) -> Path:
    """Return the folder of a run."""
    return job.runs / f"{number:04}"


def fingerprint_of(job: Job, data: JobData) -> str:
    """Return one SHA-256 of all that decides a run's outcome."""
    values = [
        data.data.fingerprint,
        recipe_to_json(job.recipe),
        _hash_files(job.weights),
        [labels.to_json(job.space), job.settings.views, job.settings.holdout, asdict(job.gate)],
        version("amazon-tags"),
        *[backbone.fingerprint for backbone in read_foreign_backbones(job.recipe).values()],
    ]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _hash_files(paths: Mapping[str, Path]) -> dict[str, str]:
    return {name: sha256(path) for name, path in sorted(paths.items())}


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
