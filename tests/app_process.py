"""``python app.py`` as a process of its own, and its HTTP interface as any program can use it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class App:
    """The page with a pack: its name or the path of its manifest.

    folder: for its log, cache, mappers and temporary files.  tiny: the preset "fast" means a few steps.
    more: variables of its environment.
    """

    def __init__(self, folder: Path, pack: str | Path, tiny: bool = True, **more: str):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("BARBERSHOP_", "HF_", "GRADIO_"))}
        kept |= {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(folder / "gradio"), "HF_HUB_OFFLINE": "1"}
        kept |= {
            "BARBERSHOP_PACK": str(pack),
            "BARBERSHOP_CACHE": str(folder / "cache"),
            "BARBERSHOP_MAPPERS": str(folder / "mappers"),
            "OMP_NUM_THREADS": "1",
        }
        self.environment = kept | more
        self.folder, self.log = folder, folder / "log.txt"
        started = time.monotonic()
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "tests/tiny_app.py" if tiny else "app.py"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        while True:
            try:
                with urllib.request.urlopen(self.url, timeout=30) as answer:
                    answer.read()
                break
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() - started < 180, self.log.read_text()
                time.sleep(0.05)
        self.seconds = time.monotonic() - started

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def kill(self) -> None:
        """As ``kill -9``."""
        self.process.kill()
        self.process.wait(20)

    @property
    def memory(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    # ------------------------------------------------------------------------------ HTTP

    def request(self, path: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, str]:
        """Status and text of an answer; 0 where the server hangs up instead."""
        asked = urllib.request.Request(self.url + path, body, {"Content-Type": kind})
        try:
            with urllib.request.urlopen(asked, timeout=300) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode(errors="replace")
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError):
            return 0, ""

    def upload(self, data: bytes, name: str) -> tuple[int, str]:
        """Status, and the file's place on the server (or why it was refused)."""
        line = "".join(c for c in name if c not in '\r\n"')
        head = f'--edge\r\nContent-Disposition: form-data; name="files"; filename="{line}"\r\n\r\n'.encode()
        status, text = self.request(
            "/gradio_api/upload", head + data + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"
        )
        return (status, json.loads(text)[0]) if status == 200 else (status, text)

    def call(self, endpoint: str, data: object) -> tuple[bool, str]:
        """Whether a call of an endpoint succeeded, and its outputs as JSON or what it was refused with."""
        body = data if isinstance(data, bytes) else json.dumps({"data": data}).encode()
        status, text = self.request(f"/gradio_api/call/{endpoint}", body)
        if status != 200:
            return False, text
        status, text = self.request(f"/gradio_api/call/{endpoint}/{json.loads(text)['event_id']}")
        event, _, rest = text.rpartition("event: ")[2].partition("\ndata: ")
        return event == "complete", rest.strip()


def file(path: str) -> dict:
    """A file among the data of a call."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}
