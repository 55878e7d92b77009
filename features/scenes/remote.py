"""Name and check scenes on servers, which GDAL then reads in parts.

Nothing here decides whether a user allows to read over a network.
"""

import http.client
import os
import re
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

SCHEMES = ("https", "s3")
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")  # http may be read from this machine, whose traffic nobody else sees
MAX_REDIRECTS = 5
TIMEOUT_SECONDS, CONNECT_SECONDS, RETRIES, DELAY_SECONDS = 30, 10, 2, 1
TRANSIENT = (429, 500, 502, 503, 504)  # answers after which it is tried again
TIF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
LOOKS_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|/vsi", re.IGNORECASE)


class RemoteError(RuntimeError):
    """A server does not give what is asked of it. It is no `OSError`, since no window may be left out because of it."""

    exit_code = 74


@dataclass(frozen=True)
class RemoteFile:
    """A GeoTIFF on a server.

    Attributes:
        url: Where it is.
        version: What tells whether it has changed since: size, ETag and date, as the server states them.
    """

    url: str
    version: str = ""

    def __str__(self) -> str:
        """Return the URL without its query, which may hold a signature."""
        return self.url.partition("?")[0]

    @property
    def name(self) -> str:
        """The file's name, without folders and query."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])

    @property
    def stem(self) -> str:
        """The file's name without its suffix."""
        return self.name.rpartition(".")[0]

    @property
    def gdal_name(self) -> str:
        """The name by which GDAL reads it."""
        scheme, _, rest = self.url.partition("://")
        return f"/vsis3/{rest}" if scheme == "s3" else f"/vsicurl/{self.url}"

    @property
    def settings(self) -> dict[str, str]:
        """GDAL's settings to read it, and nothing else; those in the environment count before these."""
        http = {
            "GDAL_HTTP_TIMEOUT": str(TIMEOUT_SECONDS),
            "GDAL_HTTP_CONNECTTIMEOUT": str(CONNECT_SECONDS),
            "GDAL_HTTP_MAX_RETRY": str(RETRIES),
            "GDAL_HTTP_RETRY_DELAY": str(DELAY_SECONDS),
        }
        stated = {key: value for key, value in http.items() if key not in os.environ}
        return stated | {
            "CPL_VSIL_CURL_ALLOWED_FILENAME": self.gdal_name,
            "CPL_VSIL_CURL_NON_CACHED": self.gdal_name,  # or a later map in this process would read an older file
            "CPL_VSIL_CURL_USE_HEAD": "NO",  # which signed URLs refuse; GDAL breaks off a GET once it knows the size
        }

    @cached_property
    def key(self) -> bytes:
        """What stands for the content in a checkpoint.

        Raises:
            RemoteError: The server states nothing by which a change would be seen.
        """
        if not self.version:
            raise RemoteError(
                f"{self} has neither ETag nor date on its server, so that a checkpoint could not see that it has "
                "changed; leave out --checkpoint, or download the file."
            )
        return f"{self} {self.version}".encode()


def looks_remote(text: str) -> bool:
    """Return whether a text is a URL or a virtual path of GDAL, and no path of a file."""
    return LOOKS_REMOTE.match(text) is not None


def parse_url(text: str) -> RemoteFile:
    """Return the file of a URL whose scheme is allowed; nothing is read yet.

    Raises:
        ValueError: It is no such URL.
    """
    if text.casefold().startswith("/vsi"):
        raise ValueError(f"{text} is a virtual path of GDAL, and none is read; name a URL such as https://HOST/FILE.")
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    is_plain = bool(host) and text.isascii() and text.isprintable() and " " not in text and len(parts.path) > 1
    if not is_plain or not (parts.scheme in SCHEMES or (parts.scheme == "http" and host in LOCAL_HOSTS)):
        raise ValueError(
            f"{text.partition('?')[0][:200]!r} is no URL that is read; name one as https://HOST/FILE or "
            "s3://BUCKET/KEY, percent-encoded (http is for servers on this machine)."
        )
    if parts.username is not None:
        raise ValueError(f"the URL of {host} holds a user's name, which would be shown; use a signed URL in its place.")
    return RemoteFile(text)


def check(file: RemoteFile) -> RemoteFile:
    """Return a file at the end of its server's redirects, with its version, once its first bytes are those of a TIF.

    A file of s3 is left as it is: GDAL signs its requests.

    Raises:
        RemoteError: The server does not answer, or not with parts of a GeoTIFF.
        ValueError: It redirects to a URL that is not allowed.
    """
    if file.url.startswith("s3://"):
        return file
    url = file.url
    for _ in range(MAX_REDIRECTS + 1):
        status, headers, start = _ask(file, url)
        if status not in (301, 302, 303, 307, 308):
            break
        url = parse_url(urljoin(url, headers.get("Location") or "")).url
    if status == 200:
        raise RemoteError(f"{file} is on a server that sends no parts of files (range requests); download it.")
    if status != 206:
        raise RemoteError(f"{file} cannot be read: its server answers {status}; check the URL.")
    if not start.startswith(TIF_STARTS):
        raise RemoteError(f"{file} is no GeoTIFF (it starts with {start!r}), and no other remote file is read.")

    size = (headers.get("Content-Range") or "").rpartition("/")[2]
    marks = [headers.get(name) for name in ("ETag", "Last-Modified")]
    return replace(file, url=url, version=f"{size} {marks[0]} {marks[1]}" if any(marks) else "")


def lost(file: RemoteFile, error: Exception) -> RemoteError:
    """Return the error of a file of which GDAL could not read a part."""
    return RemoteError(
        f"{file} cannot be read ({error.__cause__ or error}): its server does not answer as expected, or the file is "
        "damaged; try again, or download it."
    )


class _Stop(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, so that its scheme is checked first."""

    def redirect_request(self, *_: Any) -> None:
        """Return nothing, by which the answer itself is raised."""


def _ask(file: RemoteFile, url: str) -> tuple[int, Any, bytes]:
    """Return status, headers and first bytes of a server's answer, which is asked for again if it fails for a time."""
    request = urllib.request.Request(url, headers={"Range": "bytes=0-7", "User-Agent": "amazon_tags"})  # noqa: S310
    timeout = float(os.environ.get("GDAL_HTTP_TIMEOUT", TIMEOUT_SECONDS))
    retries = int(os.environ.get("GDAL_HTTP_MAX_RETRY", RETRIES))
    reason = ""
    for _ in range(retries + 1):
        try:
            with urllib.request.build_opener(_Stop).open(request, timeout=timeout) as answer:
                return answer.status, answer.headers, answer.read(8)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in TRANSIENT:
                return error.code, error.headers, b""
            reason = f"it answers {error.code}"
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
    raise RemoteError(
        f"{file} cannot be read: its server fails ({reason}); check the URL and the network, or try again."
    )
