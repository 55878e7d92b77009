"""Runs in MLflow, and MLflow that cannot be used."""

import json

import mlflow
import pytest

from amazon_tags.retraining import ledger, tracking
from amazon_tags.retraining.result import RunRecord
from amazon_tags.retraining.retrain import retrain


@pytest.mark.slow
def test_a_run_is_in_mlflow_with_its_metrics_and_the_champion(home):
    config = home / "job.toml"
    config.write_text('tracking = "chips"\n' + config.read_text())
    done = retrain(config)
    uri = f"sqlite:///{home / 'runs' / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri, uri)
    (run,) = client.search_runs([client.get_experiment_by_name("chips").experiment_id])
    assert run.data.metrics["f2_candidate"] == pytest.approx(done.f2["candidate"])
    assert (run.data.params["outcome"], run.data.params["member 0 backbone"]) == ("promoted", "toy")
    assert run.info.status == "FINISHED"
    report = [file.path for file in client.list_artifacts(run.info.run_id, "report")]
    assert sorted(report) == ["report/data.json", "report/gate.json", "report/run.json"]
    version = client.get_model_version_by_alias("chips", "champion")
    assert version.tags["amazon_tags.model"] == done.model
    record = RunRecord.from_json(json.loads((home / "runs" / "0001" / "run.json").read_text()))
    assert tracking.write("chips", home / "runs", record, home / "runs" / "0001") == run.info.run_id


@pytest.mark.slow
def test_a_tracking_server_that_is_not_there_is_a_warning(home, run, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # nobody listens there
    config = home / "job.toml"
    config.write_text('tracking = "chips"\n' + config.read_text())
    done = run("retrain", config)
    assert done.returncode == 0, done.stderr
    assert "WARNING: MLflow at" in done.stderr
    assert ledger.last(home / "runs").outcome == "promoted"

    (home / "runs" / "mlflow.db").write_text("no database, and longer than the header of one " * 9)
    record = RunRecord.from_json(json.loads((home / "runs" / "0001" / "run.json").read_text()))
    for uri in ("foo://bar", ""):  # unknown, and the damaged file
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(tracking.TrackingError, match="MLflow at"):
            tracking.write("chips", home / "runs", record, home / "runs" / "0001")
