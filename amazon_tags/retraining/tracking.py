"""A run of a job in MLflow: parameters, metrics, its records and, for a promoted model, the alias `champion`.

This is a copy for people who use MLflow. The ledger stays the authority, and no model is ever loaded from MLflow.
"""

import logging
import os
from pathlib import Path
from typing import Any

from amazon_tags.retraining.result import RunRecord

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before mlflow is imported, or it reports each run to its makers
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # by default an unreachable server blocks for minutes
for _name in ("mlflow", "alembic"):
    logging.getLogger(_name).setLevel(logging.ERROR)  # they log each table that they create

import mlflow  # noqa: E402  after its telemetry was switched off

ALIAS = "champion"
FINGERPRINT_TAG = "amazon_tags.run"
REPORT_FILES = ("run.json", "gate.json", "data.json")
MODEL_FILES = ("card.md", "manifest.json")


class TrackingError(RuntimeError):
    """MLflow cannot be written to; the message says why."""


def write(experiment: str, runs: Path, record: RunRecord, folder: Path) -> str:
    """Write a run to MLflow, once, however often this is called; return MLflow's run id.

    Args:
        experiment: the MLflow experiment; a promoted model is registered under the same name.
        runs: where MLflow's SQLite file is created, unless `MLFLOW_TRACKING_URI` names a server.
        record: the run's record.
        folder: the run's folder, with its reports and its candidate.

    Raises:
        TrackingError: the server cannot be reached, or refuses.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(runs / 'mlflow.db').resolve()}"
    artifacts = None if uri.startswith("http") else (runs / "mlflow").resolve().as_uri()  # else the working folder
    try:
        return _write(mlflow.MlflowClient(uri, uri), experiment, artifacts, record, folder)
    except Exception as error:  # of MLflow, its database or its server; the run must not fail for it
        raise TrackingError(f"MLflow at {uri} cannot be written to: {error}") from error


def _write(client: Any, experiment: str, artifacts: str | None, record: RunRecord, folder: Path) -> str:
    home = _experiment_id(client, experiment, artifacts)
    finished = client.search_runs(
        [home], f"tags.`{FINGERPRINT_TAG}` = '{record.fingerprint}' and attributes.status = 'FINISHED'"
    )
    if finished:
        return str(finished[0].info.run_id)

    tags = {FINGERPRINT_TAG: record.fingerprint}
    run = client.create_run(home, tags=tags, run_name=f"run {record.result.run}").info.run_id
    _log_values(client, run, record)
    _log_files(client, run, folder)
    if record.result.outcome == "promoted":
        _register(client, experiment, run, record)
    client.set_terminated(run)
    return str(run)


def _experiment_id(client: Any, name: str, artifacts: str | None) -> str:
    experiment = client.get_experiment_by_name(name)
    return str(experiment.experiment_id if experiment else client.create_experiment(name, artifact_location=artifacts))


def _log_values(client: Any, run: str, record: RunRecord) -> None:
    result = record.result
    for key in ("run", "outcome", "champion", "candidate", "chips", "why"):
        client.log_param(run, key, getattr(result, key))
    for number, member in enumerate(record.recipe["members"]):
        for key, value in member.items():
            client.log_param(run, f"member {number} {key}", value)
    for key, f2 in result.f2.items():
        client.log_metric(run, f"f2_{key}", f2)


def _log_files(client: Any, run: str, folder: Path) -> None:
    for name in REPORT_FILES:
        client.log_artifact(run, str(folder / name), "report")
    for name in MODEL_FILES:
        if (folder / "candidate" / name).exists():
            client.log_artifact(run, str(folder / "candidate" / name), "model")


def _register(client: Any, name: str, run: str, record: RunRecord) -> None:
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    source = f"{client.get_run(run).info.artifact_uri}/model"
    tags = {"amazon_tags.model": record.result.candidate}
    version = client.create_model_version(name, source, run, tags=tags)
    client.set_registered_model_alias(name, ALIAS, version.version)
