"""What holds of the house as a whole: rooms, weight of the command line, names at the top."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ["features", "ensemble", "amazon_tags"]  # each may import itself and those before it
PREDICTING = (
    "from amazon_tags.model import bundle; import amazon_tags.prediction.submission; "
    "import amazon_tags.prediction.checkpoint; bundle.load(bundle.DEFAULT)"
)
HEAVY = {"keras", "tensorflow", "openvino", "sklearn", "rasterio", "xgboost", "pyarrow", "albumentations"}


def imported(source: Path) -> set[str]:
    """The first words of all that a file imports, wherever the import stands."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(room):
    beyond = {*ROOMS[ROOMS.index(room) + 1 :], "kaggle", "tests"}
    for source in sorted((ROOT / room).rglob("*.py")):
        assert not imported(source) & beyond, source


@pytest.mark.parametrize("room", ["features", "ensemble"])
def test_lower_rooms_neither_print_nor_know_the_clock(room):
    for source in sorted((ROOT / room).rglob("*.py")):
        calls = [node.func for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)]
        assert not [call.id for call in calls if isinstance(call, ast.Name) and call.id in {"print", "input"}], source
        assert not imported(source) & {"time", "datetime", "click", "rich"}, source


def modules_after(statement: str) -> set[str]:
    script = f"import sys; {statement}; print(*sys.modules, sep='\\n')"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return {name.split(".")[0] for name in shown.stdout.split()}


def test_the_command_line_imports_nothing_heavy():
    assert not modules_after("import amazon_tags.cli") & HEAVY


def test_predicting_imports_neither_keras_nor_tensorflow():
    assert not modules_after(PREDICTING) & {"keras", "tensorflow", "albumentations"}


def test_predicting_imports_nothing_that_fits_models():
    assert not modules_after(PREDICTING) & {"sklearn", "scipy", "xgboost"}


@pytest.mark.parametrize("module", ["openvino_runtime", "quantise"])
def test_openvino_is_imported_without_its_telemetry(module):
    statement = f"from features.networks import {module}; assert sys.modules.pop('openvino_telemetry') is None"
    assert "openvino_telemetry" not in modules_after(statement)


def test_only_known_names_stand_at_the_top():
    shown = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False)
    if shown.returncode:
        pytest.skip("not a checkout")
    known = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "kaggle", "tests", *ROOMS}
    top = {name.split("/")[0] for name in shown.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= known


def test_the_bundled_model_is_small():
    held = (ROOT / "amazon_tags" / "default_model").rglob("*")
    assert sum(path.stat().st_size for path in held if path.is_file()) <= 16 * 2**20
