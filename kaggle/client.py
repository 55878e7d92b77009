"""The competition's official client, a program of its own: found, asked, and what went wrong told in one line."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

COMPETITION = "planet-understanding-the-amazon-from-space"
PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
INSTALL = "run, in the checkout: pip install '.[kaggle]'"
NOT_THERE = re.compile(r"\b404\b")
MEANINGS = (  # what clients of several years say, and what there is to do; the first that is found counts
    (
        r"Authentication required|Could not find kaggle.json|Missing username|Unauthenticated|\b401\b",
        "there is no token, or it is not accepted; make one at https://www.kaggle.com/settings/api and save it as "
        "~/.kaggle/access_token, or run: kaggle auth login",
    ),
    (
        r"must accept|accept its rules|\b403\b",
        f"the rules of the competition are not accepted; log in, open {PAGE}/rules and accept them",
    ),
    (NOT_THERE, f"there is no such thing; look at {PAGE}/data"),
    (r"\b429\b", "it was asked too often; wait a while and start again"),
    (r"ConnectionError|ConnectTimeout|NameResolution", "kaggle.com cannot be reached; see to the network, start again"),
)
HINTS = re.compile(r"If this is unexpected|traceback\. If you think|If you'd rather|Save the token|Warning: ")
ERROR = re.compile(r"[\w.]*(Error|Exception)\b")


class ClientError(RuntimeError):
    """The client is not there, does not start, or could not do what it was asked."""


class NotThereError(ClientError):
    """The competition has no file of that name."""


def find() -> str:
    """The client's path: on PATH, or beside the Python that runs; it has told its version.

    Raises:
        ClientError: there is none, or it does not start.
    """
    beside = Path(sys.executable).with_name("kaggle")
    found = shutil.which("kaggle") or (str(beside) if beside.exists() else None)
    if found is None:
        raise ClientError(f"The kaggle client is not installed; {INSTALL}")
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    if told.returncode or "kaggle" not in told.stdout.lower():
        raise ClientError(f"The kaggle client, {found}, does not start ({_wrong(told)}); {INSTALL}")
    return found


def ask(*arguments: str) -> str:
    """What the client says to `kaggle competitions ARGUMENTS`.

    Raises:
        NotThereError: the competition has no such file.
        ClientError: it could not do that for another reason.
    """
    done = subprocess.run([find(), "competitions", *arguments], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout.strip()
    said = f"{done.stdout}\n{done.stderr}"
    words, meaning = next(((words, told) for words, told in MEANINGS if re.search(words, said)), ("", _wrong(done)))
    kind = NotThereError if words is NOT_THERE else ClientError
    raise kind(f"kaggle competitions {arguments[0]} failed: {meaning}.")


def _wrong(done: "subprocess.CompletedProcess[str]") -> str:
    """The line in which a program names its error, or the last one that is no hint."""
    lines = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    told = [line for line in lines if not HINTS.match(line)] or [f"exit code {done.returncode}"]
    return next((line for line in reversed(told) if ERROR.match(line)), told[-1]).rstrip(".")
