"""The structure as a whole: which package may import which, what the command line loads, names at the top level."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = {  # each package, and each part of one, may import those before it
    "features": ("arrays", "images", "initialisation", "networks", "scenes", "pretraining"),
    "ensemble": (
        *("arrays", "metrics", "heads", "networks", "compression"),
        *("choice", "decisions", "representation", "second_level"),
    ),
    "amazon_tags": (
        "records",
        "signals",
        "progress",
        "errors",
        "cluster",
        "files",
        "pages",
        "tables",
        "datasets",
        "model",
        "evaluation",
        "prediction",
        "maps",
        "training",
        "pretraining",
        "inspection",
        "compression",
        "retraining",
        "review",
        "tagger",
        "commands",
        "cli",
        "__main__",
    ),
}
PACKAGES = list(ORDER)
PREDICTING = (
    "from amazon_tags.model import bundle; import amazon_tags.prediction.submission; "
    "import amazon_tags.prediction.checkpoint; bundle.load(bundle.DEFAULT)"
)
HEAVY = {"keras", "tensorflow", "openvino", "sklearn", "rasterio", "xgboost", "pyarrow", "albumentations"}


def modules() -> dict[str, Path]:
    """Every module of the three packages, by its dotted name, but for the packages' own `__init__`."""
    sources = [source for package in PACKAGES for source in sorted((ROOT / package).rglob("*.py"))]
    return {
        ".".join(source.relative_to(ROOT).with_suffix("").parts): source
        for source in sources
        if source.name != "__init__.py"
    }


def imported(source: Path) -> set[str]:
    """The dotted names that a file imports, wherever the import stands; of `from a import b`, both a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_imports_of_packages_point_one_way():
    for package in PACKAGES:
        later = {*PACKAGES[PACKAGES.index(package) + 1 :], "kaggle", "tests"}
        for source in sorted((ROOT / package).rglob("*.py")):
            assert not {name.split(".")[0] for name in imported(source)} & later, source


def test_imports_within_a_package_point_one_way():
    for name, source in modules().items():
        package, part = name.split(".")[:2]
        for other in imported(source) & set(modules()):
            if other.split(".")[0] == package:
                order = ORDER[package]
                assert order.index(other.split(".")[1]) <= order.index(part), f"{name} imports {other}"


def test_no_import_makes_a_cycle():
    graph = {name: imported(source) & set(modules()) - {name} for name, source in modules().items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(modules())


@pytest.mark.parametrize("package", ["features", "ensemble"])
def test_lower_packages_neither_print_nor_read_the_clock(package):
    for source in sorted((ROOT / package).rglob("*.py")):
        calls = [node.func for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)]
        assert not [call.id for call in calls if isinstance(call, ast.Name) and call.id in {"print", "input"}], source
        assert not {name.split(".")[0] for name in imported(source)} & {"time", "datetime", "click", "rich"}, source


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
    known = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "kaggle", "tests", *PACKAGES}
    top = {name.split("/")[0] for name in shown.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= known


def test_the_bundled_model_is_small():
    held = (ROOT / "amazon_tags" / "default_model").rglob("*")
    assert sum(path.stat().st_size for path in held if path.is_file()) <= 16 * 2**20
