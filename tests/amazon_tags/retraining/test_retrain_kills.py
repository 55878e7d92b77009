"""Runs that are killed, stopped by a signal, or started while another one works."""

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from amazon_tags.model import bundle, registry
from amazon_tags.retraining import ledger
from amazon_tags.retraining.retrain import retrain
from tests.amazon_tags.retraining import jobs
from tests.amazon_tags.retraining.jobs import finish, kill_run, render, started


@pytest.mark.slow
def test_a_first_run_killed_before_its_promotion_stops_no_other(home):
    kill_run(home, "registry.promote", after=False)
    assert registry.model_names(home / "models")
    render(home / "chips", home / "labels.csv", 60, 5)
    assert retrain(home / "job.toml").outcome == "promoted"


WAITING = """
gather = job_data.gather
def waiting(job):
    print("running", flush=True)
    sys.stdin.readline()
    return gather(job)
job_data.gather = waiting
"""


@pytest.mark.slow
def test_while_one_run_works_seven_others_end_with_75(home, run):
    words = [sys.executable, "-c", jobs.script(home, WAITING)]
    with started(words, stdin=subprocess.PIPE) as first, ThreadPoolExecutor() as pool:
        assert first.stdout.readline() == "running\n"
        for other in pool.map(lambda _: run("retrain", home / "job.toml", timeout=600), range(7)):
            assert (other.returncode, other.stdout) == (75, ""), other.stderr
            assert "Another run holds" in other.stderr
        assert finish(first, "the run that holds the lock", "\n")[0] == "promoted\n"
    assert ledger.last(home / "runs").number == 1


STAGES = (  # in the order in which a run reaches them; the flag says whether the stage was completed
    ("job_data.gather", True),
    ("folders.atomic_folder", False),
    ("data_checks.check_rules", True),
    ("training.train_on", False),
    ("training.fit_member", True),
    ("training.measure_precisions", True),
    ("bundle_writer.seal", False),
    ("training.train_on", True),
    ("model_checks.check_bundle", True),
    ("model_checks.check_packaged", True),
    ("registry.add", False),
    ("folders.copy_folder", True),
    ("registry.promote", False),
    ("registry.promote", True),
    ("ledger.write", False),
    ("ledger.write", True),
    ("folders.remove_folder", False),
    ("folders.shutil.rmtree", False),
)


@pytest.mark.slow
def test_kills_at_every_stage_leave_a_sound_registry_and_the_run_is_resumed(home):
    models, promotions = home / "models", 0
    for function, after in STAGES:
        kill_run(home, function, after=after)
        pointers = registry.pointers(models)
        if pointers.current:
            bundle.verify(models / pointers.current)
        promotions = max(promotions, len(pointers.log))
        assert promotions <= 1
    assert retrain(home / "job.toml").outcome == "no_change"
    assert bundle.verify(models / registry.pointers(models).current)
    assert (ledger.last(home / "runs").number, ledger.last(home / "runs").outcome) == (1, "promoted")
    assert len(registry.pointers(models).log) == 1
    left = [path for folder in (models, home / "runs", home / "runs" / "0001") for path in folder.glob(".*")]
    assert not left
    assert not (home / "runs" / "0001" / "candidate").exists()


@pytest.mark.slow
def test_a_run_that_was_killed_twice_is_monitored_once(promoted):
    home, _ = promoted
    render(home / "chips", home / "labels.csv", 60, 30)
    for function in ("model_checks.check_bundle", "model_checks.check_packaged"):
        kill_run(home, function, after=True)
    assert retrain(home / "job.toml").outcome == "promoted"
    (line,) = (home / "runs" / "monitor.jsonl").read_text().splitlines()
    assert json.loads(line) == json.loads((home / "runs" / "0002" / "monitor.json").read_text())


@pytest.mark.slow
def test_a_rollback_after_a_kill_stays(promoted):
    home, first = promoted
    render(home / "chips", home / "labels.csv", 60, 30)
    kill_run(home, "ledger.write", after=False)
    assert registry.pointers(home / "models").previous == first.model  # the second run has promoted its candidate
    registry.rollback(home / "models", why="worse")
    second = retrain(home / "job.toml")
    assert (second.outcome, second.run, second.model) == ("promoted", 2, first.model)
    assert second.champion == first.model != second.candidate
    assert retrain(home / "job.toml").outcome == "no_change"


@pytest.mark.slow
def test_a_damaged_candidate_of_a_killed_run_is_trained_again(home):
    kill_run(home, "model_checks.check_bundle", after=True)
    (home / "runs" / "0001" / "candidate" / "decision.json").write_text("{}")
    assert retrain(home / "job.toml").outcome == "promoted"


@pytest.mark.slow
def test_a_run_that_was_stopped_by_a_signal_is_resumed(home):
    with started(jobs.command(home)) as process:
        for line in process.stderr:
            if "60 labelled chips" in line:
                break
        process.send_signal(signal.SIGTERM)
        rows, errors = finish(process, "the end of a run that was sent SIGTERM")
    assert (process.returncode, rows) == (143, ""), errors
    assert "Traceback" not in errors
    result = retrain(home / "job.toml")
    assert (result.outcome, result.run) == ("promoted", 1)
