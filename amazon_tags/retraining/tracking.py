"""A run of a job in MLflow: parameters, metrics, its report and, for a promoted model, the alias `champion`.

The ledger is what runs are judged by; this is a copy for people who look at MLflow. No model is ever loaded from there.
"""

import logging
import os
from pathlib import Path
from typing import Any

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before mlflow is imported, or it tells its makers of each run
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # else a server that is away holds a run for minutes
for _name in ("mlflow", "alembic"):
    logging.getLogger(_name).setLevel(logging.ERROR)  # they tell of each table that they create

import mlflow  # noqa: E402  after its telemetry was switched off

ALIAS = "champion"
TAG = "amazon_tags.run"
REPORT = ("run.json", "gate.json", "data.json")
CARD = ("card.md", "manifest.json")


class TrackingError(RuntimeError):
    """MLflow cannot be written to; the message says why."""


def write(experiment: str, runs: Path, told: dict[str, Any], folder: Path) -> str:
    """Write a run down, once, however often it is asked for; returns MLflow's name of it.

    Args:
        experiment: of MLflow; a promoted model is registered under the same name.
        runs: where MLflow's own SQLite file lies, unless `MLFLOW_TRACKING_URI` names a server.
        told: what `run.json` holds.
        folder: the run's, with its report and its candidate.

    Raises:
        TrackingError: the server is not there, or refuses.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(runs / 'mlflow.db').resolve()}"
    place = None if uri.startswith("http") else (runs / "mlflow").resolve().as_uri()  # or where we are
    try:
        return _write(mlflow.MlflowClient(uri, uri), experiment, place, told, folder)
    except Exception as error:  # its own, of its database, of its server: the run is none the worse
        raise TrackingError(f"MLflow at {uri} cannot be written to: {error}") from error


def _write(client: Any, experiment: str, place: str | None, told: dict[str, Any], folder: Path) -> str:
    found = client.get_experiment_by_name(experiment)
    home = found.experiment_id if found else client.create_experiment(experiment, artifact_location=place)
    mark = told["fingerprint"]
    known = client.search_runs([home], f"tags.`{TAG}` = '{mark}' and attributes.status = 'FINISHED'")
    if known:
        return str(known[0].info.run_id)
    run = client.create_run(home, tags={TAG: mark}, run_name=f"run {told['run']}").info.run_id
    for key in ("run", "outcome", "champion", "candidate", "chips", "why"):
        client.log_param(run, key, told[key])
    for number, member in enumerate(told["recipe"]["members"]):
        for key, value in member.items():
            client.log_param(run, f"member {number} {key}", value)
    for key, value in told["f2"].items():
        client.log_metric(run, f"f2_{key}", value)
    for name in REPORT:
        client.log_artifact(run, str(folder / name), "report")
    for name in CARD:
        if (folder / "candidate" / name).exists():
            client.log_artifact(run, str(folder / "candidate" / name), "model")
    if told["outcome"] == "promoted":
        _register(client, experiment, run, told)
    client.set_terminated(run)
    return str(run)


def _register(client: Any, name: str, run: str, told: dict[str, Any]) -> None:
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    source = f"{client.get_run(run).info.artifact_uri}/model"
    version = client.create_model_version(name, source, run, tags={"amazon_tags.model": told["candidate"]})
    client.set_registered_model_alias(name, ALIAS, version.version)
