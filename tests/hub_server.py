"""A local server that speaks the part of the Hub's protocol that downloads use, and can misbehave.

``/{owner}/{name}/resolve/{revision}/{file}`` (with ``datasets/`` or ``spaces/`` before it) answers HEAD and
GET with ETag, X-Repo-Commit, X-Linked-Size, X-Linked-Etag, Accept-Ranges; large files are redirected to a
content host under another name ("localhost" instead of "127.0.0.1"), as the Hub does with its CDN.
"""

from __future__ import annotations

import hashlib
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Served:
    """One file and how its server behaves.

    data: bytes, or the path of a file.
    etag: what the server claims; by default the true sha256.
    cdn: GET is redirected to the content host.  status, error_code: an answer instead of the file.
    token: the only token that is let in.  cut: GETs are cut after so many bytes, one entry a GET.
    hang: "head" never answers, "body" sends half and then nothing.  ignore_range: GETs start from 0.
    moved: the repository's new name, to which a relative redirect leads.  commit: its only revision besides
        "main".  slow: seconds between pieces of 64 KiB.
    """

    data: bytes | Path
    etag: str = ""
    cdn: bool = False
    status: int = 200
    error_code: str = ""
    token: str = ""
    cut: list[int] = field(default_factory=list)
    hang: str = ""
    ignore_range: bool = False
    moved: str = ""
    commit: str = COMMIT
    slow: float = 0.0
    fail_first: int = 0

    def __post_init__(self):
        if isinstance(self.data, Path):
            self.size = self.data.stat().st_size
            with self.data.open("rb") as file:
                self.sha256 = (
                    hashlib.file_digest(file, "sha256").hexdigest()
                    if hasattr(hashlib, "file_digest")
                    else hashlib.sha256(file.read()).hexdigest()
                )
        else:
            self.size, self.sha256 = len(self.data), hashlib.sha256(self.data).hexdigest()
        self.etag = self.etag or self.sha256


class HubServer:
    """Use as a context manager: ``with HubServer() as hub: hub.add("a/b", "w.bin", b"...")``."""

    def __init__(self):
        self.files: dict[tuple[str, str], Served] = {}
        self.requests: list[tuple[str, str, dict]] = []  # method, path, headers with lower-case names
        self.released = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def content_host(self) -> str:
        return f"localhost:{self._http.server_port}"

    def add(self, repo: str, file: str, data: bytes | Path, repo_type: str = "model", **behaviour) -> Served:
        prefix = {"model": "", "dataset": "datasets/", "space": "spaces/"}[repo_type]
        served = self.files[prefix + repo, file] = Served(data, **behaviour)
        return served

    def asked(self, method: str = "", part: str = "") -> list[tuple[str, str, dict]]:
        """Requests so far whose method and path match."""
        return [r for r in self.requests if r[0].startswith(method) and part in r[1]]

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self._http.shutdown()
        self._http.server_close()


def _handler(hub: HubServer):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body: bool):
            path = unquote(self.path)
            headers = {k.lower(): v for k, v in self.headers.items()}
            hub.requests.append((self.command, path, headers))
            content = re.fullmatch(r"/content/(.+?)//(.+)", path)
            if content:
                return self.send_file(hub.files[content[1], content[2]], headers, body)
            match = re.fullmatch(r"/((?:datasets/|spaces/)?[^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
            if not match:
                return self.refuse(404 if path != "/" else 200, "")
            repo, revision, file = match.groups()
            if not any(known == repo for known, _ in hub.files):
                return self.refuse(401, "RepoNotFound")
            served = hub.files.get((repo, file))
            if served is None:
                return self.refuse(404, "EntryNotFound", {"X-Repo-Commit": COMMIT})
            if served.moved:
                return self.refuse(307, "", {"Location": f"/{served.moved}/resolve/{revision}/{file}"})
            if revision not in ("main", served.commit):
                return self.refuse(404, "RevisionNotFound")
            if served.fail_first > 0:
                served.fail_first -= 1
                return self.refuse(503, "")
            if served.status != 200:
                return self.refuse(served.status, served.error_code)
            if served.token and headers.get("authorization") != f"Bearer {served.token}":
                return self.refuse(403 if "authorization" in headers else 401, "GatedRepo")
            if served.hang == "head":
                hub.released.wait(120)
                return None
            if served.cdn:
                location = f"http://{hub.content_host}/content/{repo}//{file}"
                return self.refuse(302, "", {"Location": location, **self.identity(served)})
            return self.send_file(served, headers, body)

        def identity(self, served: Served) -> dict[str, str]:
            return {
                "X-Repo-Commit": served.commit,
                "X-Linked-Size": str(served.size),
                "X-Linked-Etag": f'"{served.etag}"',
                "ETag": f'"{served.etag}"',
                "Accept-Ranges": "bytes",
            }

        def refuse(self, status: int, code: str, extra: dict[str, str] | None = None):
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
                self.send_header("X-Error-Message", code)
            for name, value in (extra or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def send_file(self, served: Served, headers: dict[str, str], body: bool):
            first = 0
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
            if asked and not served.ignore_range:
                first = int(asked[1])
            self.send_response(206 if first else 200)
            for name, value in self.identity(served).items():
                self.send_header(name, value)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{served.size - 1}/{served.size}")
            self.send_header("Content-Length", str(served.size - first))
            self.end_headers()
            if not body:
                return
            stop = served.size
            if served.cut:
                stop = min(stop, first + served.cut.pop(0))
            if served.hang == "body":
                stop = first + (served.size - first) // 2
            self.send_bytes(served, first, stop)
            if served.hang == "body":
                hub.released.wait(120)
            if stop < served.size:
                self.close_connection = True

        def send_bytes(self, served: Served, first: int, stop: int):
            piece = 1 << 16 if served.slow else 1 << 20
            try:
                if isinstance(served.data, Path):
                    with served.data.open("rb") as file:
                        file.seek(first)
                        while first < stop:
                            self.wfile.write(file.read(min(piece, stop - first)))
                            first += piece
                else:
                    for start in range(first, stop, piece):
                        self.wfile.write(served.data[start : min(start + piece, stop)])
                        hub.released.wait(served.slow)
                self.wfile.flush()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    return Handler
