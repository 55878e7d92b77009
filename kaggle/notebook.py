"""Fetch, train and predict in a GPU notebook of the competition's site without a network, as a script kernel.

The notebook uses what is attached to it: the competition's chips and tables, a data set with wheels/, scripts/ and
weights/ (README.md says how to make it) and, to resume, the output of its previous version. It needs only Python and
installs amazon_tags from the wheels. `kernel-metadata.json` describes the kernel.
"""

import os
import shutil
import subprocess
import sys
import time
from importlib import invalidate_caches
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

RECIPE = "default"  # weights/ must have its backbones
HOURS = 8.5  # a session with a GPU ends after 9; the rest is for saving
REQUIREMENTS = ("amazon-tags", "keras", "h5py", "nncf", "albumentations==2.0.8", "py7zr")  # sessions have a framework
REPORTED = ("amazon-tags", "openvino", "keras", "numpy", "scikit-learn", "albumentations", "torch", "jax", "tensorflow")
TIME_IS_UP = 124  # exit code of produce.py


def main(attached: Path, working: Path) -> int:
    """Install amazon_tags, find the data, and train and predict; return the exit code."""
    start = time.monotonic()
    offline = _find_folder_with(attached, "scripts/produce.py")
    if offline is None:
        _refuse(f"{attached} has no data set with scripts/produce.py; README.md says how to make one.")
    scripts = offline / "scripts"
    _install(offline / "wheels")
    _report_versions()
    environment = {**os.environ, "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", _backend())}

    output, previous = working / "out", _find_folder_with(attached, "out/asked.json")
    if previous and not output.exists():
        print(f"resuming from the output in {previous}", flush=True)
        shutil.copytree(previous / "out", output)

    data = attached
    if _find_folder_with(attached, "train-jpg") is None:
        archives = _find_folder_with(attached, "train-jpg.tar.7z")
        if archives is None:
            _refuse(f"{attached} has neither train-jpg nor train-jpg.tar.7z; attach the competition.")
        data = Path(os.environ.get("TMPDIR", "/tmp")) / "amazon_tags_data"  # noqa: S108  not part of the output
        command = [sys.executable, str(scripts / "fetch.py"), str(data), "--archives", str(archives)]
        if exit_code := subprocess.run(command, check=False, env=environment).returncode:
            return exit_code

    options = ["--recipe", RECIPE, "--hours", str(max(0, HOURS - (time.monotonic() - start) / 3600))]
    for path in sorted((offline / "weights").glob("*.weights.h5")):
        options += ["--weights", f"{path.name.removesuffix('.weights.h5')}={path}"]
    command = [sys.executable, str(scripts / "produce.py"), str(data), str(output), *options]
    exit_code = subprocess.run(command, check=False, env=environment).returncode
    if exit_code == TIME_IS_UP:
        print("the time is up: attach this version's output to the next version, and run that", flush=True)
        return 0  # or the session would not keep the output
    return exit_code


def _install(wheels: Path) -> None:
    """Install amazon_tags from wheels, if there are any; else it must be installed."""
    if wheels.is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", f"--find-links={wheels}"]
        if subprocess.run([*pip, *REQUIREMENTS], check=False).returncode:
            _refuse(f"the wheels in {wheels} do not fit Python {sys.version.split()[0]}; make them for it.")
    invalidate_caches()
    if find_spec("amazon_tags") is None:
        _refuse(f"amazon_tags is not installed, and {wheels} does not exist; attach the wheels.")


def _find_folder_with(attached: Path, name: str) -> Path | None:
    """Return the first attached folder that has a file or folder of this name."""
    folders = sorted(path for depth in ("*/", "*/*/", "*/*/*/") for path in attached.glob(depth))
    return next((folder for folder in folders if (folder / name).exists()), None)


def _backend() -> str:
    """Return the first framework of a session that finds a GPU, else tensorflow."""
    for name, code in (
        ("torch", "import torch; assert torch.cuda.is_available()"),
        ("jax", "import jax; assert jax.default_backend() == 'gpu'"),
    ):
        if subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0:
            return name
    return "tensorflow"


def _report_versions() -> None:
    """Print the versions of the libraries, and a warning for each that amazon_tags does not support."""
    for name in REPORTED:
        try:
            print(name, version(name), flush=True)
        except PackageNotFoundError:
            continue
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    for line in check.stdout.splitlines():
        if line.startswith("amazon-tags "):
            print(f"WARNING: {line}; put a wheel of that version into wheels/", flush=True)


def _refuse(reason: str) -> NoReturn:
    sys.exit(f"Error: {reason}")


if __name__ == "__main__":
    arguments = [Path(argument) for argument in sys.argv[1:3]]
    if len(arguments) != 2 or not arguments[0].is_dir():  # a session passes arguments that are not folders
        arguments = [Path("/kaggle/input"), Path("/kaggle/working")]
    if code := main(*arguments):
        sys.exit(code)
