"""A small server of files on this machine, which answers range requests and can fail in the ways that servers do."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HANG_SECONDS = 20  # longer than any timeout of a test


@dataclass
class SceneServer:
    """A running server.

    Attributes:
        folder: Whose files it serves.
        url: Where it answers.
        redirects: Where it sends those who ask for a path.
        asked: The paths and ranges that it was asked for.
        has_ranges: Whether it answers range requests.
        has_marks: Whether it states an ETag.
        failures: How many answers are 503, before others.
        hangs_after: The number of answers after which it answers no more.
    """

    folder: Path
    url: str = ""
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    has_ranges: bool = True
    has_marks: bool = True
    failures: int = 0
    hangs_after: int = 1 << 30
    stopped: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serve(folder: Path) -> Iterator[SceneServer]:
    """Serve the files of a folder at a free port."""
    state = SceneServer(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, asked = self.path.partition("?")[0], self.headers.get("Range", "")
            state.asked.append((path, asked))
            if len(state.asked) > state.hangs_after:
                state.stopped.wait(HANG_SECONDS)
                return
            if state.failures:
                state.failures -= 1
                self._answer(503, b"", {})
                return
            if path in state.redirects:
                self._answer(302, b"", {"Location": state.redirects[path]})
                return
            file = state.folder / path.rpartition("/")[2]
            if not file.is_file():
                self._answer(404, b"none", {})
                return
            content = file.read_bytes()
            marks = {"ETag": f'"{hash(content)}"'} if state.has_marks else {}
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
            if not found or not state.has_ranges:
                self._answer(200, content, marks)
                return
            first, last = int(found[1]), min(int(found[2]), len(content) - 1)
            if first >= len(content):
                self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            marks["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            self._answer(206, content[first : last + 1], marks)

        def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client that closes its connection, as GDAL does

    server = Quiet(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        state.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()
