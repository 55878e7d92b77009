"""Units of schedulers: what they say, and that their own tools read them."""

import json
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml

from amazon_tags.retraining.schedule import schedule_unit


@pytest.fixture
def config(world, tmp_path):
    """A job in a folder with a name that needs quoting everywhere."""
    home = tmp_path / "50% of $HOME's chips"
    home.mkdir()
    path = home / "job.toml"
    path.write_text(f"[[data]]\nchips = {json.dumps(str(world.train_jpg))}\ntable = {json.dumps(str(world.labels))}\n")
    return path


def test_systemd_reads_its_unit(config, tmp_path):
    text = schedule_unit(config, "systemd", at="23:05")
    assert "Persistent=true" in text
    assert "OnCalendar=*-*-* 23:05:00" in text
    name = "retrain-50-of-home-s-chips-job"
    service, timer = text.split(f"# --- {name}.timer\n")
    (tmp_path / f"{name}.service").write_text(service)
    (tmp_path / f"{name}.timer").write_text(timer)
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    units = sorted(tmp_path.glob(f"{name}.*"))
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert name not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


def test_a_shell_reads_the_line_of_cron(config):
    line = schedule_unit(config, "cron", at="04:30").splitlines()[-1]
    minute, hour, *stars, command = line.split(" ", 5)
    assert (minute, hour, stars) == ("30", "4", ["*", "*", "*"])
    script = command.replace("\\%", "%").replace(" -m amazon_tags retrain ", " -c 'import sys; print(sys.argv[1:])' ")
    subprocess.run(["sh", "-c", script], check=True)
    assert (config.parent / "job.log").read_text() == f"{[str(config)]}\n"
    assert "%" not in command.replace("\\%", "")


def test_kubernetes_gets_a_job_that_does_not_overlap(config):
    unit = yaml.safe_load(schedule_unit(config, "k8s", at="03:00"))
    kubernetes_validate.validate(unit, kubernetes_validate.latest_version(), strict=True)  # by Kubernetes' own schema
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**unit, "surprise": 1}, kubernetes_validate.latest_version(), strict=True)
    assert (unit["apiVersion"], unit["kind"]) == ("batch/v1", "CronJob")
    assert unit["spec"]["concurrencyPolicy"] == "Forbid"
    assert unit["spec"]["schedule"] == "0 3 * * *"
    container = unit["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["amazon_tags", "retrain", "/job/job.toml"]


def test_what_cannot_run_is_not_scheduled(config, run):
    for time in ("3", "24:00", "\u0660\u0663:00"):
        with pytest.raises(ValueError, match="is not a time of day; write it like 03:00"):
            schedule_unit(config, "cron", at=time)
    config.write_text(config.read_text() + "surprise = 1\n")
    done = run("schedule", config, "--cron")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert run("schedule", config).returncode == 2
