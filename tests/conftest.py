"""What several test files stand on: the real data, where there is any; a rendered world and a model trained on it."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from amazon_tags import progress
from tests import processes
from tests import world as worlds

START = "folds = 2\nside = 64\n"
TUNED = """
[[members]]
kind = "tuned"
name = "net"
backbone = "toy"
weights = "none"
epochs = 2
rate = 1e-3
"""
FROZEN = """
[[members]]
kind = "frozen"
name = "vectors"
backbone = "toy"
weights = "none"
head = "ridge"
"""

Run = Callable[..., subprocess.CompletedProcess[str]]
KERAS_COMMANDS = (
    "compress",
    "curve",
    "embed",
    "inspect",
    "pretrain",
    "rank",
    "retrain",
    "search-layer",
    "sources",
    "train",
)  # those that import Keras

LONGEST = (  # files that begin first, or a process would be left with one of them when the others have ended
    "kaggle/test_produce.py",
    "amazon_tags/test_readme.py",
    "amazon_tags/training/test_search_layer.py",
    "amazon_tags/retraining/test_retrain.py",
    "features/networks/test_backbones.py",
    "amazon_tags/model/test_registry.py",
    "amazon_tags/training/test_curve.py",
    "amazon_tags/training/test_backbone_members.py",
    "ensemble/second_level/test_candidates.py",
    "test_benchmarks.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first; all others stay in their order."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session", autouse=True)
def messages() -> None:
    """Show messages on stderr, as the command line does."""
    progress.show_messages()


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real chips that `AMAZON_TAGS_DATA` names."""
    folder = os.environ.get("AMAZON_TAGS_DATA")
    if not folder:
        pytest.skip("AMAZON_TAGS_DATA does not name the folder of real chips")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> worlds.World:
    """The competition's folders, tiny and rendered."""
    return worlds.build(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def run() -> Run:
    """Runs the command line in a process of its own, with Python's own handling of signals and pipes.

    The process is a fork, which needs no time to import, if the command imports Keras or an earlier one has. It is a
    start of Python before, and with options that a fork does not take, such as `env`.
    """

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        is_forked = words[0] in KERAS_COMMANDS or processes.has_imported.is_set()
        if is_forked and options.keys() <= {"cwd", "timeout"}:
            return processes.run_command(words, **options)
        command = [sys.executable, "-m", "amazon_tags", *words]
        options = {"capture_output": True, "text": True, "restore_signals": True, **options}
        return subprocess.run(command, check=False, **options)

    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python has it; a test runner may have set another
    return run


@pytest.fixture(scope="session")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe with a fine-tuned and a frozen member of the toy backbone."""
    path = tmp_path_factory.mktemp("recipe") / "toy.toml"
    path.write_text(START + TUNED + FROZEN)
    return path


@pytest.fixture(scope="session")
def frozen_recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe with the frozen member alone, which trains fastest."""
    path = tmp_path_factory.mktemp("recipe") / "frozen.toml"
    path.write_text(START + FROZEN)
    return path


@pytest.fixture(scope="session")
def model(world: worlds.World, run: Run, recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained by the command on the rendered world, once for all processes that share the tests."""
    common = tmp_path_factory.getbasetemp()
    common = common.parent if "PYTEST_XDIST_WORKER" in os.environ else common
    bundle = common / "trained" / "model"
    bundle.parent.mkdir(exist_ok=True)
    with (common / "trained.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not bundle.exists():
            page = bundle.with_suffix(".html")
            options = ("--recipe", recipe_file, "--views", 2, "--html", page)
            done = run("train", world.train_jpg, world.labels, "-o", bundle, *options)
            assert done.returncode == 0, done.stderr
    return bundle


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The toy backbone as OpenVINO runs it: graph and weights; it takes chips of 64 x 64 pixels."""
    import keras  # noqa: PLC0415  most tests need none

    from features.images.chips import ChipSpec  # noqa: PLC0415
    from features.networks import backbones, openvino_export  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("toy")
    keras.utils.set_random_seed(0)
    openvino_export.export(backbones.build("toy", ChipSpec(side=64)), folder)
    return (folder / "network.xml").read_bytes(), (folder / "network.bin").read_bytes()
