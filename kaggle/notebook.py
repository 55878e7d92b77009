"""The same on a GPU notebook of the competition's site, without a network: a script kernel, `kernel-metadata.json`.

It takes what is attached: the competition, a data set with wheels/, scripts/ and weights/ (README.md says how to make
it), and, to go on after the time was over, the output of its own version before. It runs by itself in nothing but
Python; amazon_tags comes out of the wheels.
"""

import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

HOURS = 8.5  # of the 9 that a session with a GPU may take; the rest is for saving
NEEDS = ("amazon-tags", "keras", "h5py", "nncf", "albumentations==2.0.8", "py7zr")  # no framework: it has some
TOLD = ("amazon-tags", "openvino", "keras", "numpy", "scikit-learn", "albumentations", "torch", "jax", "tensorflow")
STOPPED = 75  # of produce.py: the time was over


def main(attached: Path, working: Path) -> int:
    """Install, find, go on; returns the exit code."""
    offline = _holding(attached, "scripts/produce.py")
    if offline is None:
        _refuse(f"{attached} has no data set with scripts/produce.py; README.md says how to make one.")
    wheels = offline / "wheels"
    if wheels.is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", f"--find-links={wheels}", *NEEDS]
        if subprocess.run(command, check=False).returncode:
            _refuse(f"the wheels in {wheels} do not fit Python {sys.version.split()[0]}; make them for it.")
    if find_spec("amazon_tags") is None:
        _refuse(f"amazon_tags is not installed, and {wheels} is not there; attach the wheels.")
    _versions()
    environment = {**os.environ, "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", _backend())}
    _weights(offline / "weights")
    out = working / "out"
    before = _holding(attached, "out/lock")
    if before and not out.exists():
        print(f"going on with what {before} holds", flush=True)
        shutil.copytree(before / "out", out)
    chips = _holding(attached, "train-jpg")
    if chips is None:
        archives = _holding(attached, "train-jpg.tar.7z")
        if archives is None:
            _refuse(f"{attached} has neither train-jpg nor train-jpg.tar.7z; attach the competition.")
        chips = Path(os.environ.get("TMPDIR", "/tmp")) / "amazon_tags_data"  # noqa: S108  no part of the output
        command = [sys.executable, str(offline / "scripts" / "fetch.py"), str(chips), "--archives", str(archives)]
        done = subprocess.run(command, check=False, env=environment)
        if done.returncode:
            return done.returncode
    command = [sys.executable, str(offline / "scripts" / "produce.py"), str(chips), str(out), "--hours", str(HOURS)]
    done = subprocess.run(command, check=False, env=environment)
    if done.returncode == STOPPED:
        print("the time is over: attach this version's output to the next version, and run that", flush=True)
        return 0  # or the output would not be kept
    return done.returncode


def _holding(attached: Path, name: str) -> Path | None:
    """The first folder among what is attached that has something of a name."""
    folders = sorted(path for depth in ("*", "*/*", "*/*/*") for path in attached.glob(depth) if path.is_dir())
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


def _weights(folder: Path) -> None:
    """Keras looks for ImageNet's weights in its cache first."""
    cache = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    for path in sorted(folder.glob("*.h5")):
        cache.mkdir(parents=True, exist_ok=True)
        if not (cache / path.name).exists():
            shutil.copyfile(path, cache / path.name)


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
