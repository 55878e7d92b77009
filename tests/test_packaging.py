"""What pyproject.toml, .ci/run and the workflow say must agree with each other and with the files."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
JOB = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["checks"]


def test_the_licences_of_code_and_model_are_packed():
    assert PROJECT["license-files"] == ["LICENSE", "amazon_tags/default_model.LICENSE"]
    assert "non-commercial" in (ROOT / "amazon_tags" / "default_model.LICENSE").read_text(encoding="utf-8")
    assert "default_model.LICENSE" in PYPROJECT["tool"]["setuptools"]["package-data"]["amazon_tags"]


def test_the_workflow_runs_on_each_python_that_the_package_supports():
    versions = [text.rsplit(" ", 1)[1] for text in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", text)]
    assert JOB["strategy"]["matrix"] == {"python": versions, "dependencies": ["lowest", "newest"]}


@pytest.mark.parametrize("command", ["ruff check .", "ruff format --check .", "mypy", "mypy kaggle/*.py"])
def test_the_workflow_runs_the_checks_of_the_script(command):
    steps = "\n".join(step.get("run", "") for step in JOB["steps"])
    assert command in steps.splitlines()
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_workflow_names_test_files_that_exist():
    paths = re.findall(r"tests/[\w/.]+", WORKFLOW.read_text(encoding="utf-8"))
    assert paths
    assert not [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize("name", ["bug", "feature"])
def test_each_issue_form_has_fields_with_labels(name):
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text(encoding="utf-8"))
    assert {"name", "description", "labels", "body"} == set(form)
    assert all(field["attributes"]["label"] and field["id"] for field in form["body"])


def test_the_script_runs_the_test_command_of_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^pip install -e '\.\[test\]' && (pytest .+)$", readme, re.MULTILINE)
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (reads_it,) = re.findall(r"^tests=(.+)$", script, re.MULTILINE)
    shown = subprocess.run(["bash", "-c", f'echo "{reads_it}"'], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout.strip() == command
    assert script.rstrip().endswith('eval "$tests"')
