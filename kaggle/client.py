"""The competition's official client, a program of its own: found, asked, and what went wrong told in one line."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

COMPETITION = "planet-understanding-the-amazon-from-space"
PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
INSTALL = "run, in the checkout: pip install '.[kaggle]'"
ACCOUNT = (
    "there is no token, or it is not accepted; make one at https://www.kaggle.com/settings/api and save it as "
    "~/.kaggle/access_token, or run: kaggle auth login"
)
RULES = f"the rules of the competition are not accepted; log in, open {PAGE}/rules and accept them"
MEANINGS = (  # what clients of several years say, and what there is to do; the first that is found counts
    (r"Authentication required|Could not find kaggle.json|Missing username|Unauthenticated|\b401\b", ACCOUNT),
    (r"accept|\b403\b", RULES),
    (r"\b404\b", f"it has no such file; look at {PAGE}/data"),
    (r"\b429\b", "it was asked too often; wait a while and start again"),
    (r"ConnectionError|ConnectTimeout|NameResolution", "kaggle.com cannot be reached; see to the network, start again"),
)


class ClientError(RuntimeError):
    """The client is not there, does not start, or could not do what it was asked."""


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
        raise ClientError(f"The kaggle client, {found}, does not start ({_last(told)}); {INSTALL}")
    return found


def ask(*arguments: str) -> str:
    """What the client says to `kaggle competitions ARGUMENTS`.

    Raises:
        ClientError: it could not do that.
    """
    done = subprocess.run([find(), "competitions", *arguments], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout.strip()
    said = f"{done.stdout}\n{done.stderr}"
    meaning = next((meaning for words, meaning in MEANINGS if re.search(words, said)), _last(done))
    raise ClientError(f"kaggle competitions {arguments[0]} failed: {meaning}.")


def _last(done: "subprocess.CompletedProcess[str]") -> str:
    """The last line that a program printed before it failed: of a traceback, the error itself."""
    lines = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else f"exit code {done.returncode}"
