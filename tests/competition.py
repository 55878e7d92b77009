"""A substitute for the competition's official client, and a competition of a few rendered chips for it to serve."""

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import py7zr

from tests import world as worlds

SCRIPTS = Path(__file__).parents[1] / "kaggle"
ARCHIVES = (
    "train_v2.csv.zip",
    "sample_submission_v2.csv.zip",
    "test_v2_file_mapping.csv.zip",
    "train-jpg.tar.7z",
    "test-jpg.tar.7z",
    "test-jpg-additional.tar.7z",
)
ADDITIONAL = 4  # test chips in an archive of their own
CLIENT = """#!{python}
import os, shutil, sys
from pathlib import Path
failure, store = os.environ.get("CLIENT_FAILURE", ""), Path({store!r})
with open(store / "calls.txt", "a") as log:
    log.write("\\t".join(sys.argv[1:]) + "\\n")
if failure == "broken":
    raise ModuleNotFoundError("No module named 'six'")
if sys.argv[1:] == ["--version"]:
    print("Kaggle CLI 2.2.5")
    sys.exit(0)
output = {{
    "token": ("Authentication required to call the Kaggle API.\\n\\n    Save the token to ~/.kaggle/access_token", ""),
    "old token": ("", "OSError: Could not find kaggle.json. Make sure it's located in ~/.kaggle."),
    "rules": ("", "403 Client Error: Forbidden\\nIf this is a competition, you may need to accept its rules first"),
    "old rules": ("403 - Forbidden - You must accept this competition's rules before you'll be able to download", ""),
    "network": ("", "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api'): Max retries exceeded"),
    "strange": ("", "OSError: the moon is full.\\n\\nIf this is unexpected, you can re-run with --debug to see\\n"
                "traceback. If you think this is a bug, please report it"),
    "old strange": ("", "Traceback (most recent call last):\\n  File\\nValueError: the moon is full."),
}}.get(failure)
competitions, verb, slug, *rest = sys.argv[1:]
assert (competitions, slug) == ("competitions", "planet-understanding-the-amazon-from-space")
options = dict(zip(rest[::2], rest[1::2]))
if not output and verb == "download" and not (store / options["-f"]).is_file():
    output = ("", "404 Client Error: Not Found for url: https://api.kaggle.com/v1/competitions")
if output:
    print(output[0])
    print(output[1], file=sys.stderr)
    sys.exit(1)
if verb == "download":
    if failure != "nothing":
        shutil.copy(store / options["-f"], Path(options["-p"]) / Path(options["-f"]).name)
elif verb == "submit":
    print(f"Successfully submitted to {{slug}}: {{Path(options['-f']).name}}")
"""


@dataclass(frozen=True)
class Competition:
    """A folder with archives and the substitute client."""

    store: Path

    def calls(self) -> list[list[str]]:
        """Return the arguments of each call of the client, without those for its version."""
        lines = [line.split("\t") for line in (self.store / "calls.txt").read_text().splitlines()]
        return [line for line in lines if line != ["--version"]]

    def script(self, name: str, *arguments: object, failure: str = "") -> subprocess.CompletedProcess[str]:
        """Run a script with the substitute client, for a competition of this size."""
        code = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import layout, {name}; "
        code += f"layout.COUNTS = {{'train': {worlds.TRAIN}, 'test': {worlds.TEST}}}; "
        code += f"{name}.run_command_line({name}.main, '{name}.py')"
        environment = {**os.environ, "PATH": f"{self.store}:/usr/bin:/bin", "CLIENT_FAILURE": failure}
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)


def build(world: worlds.World, store: Path) -> Competition:
    """Write the rendered world as archives with the competition's names."""
    chips = sorted(world.test_jpg.iterdir())
    for archive, folder, paths in (
        ("train-jpg.tar.7z", "train-jpg", sorted(world.train_jpg.iterdir())),
        ("test-jpg.tar.7z", "test-jpg", chips[ADDITIONAL:]),
        ("test-jpg-additional.tar.7z", "test-jpg-additional", chips[:ADDITIONAL]),
    ):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for path in paths:
                tar.add(path, f"{folder}/{path.name}")
        with py7zr.SevenZipFile(store / archive, "w") as seven:
            seven.writestr(stream.getvalue(), f"{folder}.tar")
    for path in (world.labels, world.sample):
        with zipfile.ZipFile(store / f"{path.name}.zip", "w") as zipped:
            zipped.write(path, path.name)
    with zipfile.ZipFile(store / "test_v2_file_mapping.csv.zip", "w") as zipped:
        zipped.writestr("test_v2_file_mapping.csv", "old,new\nfile_1.tif,test_1.tif\n")
    (store / "calls.txt").touch()
    client = store / "kaggle"
    client.write_text(CLIENT.format(python=sys.executable, store=str(store)))
    client.chmod(0o755)
    return Competition(store)
