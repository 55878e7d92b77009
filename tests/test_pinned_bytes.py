"""The bytes that commands write, pinned: moving or renaming code must not change them.

Floating-point sums differ between processors and library releases, so `pinned_bytes.json` names those that it was
recorded on, and the comparison is skipped elsewhere. A change that is meant to alter bytes records them again:

    AMAZON_TAGS_RECORD=1 pytest tests/test_pinned_bytes.py
"""

import hashlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

import pytest

PINS = Path(__file__).with_name("pinned_bytes.json")
LIBRARIES = ("numpy", "scipy", "scikit-learn", "Pillow", "simplejpeg", "openvino", "keras", "tensorflow-cpu", "nncf")
NETWORKS = ("00-net", "01-vectors")
JOB = """
recipe = "{recipe}"
[[data]]
chips = "{chips}"
table = "{table}"
"""


def machine() -> dict[str, str]:
    """The processor and the libraries that decide how floating-point numbers are summed."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    fields = {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in lines if ":" in line}
    name, flags = fields.get("model name", platform.processor()), digest(fields.get("flags", ""))[:12]
    processor = {"processor": name, "flags": flags}
    return {**processor, "cores": str(os.cpu_count()), **{name: version(name) for name in LIBRARIES}}


def digest(content: bytes | str) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def bundle_digests(what: str, folder: Path) -> dict[str, str]:
    """Networks, heads, decision, second level, golden scores and out-of-fold scores of a bundle."""
    kept = sorted([*folder.glob("members/*/*.bin"), *folder.glob("members/*/head.*"), *folder.glob("*.npz")])
    paths = [*kept, folder / "decision.json"]
    return {f"{what} {path.relative_to(folder).as_posix()}": digest(path.read_bytes()) for path in paths}


@pytest.fixture(scope="module")
def measured(world, run, recipe_file, model, tmp_path_factory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("pinned")

    def succeed(*words):
        done = run(*words, cwd=home)
        assert done.returncode == 0, done.stderr
        return done.stdout

    found = bundle_digests("train", model)
    for name, folder in (("bundled model", None), ("trained model", model)):
        options = ("--precision", "f32", "--views", 2, *(("--model", folder) if folder else ()))
        rows = succeed("predict", world.train_jpg, "--scores", home / "scores.csv", *options)
        found[f"predict, {name}, tags"] = digest(rows)
        found[f"predict, {name}, scores"] = digest((home / "scores.csv").read_bytes())
    report = succeed("tune", home / "scores.csv", world.labels, "-o", home / "decision.json", "--json")
    found["tune, decision"] = digest((home / "decision.json").read_bytes())
    found["tune, numbers"] = digest(json.dumps(_numbers(json.loads(report))))
    found["decide"] = digest(succeed("decide", home / "scores.csv", "--decision", home / "decision.json"))
    found["leaks"] = digest(succeed("leaks", world.train_jpg, world.test_jpg))
    (home / "job.toml").write_text(JOB.format(recipe=recipe_file, chips=world.train_jpg, table=world.labels))
    result = json.loads(succeed("retrain", home / "job.toml"))
    assert result["outcome"] == "promoted"
    return found | bundle_digests("retrain", home / "models" / result["model"])


def _numbers(report: object) -> object:
    """A report without its words."""
    if isinstance(report, dict):
        return {key: _numbers(value) for key, value in report.items() if not isinstance(value, str)}
    return [_numbers(value) for value in report] if isinstance(report, list) else report


@pytest.mark.slow
def test_commands_write_the_pinned_bytes(measured):
    if os.environ.get("AMAZON_TAGS_RECORD"):
        PINS.write_text(json.dumps({"machine": machine(), "sha256": measured}, indent=2) + "\n")
    pinned = json.loads(PINS.read_text())
    if pinned["machine"] != machine():
        pytest.skip(f"recorded on {pinned['machine']}, this is {machine()}")
    assert measured == pinned["sha256"]
