"""Array jobs: what their own tools say of them, and that a script of SLURM gives what one run gives."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[3]
SBATCH = """#!/bin/bash
# Runs the tasks of an array at once, the last one first, as SLURM might.
script=$(cat)
for option in "$@"; do
    case $option in
        --array=1-*) tasks=${option#--array=1-} ;;
        --chdir=*) cd "${option#--chdir=}" ;;
    esac
done
if [ -z "${tasks:-}" ]; then exec bash -c "$script"; fi
for ((task = tasks; task > 0; task--)); do
    SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_COUNT=$tasks bash -c "$script" >&2 || exit
done
echo "7;cluster"
"""


@pytest.fixture
def folder(world, tmp_path):
    """A folder with chips whose name needs quoting everywhere."""
    home = tmp_path / "50% of $HOME's chips"
    (home / "my chips").mkdir(parents=True)
    for path in sorted(world.test_jpg.iterdir())[:5]:
        shutil.copy(path, home / "my chips")
    return home


def unit(run, folder, kind, *words, tasks=3):
    shown = run("schedule", "--array", tasks, kind, "--", *words, cwd=folder)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def test_a_script_of_slurm_writes_the_tags_of_one_run(run, folder, model, tmp_path):
    words = ("--model", model, "--precision", "f32", "--on-error", "skip")
    alone = run("predict", "my chips", *words, "-o", "alone.csv", "--scores", "alone.parquet", cwd=folder)
    assert alone.returncode == 0
    outputs = ("--checkpoint", "run", "-o", "tags.csv", "--scores", "scores.parquet")
    script = unit(run, folder, "--slurm", "predict", "my chips", *words, *outputs)

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sbatch").write_text(SBATCH)
    (tmp_path / "bin" / "sbatch").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-e"], input=script, text=True, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "--dependency=afterok:" in script
    assert (folder / "tags.csv").read_bytes() == (folder / "alone.csv").read_bytes()
    assert (folder / "scores.parquet").read_bytes() == (folder / "alone.parquet").read_bytes()


def test_sbatch_takes_the_script(run, folder):
    if shutil.which("sbatch") is None:
        pytest.skip("sbatch is not installed")
    script = unit(run, folder, "--slurm", "predict", "my chips", "--checkpoint", "run")
    script = script.replace("sbatch ", "sbatch --test-only ")
    done = subprocess.run(["bash", "-e"], input=script, text=True, capture_output=True, check=False)
    assert "unrecognized" not in done.stderr


@pytest.mark.parametrize("tasks", [1, 1000])
def test_kubernetes_gets_an_indexed_job_and_one_that_merges(run, folder, tasks):
    text = unit(run, folder, "--k8s", "predict", "my chips", "--checkpoint", "run", "-o", "tags.csv", tasks=tasks)
    shards, merge = yaml.safe_load_all(text)
    for document in (shards, merge):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    assert (shards["spec"]["completionMode"], shards["spec"]["completions"]) == ("Indexed", tasks)
    (pod,), (merger,) = (document["spec"]["template"]["spec"]["containers"] for document in (shards, merge))
    expected = ["amazon_tags", "predict", "my chips", "--checkpoint", "run", "--shard", f"auto/{tasks}"]
    assert pod["command"] == expected
    assert merger["command"] == ["amazon_tags", "merge", "run", "--output", "tags.csv"]


def test_a_map_is_merged_by_itself_without_a_shard(run, folder, world):
    shutil.copy(next(world.test_jpg.iterdir()), folder / "scene.jpg")
    words = ["map", "scene.jpg", "-o", "tags.geojson", "--checkpoint", "run"]
    shards, merge = yaml.safe_load_all(unit(run, folder, "--k8s", *words))
    commands = [job["spec"]["template"]["spec"]["containers"][0]["command"] for job in (shards, merge)]
    assert commands == [["amazon_tags", *words, "--shard", "auto/3"], ["amazon_tags", *words]]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--array", "3", "--slurm", "--", "train", "my chips"], "expected predict or map"),
        (["--array", "3", "--slurm", "--", "predict", "my chips"], "--checkpoint"),
        (["--array", "3", "--slurm", "--", "predict", "my chips", "--checkpoint", "run", "--shard", "1/2"], "--shard"),
        (["--array", "3", "--slurm", "--", "predict", "absent", "--checkpoint", "run"], "absent"),
        (["--array", "3", "--cron", "--", "predict", "my chips", "--checkpoint", "run"], "add --slurm or --k8s"),
        (["--array", "3", "--", "predict", "my chips", "--checkpoint", "run"], "no scheduler was named"),
        (["--slurm", "job.toml"], "add --systemd or --cron or --k8s"),
        (["--cron", "absent.toml"], "absent.toml"),
    ],
)
def test_what_is_no_array_job_is_a_usage_error(run, folder, words, reason):
    done = run("schedule", *words, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr.splitlines()[-1]


def test_kubernetes_refuses_chips_that_its_pods_would_not_see(run, folder):
    done = run(
        "schedule", "--array", 3, "--k8s", "--", "predict", folder / "my chips", "--checkpoint", "run", cwd=folder
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "pods see as /work" in done.stderr


def test_the_dockerfile_passes_its_linter():
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    subprocess.run([hadolint, ROOT / ".docker" / "Dockerfile"], check=True)
    text = (ROOT / ".docker" / "Dockerfile").read_text()
    copied = {word for line in text.splitlines() if line.startswith("COPY ") for word in line.split()[1:-1]}
    assert {"amazon_tags", "features", "ensemble", "pyproject.toml", "README.md", "LICENSE"} <= copied
