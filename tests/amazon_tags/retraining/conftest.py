"""Jobs for the tests of this folder: one that never ran, and one that has promoted its first model."""

import shutil

import pytest

from amazon_tags.retraining.retrain import retrain
from tests.amazon_tags.retraining import jobs


@pytest.fixture
def home(tmp_path):
    """A job's folder with 60 rendered chips."""
    jobs.write_job(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def promoted_once(tmp_path_factory):
    """A job that ran once, and its result; only to be copied."""
    folder = tmp_path_factory.mktemp("promoted") / "home"
    folder.mkdir()
    jobs.write_job(folder)
    return folder, retrain(folder / "job.toml")


@pytest.fixture
def promoted(promoted_once, tmp_path):
    """A job's folder after its first run, which promoted a model, and that run's result."""
    source, result = promoted_once
    shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    return tmp_path, result
