"""Jobs run from start to end: promoted, rejected, nothing to do, and what cannot be used."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from amazon_tags.model import bundle, registry, training_record
from amazon_tags.model.bundle import BundleError
from amazon_tags.model.manifest import digest
from amazon_tags.model.registry import RegistryError
from amazon_tags.retraining import job_data, ledger
from amazon_tags.retraining.job import read_job
from amazon_tags.retraining.result import RunRecord
from amazon_tags.retraining.retrain import retrain
from amazon_tags.training import train as training
from tests.amazon_tags.retraining.jobs import render


@pytest.mark.slow
def test_a_job_promotes_then_changes_nothing_then_takes_new_chips(home):
    first = retrain(home / "job.toml")
    assert first.outcome == "promoted", first
    assert registry.pointers(home / "models").current == first.model == first.candidate
    again = retrain(home / "job.toml")
    assert (again.outcome, again.run, again.model) == ("no_change", 1, first.model)
    render(home / "chips", home / "labels.csv", 60, 30)
    second = retrain(home / "job.toml")
    assert (second.outcome, second.champion, second.run) == ("promoted", first.model, 2)
    assert set(second.f2) == {"champion", "candidate"}
    assert registry.pointers(home / "models").previous == first.model
    assert ledger.last(home / "runs").candidate == second.model
    folder = home / "runs" / "0002"
    assert {path.name for path in folder.iterdir()} >= {"run.json", "gate.json", "data.json", "log.txt"}
    assert not (folder / "candidate").exists()  # the registry has it
    (line,) = (home / "runs" / "monitor.jsonl").read_text().splitlines()
    assert json.loads(line)["model"] == first.model
    assert json.loads((folder / "run.json").read_text())["outcome"] == "promoted"
    assert "F2" in [check["name"] for check in json.loads((folder / "gate.json").read_text())]


@pytest.mark.slow
def test_a_promoted_run_loads_bundles_at_most_seven_times(promoted, monkeypatch):
    home, first = promoted
    render(home / "chips", home / "labels.csv", 60, 30)
    loaded, load = [], bundle.load

    def counting(folder, **options):
        loaded.append(folder)
        return load(folder, **options)

    monkeypatch.setattr(bundle, "load", counting)
    second = retrain(home / "job.toml")
    assert (second.outcome, second.champion) == ("promoted", first.model)
    precisions = len(bundle.read_manifest(home / "models" / second.model).precision.costs)
    assert len(loaded) <= min(2 * precisions, 7), loaded


@pytest.mark.slow
def test_the_result_is_written_as_one_json_object(promoted):
    home, first = promoted
    values = first.to_json()
    assert list(values) == ["outcome", "run", "why", "model", "champion", "candidate", "f2", "chips"]
    assert (values["outcome"], values["run"], values["why"], values["chips"]) == ("promoted", 1, "", 60)
    record = json.loads((home / "runs" / "0001" / "run.json").read_text())
    assert list(record) == [*values, "fingerprint", "recipe", "started"]
    assert RunRecord.from_json(record).result == first
    assert RunRecord.from_json(record).to_json() == record
    assert list(retrain(home / "job.toml").to_json()) == ["outcome", "run", "why", "model"]


@pytest.mark.slow
def test_without_its_ledger_a_job_continues_and_keeps_the_records_of_its_runs(promoted):
    home, first = promoted
    record = (home / "runs" / "0001" / "run.json").read_bytes()
    (home / "runs" / ledger.FILE).unlink()
    render(home / "chips", home / "labels.csv", 60, 5)
    second = retrain(home / "job.toml")
    assert (second.outcome, second.run, second.champion) == ("promoted", 2, first.model)
    assert (home / "runs" / "0001" / "run.json").read_bytes() == record


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('registry = "chips"', "chips lies in .*chips, which is registry"),
        ('runs = "."', "chips lies in .*, which is runs"),
        ('registry = "photos"', "holds 1 other files"),
        ('registry = "labels.csv"', r"labels\.csv is a file; name a folder"),
        ('runs = "labels.csv/runs"', r"labels\.csv is a file; name a folder"),
    ],
)
def test_places_that_hold_other_things_are_refused_and_stay_as_they_are(home, line, message):
    config = home / "job.toml"
    (home / "photos").mkdir()
    (home / "photos" / "mine.jpg").write_text("precious")
    config.write_text(f"{line}\n{config.read_text()}")
    with pytest.raises(ValueError, match=message):
        retrain(config)
    assert len(list((home / "chips").iterdir())) == 60


@pytest.mark.slow
def test_withheld_chips_are_in_no_model(promoted):
    home, first = promoted
    chips = job_data.gather(read_job(home / "job.toml"))
    record = training_record.read(home / "models" / first.model)
    withheld = {digest for digest, out in zip(chips.data.hashes, chips.withheld, strict=True) if out}
    assert withheld
    assert set(record.hashes) == set(chips.data.hashes) - withheld


def test_a_folder_that_is_no_run_is_never_removed(home):
    (home / "runs" / "0001").mkdir(parents=True)
    (home / "runs" / "0001" / "mine.jpg").write_text("precious")
    with pytest.raises(ValueError, match="0001 is not a run's folder"):
        retrain(home / "job.toml")
    assert (home / "runs" / "0001" / "mine.jpg").read_text() == "precious"


@pytest.mark.slow
def test_a_missing_registry_is_not_an_empty_one_and_another_champion_starts_a_run(promoted):
    home, first = promoted
    config = home / "job.toml"
    (home / "models").rename(home / "elsewhere")
    with pytest.raises(RegistryError, match=f"has no current model, but by the ledger {first.model} was"):
        retrain(config)
    shutil.rmtree(home / "models")
    (home / "elsewhere").rename(home / "models")
    assert retrain(config).outcome == "no_change"
    entry = ledger.last(home / "runs")
    ledger.write(home / "runs", replace(entry, number=2, outcome="rejected", champion="0" * 12))
    assert retrain(config).run == 3


@pytest.mark.slow
def test_the_command_prints_one_line_and_ends_with_its_exit_code(home, run):
    done = run("retrain", home / "job.toml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert json.loads(done.stdout)["outcome"] == "promoted"
    text = (home / "labels.csv").read_text().splitlines()
    (home / "labels.csv").write_text("\n".join([text[0], *(f"{row.split(',')[0]},road" for row in text[1:])]) + "\n")
    done = run("retrain", home / "job.toml")
    assert done.returncode == 20, done.stderr
    assert "break a rule of the label space" in json.loads(done.stdout)["why"]


@pytest.mark.slow
def test_a_rejected_candidate_stays_until_there_is_something_new(promoted):
    home, _ = promoted
    config, candidate = home / "job.toml", home / "runs" / "0002" / "candidate"
    config.write_text(config.read_text().replace("worse = 1.0", "worse = 0.0"))  # no candidate can keep to it
    for outcome in ("rejected", "no_change"):
        assert retrain(config).outcome == outcome
        assert bundle.verify(candidate)
    config.write_text(config.read_text().replace("margin = 1.0", "margin = 0.5"))
    assert retrain(config).outcome == "rejected"
    assert not candidate.exists()
    assert (home / "runs" / "0003" / "candidate").exists()


@pytest.mark.slow
@pytest.mark.parametrize("error", [BlockingIOError("Another run holds it"), PermissionError(13, "not yours")])
def test_a_registry_that_cannot_be_cleaned_after_the_promotion_is_a_warning(home, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(registry, "clean", refuse)
    assert retrain(home / "job.toml").outcome == "promoted"


@pytest.mark.slow
def test_a_registry_with_models_but_no_current_one_is_refused(promoted):
    home, first = promoted
    render(home / "chips", home / "labels.csv", 60, 5)
    (home / "models" / registry.POINTERS).unlink()
    with pytest.raises(RegistryError, match=f"has no current model, but by the ledger {first.model} was"):
        retrain(home / "job.toml")
    registry.promote(home / "models", first.model, why="found again")
    assert retrain(home / "job.toml").champion == first.model


@pytest.mark.slow
def test_a_damaged_current_model_is_reported_even_if_nothing_is_new(promoted):
    home, first = promoted
    (home / "models" / first.model / "decision.json").write_text("{}")
    with pytest.raises(BundleError, match="the current model cannot be used"):
        retrain(home / "job.toml")
    shutil.rmtree(home / "models" / first.model)
    with pytest.raises(BundleError, match="the current model cannot be used"):
        retrain(home / "job.toml")


@pytest.mark.slow
def test_a_damaged_champion_is_reported_with_the_way_back(promoted):
    home, first = promoted
    (home / "models" / first.model / "decision.json").write_text("{}")
    render(home / "chips", home / "labels.csv", 60, 5)
    with pytest.raises(BundleError, match=r"the current model cannot be used: .* amazon_tags models promote"):
        retrain(home / "job.toml")


@pytest.mark.slow
def test_chips_that_change_during_a_run_make_no_model(home, monkeypatch):
    true, chip = training.train_on, home / "chips" / "chip_3.jpg"
    before = chip.read_bytes()

    def fit(*arguments, **options):
        chip.write_bytes((home / "chips" / "chip_4.jpg").read_bytes())
        return true(*arguments, **options)

    monkeypatch.setattr(training, "train_on", fit)
    with pytest.raises(ValueError, match=r"1 of \d+ chips were changed during the run .*chip_3\.jpg"):
        retrain(home / "job.toml")
    assert not (home / "runs" / "bank").exists()
    assert not (home / "models" / registry.POINTERS).exists()
    monkeypatch.undo()
    chip.write_bytes(before)
    assert retrain(home / "job.toml").outcome == "promoted"


@pytest.mark.slow
def test_a_champion_without_a_training_record_is_refused(promoted, tmp_path_factory):
    home, first = promoted
    old = tmp_path_factory.mktemp("old") / "model"
    shutil.copytree(home / "models" / first.model, old)
    (old / training_record.FILE).unlink()
    manifest = json.loads((old / "manifest.json").read_text())
    del manifest["files"][training_record.FILE]
    manifest["sha256"] = digest(manifest)
    (old / "manifest.json").write_text(json.dumps(manifest))
    registry.promote(home / "models", registry.add(home / "models", old), why="")
    render(home / "chips", home / "labels.csv", 60, 5)
    with pytest.raises(ValueError, match=r"has no record of its training chips .* train the model again"):
        retrain(home / "job.toml")


@pytest.mark.slow
def test_a_closed_stdout_is_reported_before_the_work(home):
    command = f"{sys.executable} -m amazon_tags retrain {home / 'job.toml'} >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, "stdout is closed" in done.stderr) == (74, True)
    assert not (home / "runs").exists()
