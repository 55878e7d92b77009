"""Jobs done: promoted, rejected, resumed, and nothing to do."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import mlflow
import numpy as np
import pytest
from PIL import Image

from amazon_tags.datasets import sample, sample_competition
from amazon_tags.model import bundle, registry, training_record
from amazon_tags.model.bundle import BundleError
from amazon_tags.model.manifest import digest
from amazon_tags.model.registry import RegistryError
from amazon_tags.retraining import data_checks, job_data, ledger, model_checks, tracking
from amazon_tags.retraining import retrain as retraining
from amazon_tags.retraining.job import GateLimits, read_job
from amazon_tags.retraining.retrain import PASSED, retrain
from amazon_tags.tables import labels
from amazon_tags.training.train import train_on
from ensemble.metrics import score
from features.images import listing
from tests import world as worlds

RECIPE = """
folds = 2
side = 64
decision = "flat"
[[members]]
kind = "frozen"
name = "vectors"
backbone = "toy"
weights = "none"
head = "ridge"
"""
LOOSE = """
[gate]
margin = 1.0
worse = 1.0
recall = 1.0
stability = 100.0
growth = 100.0
disagreement = 1.0
gone = 1.0
"""


def render(folder, table, first, count):
    """Chips and their rows, the table's content anew."""
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        pixels = sample.render(worlds.tags(number), seed=number, side=worlds.SIDE)
        (folder / f"chip_{number}.jpg").write_bytes(sample_competition.four_components(pixels))
    rows = [f"chip_{number},{' '.join(worlds.tags(number))}" for number in range(first + count)]
    table.write_text("\n".join(["image_name,tags", *rows]) + "\n")


@pytest.fixture
def home(tmp_path):
    """A job's folder with 60 rendered chips."""
    render(tmp_path / "chips", tmp_path / "labels.csv", 0, 60)
    (tmp_path / "toy.toml").write_text(RECIPE)
    (tmp_path / "job.toml").write_text('recipe = "toy.toml"\n[[data]]\nchips = "chips"\ntable = "labels.csv"\n' + LOOSE)
    return tmp_path


def test_a_job_promotes_then_has_nothing_to_do_then_takes_new_chips(home):
    first = retrain(home / "job.toml")
    assert first["outcome"] == "promoted", first
    assert registry.pointers(home / "models").current == first["model"] == first["candidate"]
    again = retrain(home / "job.toml")
    assert (again["outcome"], again["run"], again["model"]) == ("no_change", 1, first["model"])
    render(home / "chips", home / "labels.csv", 60, 30)
    second = retrain(home / "job.toml")
    assert (second["outcome"], second["champion"], second["run"]) == ("promoted", first["model"], 2)
    assert set(second["f2"]) == {"champion", "candidate"}
    assert registry.pointers(home / "models").previous == first["model"]
    assert ledger.last(home / "runs").candidate == second["model"]
    folder = home / "runs" / "0002"
    assert {path.name for path in folder.iterdir()} >= {"run.json", "gate.json", "data.json", "log.txt"}
    assert not (folder / "candidate").exists()  # the registry has it
    (line,) = (home / "runs" / "monitor.jsonl").read_text().splitlines()
    assert json.loads(line)["model"] == first["model"]
    assert json.loads((folder / "run.json").read_text())["outcome"] == "promoted"
    assert "F2" in [check["name"] for check in json.loads((folder / "gate.json").read_text())]


def test_without_its_ledger_a_job_goes_on_and_keeps_the_records_of_its_runs(home):
    first = retrain(home / "job.toml")
    record = (home / "runs" / "0001" / "run.json").read_bytes()
    (home / "runs" / ledger.FILE).unlink()
    render(home / "chips", home / "labels.csv", 60, 5)
    second = retrain(home / "job.toml")
    assert (second["outcome"], second["run"], second["champion"]) == ("promoted", 2, first["model"])
    assert (home / "runs" / "0001" / "run.json").read_bytes() == record


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('registry = "chips"', "chips lies in .*chips, which is registry"),
        ('runs = "."', "chips lies in .*, which is runs"),
        ('registry = "photos"', "holds 1 other things"),
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


def test_withheld_chips_are_in_no_model(home):
    done = retrain(home / "job.toml")
    taken = job_data.gather(read_job(home / "job.toml"))
    held = training_record.read(home / "models" / done["model"])
    withheld = {digest for digest, out in zip(taken.given.hashes, taken.withheld, strict=True) if out}
    assert withheld
    assert set(held.hashes) == set(taken.given.hashes) - withheld


def test_a_table_that_was_cut_short_replaces_no_model(home):
    config = home / "job.toml"
    first = retrain(config)
    config.write_text(config.read_text().replace("gone = 1.0", "gone = 0.2"))
    table = (home / "labels.csv").read_text().splitlines()
    (home / "labels.csv").write_text("\n".join(table[:31]) + "\n")
    second = retrain(config)
    assert (second["outcome"], second["model"]) == ("rejected", first["model"])
    assert "chips that the current model learnt from are in no table any more" in second["why"]
    (home / "labels.csv").write_text("\n".join(table[:-3]) + "\n")
    assert retrain(config)["outcome"] == "promoted"


def test_a_tag_that_left_the_whole_table_or_tags_of_many_chips_are_told(home):
    config = home / "job.toml"
    first = retrain(config)
    config.write_text(config.read_text().replace("gone = 1.0", "gone = 0.2"))
    rows = (home / "labels.csv").read_text()
    for text, why in (
        (rows.replace(" primary", ""), "no chip at all carries primary"),
        (rows.replace("blooming ", ""), "no chip at all carries blooming"),
        (rows.replace("primary", "primary road"), "have other tags than then"),
    ):
        (home / "labels.csv").write_text(text)
        done = retrain(config)
        assert (done["outcome"], done["model"]) == ("rejected", first["model"])
        assert why in done["why"]


def test_a_folder_that_is_no_run_is_never_removed(home):
    (home / "runs" / "0001").mkdir(parents=True)
    (home / "runs" / "0001" / "mine.jpg").write_text("precious")
    with pytest.raises(ValueError, match="0001 is no run of a job"):
        retrain(home / "job.toml")
    assert (home / "runs" / "0001" / "mine.jpg").read_text() == "precious"


def test_a_registry_that_is_gone_is_no_empty_one_and_another_champion_is_news(home):
    config = home / "job.toml"
    first = retrain(config)
    (home / "models").rename(home / "elsewhere")
    with pytest.raises(RegistryError, match=f"has no current model, but by the ledger {first['model']} was"):
        retrain(config)
    shutil.rmtree(home / "models")
    (home / "elsewhere").rename(home / "models")
    assert retrain(config)["outcome"] == "no_change"
    entry = ledger.last(home / "runs")
    ledger.write(home / "runs", replace(entry, number=2, outcome="rejected", champion="0" * 12))
    assert retrain(config)["run"] == 3


def test_a_first_run_that_was_killed_before_its_promotion_stops_nobody(home):
    script(home, DYING.format(function="registry.promote", done=False)).communicate(timeout=120)
    assert registry.model_names(home / "models")
    render(home / "chips", home / "labels.csv", 60, 5)
    assert retrain(home / "job.toml")["outcome"] == "promoted"


def test_the_champion_is_a_witness_against_wrong_labels_and_stays(home):
    config = home / "job.toml"
    config.write_text(config.read_text().replace("disagreement = 1.0", "disagreement = 0.05"))
    first = retrain(config)
    before = (home / "models" / registry.POINTERS).read_bytes()
    render(home / "chips", home / "labels.csv", 60, 40)
    rows = (home / "labels.csv").read_text().splitlines()
    names = [row.split(",")[0] for row in rows[61:]]
    (home / "labels.csv").write_text("\n".join([*rows[:61], *(f"{name},cloudy" for name in names)]) + "\n")
    second = retrain(config)
    assert second["outcome"] == "rejected"
    assert "the data: " in second["why"]
    assert "no new chip carries" in second["why"]
    assert (home / "models" / registry.POINTERS).read_bytes() == before
    assert second["model"] == first["model"]
    assert not (home / "runs" / "0002" / "candidate").exists()
    assert retrain(config)["outcome"] == "no_change"


def test_the_command_tells_in_one_line_and_by_its_code(home, run):
    done = run("retrain", home / "job.toml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert json.loads(done.stdout)["outcome"] == "promoted"
    text = (home / "labels.csv").read_text().splitlines()
    (home / "labels.csv").write_text("\n".join([text[0], *(f"{row.split(',')[0]},road" for row in text[1:])]) + "\n")
    done = run("retrain", home / "job.toml")
    assert done.returncode == 20, done.stderr
    assert "break a rule of the label space" in json.loads(done.stdout)["why"]


def script(home, patch, *, stdin=None):
    """A run of the job in a process of its own in which `patch` comes first."""
    code = f"""
import os, signal, sys
from pathlib import Path
from amazon_tags.files import folders
from amazon_tags.model import bundle, registry
from amazon_tags.retraining import data_checks, job_data, ledger, model_checks, retrain as retraining
from amazon_tags.training import train as training
{patch}
print(retraining.retrain(Path({str(home / "job.toml")!r}))["outcome"])
"""
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


HOLDING = """
gather = job_data.gather
def waiting(asked):
    print("running", flush=True)
    sys.stdin.readline()
    return gather(asked)
job_data.gather = waiting
"""


def test_while_one_runs_seven_leave_with_75(home):
    first = script(home, HOLDING, stdin=subprocess.PIPE)
    assert first.stdout.readline() == "running\n"
    command = [sys.executable, "-m", "amazon_tags", "retrain", str(home / "job.toml")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    others = [subprocess.Popen(command, **pipes) for _ in range(7)]
    told = [process.communicate(timeout=120) for process in others]
    assert [process.returncode for process in others] == 7 * [75], told
    assert all("Another run holds" in errors and not rows for rows, errors in told)
    assert first.communicate("\n", timeout=120)[0] == "promoted\n"
    assert ledger.last(home / "runs").number == 1


STAGES = (  # in the order in which a run comes by; the flag says whether the stage was done
    ("job_data.gather", True),
    ("folders.atomic_folder", False),
    ("data_checks.check_rules", True),
    ("retraining.train_on", False),
    ("training.fit_member", True),
    ("training.measure_precisions", True),
    ("training.bundle_writer.seal", False),
    ("retraining.train_on", True),
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
DYING = """
true = {function}
def dying(*arguments, **options):
    if {done}:
        true(*arguments, **options)
    os.kill(os.getpid(), signal.SIGKILL)
{function} = dying
"""


def test_kills_at_every_stage_leave_a_whole_registry_and_the_run_is_gone_on_with(home):
    models, promoted = home / "models", 0
    for function, done in STAGES:
        killed = script(home, DYING.format(function=function, done=done))
        said, errors = killed.communicate(timeout=120)
        assert (killed.returncode, said) == (-signal.SIGKILL, ""), (function, done, errors)
        stand = registry.pointers(models)
        if stand.current:
            bundle.verify(models / stand.current)
        promoted = max(promoted, len(stand.log))
        assert promoted <= 1
    assert retrain(home / "job.toml")["outcome"] == "no_change"
    assert bundle.verify(models / registry.pointers(models).current)
    assert (ledger.last(home / "runs").number, ledger.last(home / "runs").outcome) == (1, "promoted")
    assert len(registry.pointers(models).log) == 1
    left = [path for folder in (models, home / "runs", home / "runs" / "0001") for path in folder.glob(".*")]
    assert not left
    assert not (home / "runs" / "0001" / "candidate").exists()


DIES_BEFORE_ITS_ROW = """
def dying(*_):
    os.kill(os.getpid(), signal.SIGKILL)
ledger.write = dying
"""


def test_a_run_that_was_killed_twice_is_watched_once(home):
    retrain(home / "job.toml")
    render(home / "chips", home / "labels.csv", 60, 30)
    for function in ("model_checks.check_bundle", "model_checks.check_packaged"):
        script(home, DYING.format(function=function, done=True)).communicate(timeout=120)
    assert retrain(home / "job.toml")["outcome"] == "promoted"
    (line,) = (home / "runs" / "monitor.jsonl").read_text().splitlines()
    assert json.loads(line) == json.loads((home / "runs" / "0002" / "monitor.json").read_text())


def test_a_rejected_candidate_stays_until_there_is_something_new(home):
    config, candidate = home / "job.toml", home / "runs" / "0002" / "candidate"
    retrain(config)
    config.write_text(config.read_text().replace("worse = 1.0", "worse = 0.0"))  # which nothing keeps to
    for outcome in ("rejected", "no_change"):
        assert retrain(config)["outcome"] == outcome
        assert bundle.verify(candidate)
    config.write_text(config.read_text().replace("margin = 1.0", "margin = 0.5"))
    assert retrain(config)["outcome"] == "rejected"
    assert not candidate.exists()
    assert (home / "runs" / "0003" / "candidate").exists()


def test_a_rollback_after_a_kill_stays(home):
    first = retrain(home / "job.toml")
    render(home / "chips", home / "labels.csv", 60, 30)
    script(home, DIES_BEFORE_ITS_ROW).communicate(timeout=120)
    assert registry.pointers(home / "models").previous == first["model"]  # the second run has promoted its candidate
    registry.rollback(home / "models", why="worse")
    second = retrain(home / "job.toml")
    assert (second["outcome"], second["run"], second["model"]) == ("promoted", 2, first["model"])
    assert second["champion"] == first["model"] != second["candidate"]
    assert retrain(home / "job.toml")["outcome"] == "no_change"


def test_a_damaged_candidate_of_a_killed_run_is_made_anew(home):
    script(home, DYING.format(function="model_checks.check_bundle", done=True)).communicate(timeout=120)
    (home / "runs" / "0001" / "candidate" / "decision.json").write_text("{}")
    assert retrain(home / "job.toml")["outcome"] == "promoted"


@pytest.mark.parametrize("error", [BlockingIOError("Another run holds it"), PermissionError(13, "not yours")])
def test_a_registry_that_cannot_be_cleaned_after_the_promotion_is_a_warning(home, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(registry, "clean", refuse)
    assert retrain(home / "job.toml")["outcome"] == "promoted"


def test_models_without_a_current_one_are_no_empty_registry(home):
    first = retrain(home / "job.toml")
    render(home / "chips", home / "labels.csv", 60, 5)
    (home / "models" / registry.POINTERS).unlink()
    with pytest.raises(RegistryError, match=f"has no current model, but by the ledger {first['model']} was"):
        retrain(home / "job.toml")
    registry.promote(home / "models", first["model"], why="found again")
    assert retrain(home / "job.toml")["champion"] == first["model"]


def test_nothing_new_is_no_matter_of_course_where_the_current_model_is_damaged(home):
    first = retrain(home / "job.toml")
    (home / "models" / first["model"] / "decision.json").write_text("{}")
    with pytest.raises(BundleError, match="the current model cannot be used"):
        retrain(home / "job.toml")
    shutil.rmtree(home / "models" / first["model"])
    with pytest.raises(BundleError, match="the current model cannot be used"):
        retrain(home / "job.toml")


def test_chips_that_change_while_a_run_goes_on_make_no_model(home, monkeypatch):
    true, chip = train_on, home / "chips" / "chip_3.jpg"
    before = chip.read_bytes()

    def fit(*arguments, **options):
        chip.write_bytes((home / "chips" / "chip_4.jpg").read_bytes())
        return true(*arguments, **options)

    monkeypatch.setattr(retraining, "train_on", fit)
    with pytest.raises(ValueError, match=r"1 of \d+ chips were changed during the run .*chip_3\.jpg"):
        retrain(home / "job.toml")
    assert not (home / "runs" / "bank").exists()
    assert not (home / "models" / registry.POINTERS).exists()
    monkeypatch.undo()
    chip.write_bytes(before)
    assert retrain(home / "job.toml")["outcome"] == "promoted"


def test_a_damaged_list_of_what_passed_is_begun_anew(home):
    retrain(home / "job.toml")
    (home / "runs" / PASSED).write_bytes(b"abc")
    render(home / "chips", home / "labels.csv", 60, 5)
    assert retrain(home / "job.toml")["run"] == 2


def test_a_damaged_champion_is_told_with_the_way_back(home):
    first = retrain(home / "job.toml")
    (home / "models" / first["model"] / "decision.json").write_text("{}")
    render(home / "chips", home / "labels.csv", 60, 5)
    with pytest.raises(BundleError, match=r"the current model cannot be used: .* amazon_tags models promote"):
        retrain(home / "job.toml")


def test_a_champion_that_does_not_say_what_it_learnt_from_is_no_measure(home, tmp_path):
    first = retrain(home / "job.toml")
    old = tmp_path / "old"
    shutil.copytree(home / "models" / first["model"], old)
    (old / training_record.FILE).unlink()
    manifest = json.loads((old / "manifest.json").read_text())
    del manifest["files"][training_record.FILE]
    manifest["sha256"] = digest(manifest)
    (old / "manifest.json").write_text(json.dumps(manifest))
    registry.promote(home / "models", registry.add(home / "models", old), why="")
    render(home / "chips", home / "labels.csv", 60, 5)
    with pytest.raises(ValueError, match=r"has no record of its training chips .* train the model again"):
        retrain(home / "job.toml")


def test_the_gate_counts_the_tags_of_decisions_that_had_not_seen_the_chip(home):
    (home / "toy.toml").write_text(RECIPE.replace('"flat"', '"cuts"'))
    done = retrain(home / "job.toml")
    folder = home / "models" / done["model"]
    taken, held = job_data.gather(read_job(home / "job.toml")), training_record.read(folder)
    judged = model_checks.answer_chips(folder, taken.given, 2)
    np.testing.assert_array_equal(judged.tags[judged.blind], held.tags)
    seen = bundle.load(folder).decide(held.scores)
    assert score.f2(held.truth, held.tags) < score.f2(held.truth, seen)
    names = [check["name"] for check in json.loads((home / "runs" / "0001" / "gate.json").read_text())]
    assert "decision" in names


def test_a_decision_that_was_not_fitted_is_rejected(home):
    done = retrain(home / "job.toml")
    taken = job_data.gather(read_job(home / "job.toml"))
    judged = model_checks.answer_chips(home / "models" / done["model"], taken.given, 2)
    better = replace(judged, tags=np.where(judged.blind[:, np.newaxis], taken.given.truth, judged.tags))
    (check,) = [check for check in model_checks.check_packaged(taken.given, better, 2) if check.name == "decision"]
    assert not check.passed
    assert "it is not the one that was fitted" in check.why


def test_few_new_chips_are_held_against_the_champion_too(home):
    config = home / "job.toml"
    config.write_text(config.read_text().replace("disagreement = 1.0", "disagreement = 0.05"))
    first = retrain(config)
    render(home / "chips", home / "labels.csv", 60, 12)
    rows = (home / "labels.csv").read_text().splitlines()
    wrong = [f"{row.split(',')[0]},haze slash_burn" for row in rows[61:]]
    (home / "labels.csv").write_text("\n".join([*rows[:61], *wrong]) + "\n")
    second = retrain(config)
    assert (second["outcome"], second["model"]) == ("rejected", first["model"])
    assert "the champion reaches F2" in second["why"]


def test_stdout_that_is_closed_is_told_before_the_work(home):
    command = f"{sys.executable} -m amazon_tags retrain {home / 'job.toml'} >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, "stdout is closed" in done.stderr) == (74, True)
    assert not (home / "runs").exists()


def test_repeats_go_and_contradictions_are_counted(home):
    chips = home / "chips"
    (chips / "same.jpg").write_bytes((chips / "chip_1.jpg").read_bytes())
    (chips / "other.jpg").write_bytes((chips / "chip_2.jpg").read_bytes())
    with (home / "labels.csv").open("a") as stream:
        stream.write(f"same,{' '.join(worlds.tags(1))}\nother,cloudy\n")
    taken = job_data.gather(read_job(home / "job.toml"))
    assert (taken.told["repeats"], taken.told["contradictions"], len(taken.given.paths)) == (2, 1, 60)
    assert [check.name for check in data_checks.check_rules(taken) if not check.passed] == ["contradictions"]


def test_corrections_count_and_change_the_fingerprint(home):
    before = job_data.gather(read_job(home / "job.toml"))
    (home / "fix.csv").write_text("image_name,tag,holds\nchip_4,conventional_mine,yes\nelsewhere,road,no\n")
    config = home / "job.toml"
    config.write_text('corrections = "fix.csv"\n' + config.read_text())
    after = job_data.gather(read_job(config))
    row = [listing.name(path) for path in after.given.paths].index("chip_4")
    assert after.given.truth[row, labels.PLANET.names.index("conventional_mine")]
    assert after.told["corrections"]["elsewhere"] == 1
    assert after.given.fingerprint != before.given.fingerprint


@pytest.mark.parametrize(
    ("rows", "message"),
    [("chip_0,road\n", "stand in another table too"), ("nowhere,road\n", "are missing from")],
)
def test_tables_that_do_not_fit_the_chips_are_refused(home, rows, message):
    (home / "more.csv").write_text("image_name,tags\n" + rows)
    config = home / "job.toml"
    config.write_text(config.read_text() + '\n[[data]]\nchips = "chips"\ntable = "more.csv"\n')
    with pytest.raises(ValueError, match=message):
        job_data.gather(read_job(config))


def test_too_few_chips_to_train_on_are_told(home):
    rows = (home / "labels.csv").read_text().splitlines()
    (home / "labels.csv").write_text("\n".join(rows[:2]) + "\n")
    with pytest.raises(ValueError, match=r"1 chips have labels, and . of them are withheld; training needs 2"):
        job_data.gather(read_job(home / "job.toml"))


def test_chips_with_red_and_blue_exchanged_are_told(home):
    config = home / "job.toml"
    retrain(config)
    render(home / "chips", home / "labels.csv", 60, 40)
    for number in range(60, 100):
        path = home / "chips" / f"chip_{number}.jpg"
        with Image.open(path) as image:
            bands = image.convert("RGB").split()
        Image.merge("RGB", bands[::-1]).save(path, quality=95)
    taken = job_data.gather(read_job(config))
    folder = home / "models" / registry.pointers(home / "models").current
    champion = model_checks.answer_chips(folder, taken.given, 2)
    checks = data_checks.check_new_chips(
        taken, champion, training_record.read(folder), np.zeros(0, np.uint64), GateLimits()
    )
    assert [check for check in checks if check.name == "bands" and not check.passed]
    assert "red and blue of the new chips seem to be exchanged" in model_checks.reasons(checks)


def test_few_wrong_chips_do_not_hide_among_many_good_ones(home):
    config = home / "job.toml"
    retrain(config)
    render(home / "chips", home / "labels.csv", 60, 120)
    before = job_data.gather(read_job(config))
    rows = (home / "labels.csv").read_text().splitlines()
    render(home / "chips", home / "labels.csv", 180, 30)
    wrong = [f"chip_{number},cloudy" for number in range(180, 210)]
    (home / "labels.csv").write_text("\n".join([*rows, *wrong]) + "\n")
    taken = job_data.gather(read_job(config))
    folder = home / "models" / registry.pointers(home / "models").current
    champion, known = model_checks.answer_chips(folder, taken.given, 2), training_record.read(folder)
    lenient = GateLimits(disagreement=0.2)
    alone = data_checks.check_new_chips(taken, champion, known, data_checks.marks(before.given), lenient)
    among = data_checks.check_new_chips(taken, champion, known, np.zeros(0, np.uint64), lenient)
    assert len(alone) - 4 == 2 * (len(among) - 4)  # four checks are of all chips
    assert not [check for check in among if check.name == "agreement" and not check.passed]
    assert [check for check in alone if check.name == "agreement" and not check.passed]


def test_stopped_by_a_signal_a_run_is_gone_on_with(home):
    command = [sys.executable, "-m", "amazon_tags", "retrain", str(home / "job.toml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (home / "runs" / "0001").exists() and process.poll() is None:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGTERM)
        _, said = process.communicate()
    assert process.returncode in (143, 0, -signal.SIGTERM), said
    assert "Traceback" not in said
    assert retrain(home / "job.toml")["outcome"] in ("promoted", "no_change")


def test_answers_of_a_champion_are_blind_where_it_learnt(home):
    retrain(home / "job.toml")
    taken = job_data.gather(read_job(home / "job.toml"))
    folder = home / "models" / registry.pointers(home / "models").current
    judged = model_checks.answer_chips(folder, taken.given, 2)
    np.testing.assert_array_equal(judged.blind, ~taken.withheld)
    held = training_record.read(folder)
    np.testing.assert_array_equal(judged.scores[judged.blind], held.scores)
    assert judged.band_statistics.any(axis=1).all()


def test_a_run_is_in_mlflow_with_its_metrics_and_the_champion(home):
    config = home / "job.toml"
    config.write_text('tracking = "chips"\n' + config.read_text())
    done = retrain(config)
    uri = f"sqlite:///{home / 'runs' / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri, uri)
    (run,) = client.search_runs([client.get_experiment_by_name("chips").experiment_id])
    assert run.data.metrics["f2_candidate"] == pytest.approx(done["f2"]["candidate"])
    assert (run.data.params["outcome"], run.data.params["member 0 backbone"]) == ("promoted", "toy")
    assert run.info.status == "FINISHED"
    report = [file.path for file in client.list_artifacts(run.info.run_id, "report")]
    assert sorted(report) == ["report/data.json", "report/gate.json", "report/run.json"]
    version = client.get_model_version_by_alias("chips", "champion")
    assert version.tags["amazon_tags.model"] == done["model"]
    told = json.loads((home / "runs" / "0001" / "run.json").read_text())
    assert tracking.write("chips", home / "runs", told, home / "runs" / "0001") == run.info.run_id


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "foo://bar", ""])  # nobody listens, unknown, damaged
def test_a_tracking_server_that_is_not_there_is_a_warning(home, run, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (home / "runs").mkdir()
    (home / "runs" / "mlflow.db").write_text("no database, and longer than the header of one " * 9)
    config = home / "job.toml"
    config.write_text('tracking = "chips"\n' + config.read_text())
    done = run("retrain", config)
    assert done.returncode == 0, done.stderr
    assert "WARNING: MLflow at" in done.stderr
    assert ledger.last(home / "runs").outcome == "promoted"
