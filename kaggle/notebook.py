"""The same on a GPU notebook of the competition's site, without a network: a script kernel, `kernel-metadata.json`.

It takes what is attached: the competition's chips and tables, a data set with wheels/, scripts/ and weights/ (README.md
says how to make it), and, to go on after the time was over, the output of its own version before. It needs nothing but
Python; amazon_tags comes out of the wheels.
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

RECIPE = "default"  # of which weights/ has the backbones
HOURS = 8.5  # of the 9 that a session with a GPU may take; the rest is for saving
NEEDS = ("amazon-tags", "keras", "h5py", "nncf", "albumentations==2.0.8", "py7zr")  # no framework: it has some
TOLD = ("amazon-tags", "openvino", "keras", "numpy", "scikit-learn", "albumentations", "torch", "jax", "tensorflow")
OVER = 124  # the exit code of produce.py where the time was over


def main(attached: Path, working: Path) -> int:
    """Install, find, go on; returns the exit code."""
    start = time.monotonic()
    offline = _holding(attached, "scripts/produce.py")
    if offline is None:
        _refuse(f"{attached} has no data set with scripts/produce.py; README.md says how to make one.")
    scripts, wheels = offline / "scripts", offline / "wheels"
    if wheels.is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", f"--find-links={wheels}", *NEEDS]
        if subprocess.run(command, check=False).returncode:
            _refuse(f"the wheels in {wheels} do not fit Python {sys.version.split()[0]}; make them for it.")
    invalidate_caches()
    if find_spec("amazon_tags") is None:
        _refuse(f"amazon_tags is not installed, and {wheels} is not there; attach the wheels.")
    _versions()
    environment = {**os.environ, "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", _backend())}
    out, before = working / "out", _holding(attached, "out/asked.json")
    if before and not out.exists():
        print(f"going on with what {before} holds", flush=True)
        shutil.copytree(before / "out", out)
    data = attached
    if _holding(attached, "train-jpg") is None:
        archives = _holding(attached, "train-jpg.tar.7z")
        if archives is None:
            _refuse(f"{attached} has neither train-jpg nor train-jpg.tar.7z; attach the competition.")
        data = Path(os.environ.get("TMPDIR", "/tmp")) / "amazon_tags_data"  # noqa: S108  no part of the output
        command = [sys.executable, str(scripts / "fetch.py"), str(data), "--archives", str(archives)]
        if failed := subprocess.run(command, check=False, env=environment).returncode:
            return failed
    options = ["--recipe", RECIPE, "--hours", str(max(0, HOURS - (time.monotonic() - start) / 3600))]
    for path in sorted((offline / "weights").glob("*.weights.h5")):
        options += ["--weights", f"{path.name.removesuffix('.weights.h5')}={path}"]
    command = [sys.executable, str(scripts / "produce.py"), str(data), str(out), *options]
    ended = subprocess.run(command, check=False, env=environment).returncode
    if ended == OVER:
        print("the time is over: attach this version's output to the next version, and run that", flush=True)
        return 0  # or the output would not be kept
    return ended


def _holding(attached: Path, name: str) -> Path | None:
    """The first folder among what is attached that has something of a name."""
    folders = sorted(path for depth in ("*/", "*/*/", "*/*/*/") for path in attached.glob(depth))
    return next((folder for folder in folders if (folder / name).exists()), None)


def _backend() -> str:
    """Of the frameworks that sessions have, the first that sees a GPU; else TensorFlow."""
    for name, question in (
        ("torch", "import torch; assert torch.cuda.is_available()"),
        ("jax", "import jax; assert jax.default_backend() == 'gpu'"),
    ):
        asked = subprocess.run([sys.executable, "-c", question], capture_output=True, check=False)
        if asked.returncode == 0:
            return name
    return "tensorflow"


def _versions() -> None:
    """Say what runs, and what of it amazon_tags was not made for."""
    for name in TOLD:
        try:
            print(name, version(name), flush=True)
        except PackageNotFoundError:
            continue
    asked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    for line in asked.stdout.splitlines():
        if line.startswith("amazon-tags "):
            print(f"WARNING: {line}; put a wheel of that version into wheels/", flush=True)


def _refuse(why: str) -> NoReturn:
    sys.exit(f"Error: {why}")


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:3]]  # a notebook's own arguments are no folders
    folders = given if len(given) == 2 and given[0].is_dir() else [Path("/kaggle/input"), Path("/kaggle/working")]
    if ended := main(*folders):
        sys.exit(ended)
