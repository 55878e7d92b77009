"""Run the competition's official client, a separate program, and report its errors in one line."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

COMPETITION = "planet-understanding-the-amazon-from-space"
PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
INSTALL = "run, in the checkout: pip install '.[kaggle]'"
NOT_THERE = re.compile(r"\b404\b")
MEANINGS = (  # what clients of several years print, and what to do; the first match counts
    (
        r"Authentication required|Could not find kaggle.json|Missing username|Unauthenticated|\b401\b",
        "there is no token, or it is not accepted; make one at https://www.kaggle.com/settings/api and save it as "
        "~/.kaggle/access_token, or run: kaggle auth login",
    ),
    (
        r"must accept|accept its rules|\b403\b",
        f"the rules of the competition are not accepted; log in, open {PAGE}/rules and accept them",
    ),
    (NOT_THERE, f"the competition has nothing of that name; look at {PAGE}/data"),
    (r"\b429\b", "there were too many requests; wait a while and start again"),
    (r"ConnectionError|ConnectTimeout|NameResolution", "kaggle.com cannot be reached; check the network, start again"),
)
HINTS = re.compile(r"If this is unexpected|traceback\. If you think|If you'd rather|Save the token|Warning: ")
ERROR = re.compile(r"[\w.]*(Error|Exception)\b")


class ClientError(RuntimeError):
    """The client is not installed, does not start, or failed."""


class NotThereError(ClientError):
    """The competition has no file of that name."""


def find() -> str:
    """Return the path of a client that starts, from PATH or from the folder of the running Python.

    Raises:
        ClientError: there is none, or it does not start.
    """
    beside = Path(sys.executable).with_name("kaggle")
    path = shutil.which("kaggle") or (str(beside) if beside.exists() else None)
    if path is None:
        raise ClientError(f"The kaggle client is not installed; {INSTALL}")
    run = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    if run.returncode or "kaggle" not in run.stdout.lower():
        raise ClientError(f"The kaggle client, {path}, does not start ({_error_line(run)}); {INSTALL}")
    return path


def call(*arguments: str) -> str:
    """Run `kaggle competitions ARGUMENTS` and return what it prints.

    Raises:
        NotThereError: the competition has no such file.
        ClientError: the client failed for another reason.
    """
    run = subprocess.run([find(), "competitions", *arguments], capture_output=True, text=True, check=False)
    if run.returncode == 0:
        return run.stdout.strip()

    output = f"{run.stdout}\n{run.stderr}"
    matches = ((pattern, meaning) for pattern, meaning in MEANINGS if re.search(pattern, output))
    pattern, meaning = next(matches, ("", _error_line(run)))
    error_type = NotThereError if pattern is NOT_THERE else ClientError
    raise error_type(f"kaggle competitions {arguments[0]} failed: {meaning}.")


def _error_line(run: "subprocess.CompletedProcess[str]") -> str:
    """Return the last line that names an error or, if there is none, the last one that is not a hint."""
    lines = [line.strip() for line in f"{run.stdout}\n{run.stderr}".splitlines() if line.strip()]
    lines = [line for line in lines if not HINTS.match(line)] or [f"exit code {run.returncode}"]
    return next((line for line in reversed(lines) if ERROR.match(line)), lines[-1]).rstrip(".")
