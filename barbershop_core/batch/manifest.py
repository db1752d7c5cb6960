"""The manifest of a batch: ``manifest.jsonl`` beside the pictures, a line for each job that is finished.

A line holds "key" (see `job.Job`), "name", "line" of the job file, "operation", "photos" (by role: "path", "sha256",
"face"), "options", "seconds", and

- of a job that was done "files" (by kind, names in the folder), "scores", "recipe" (None where the operation makes
  no picture) and "notices";
- of one that failed "error", a sentence.

Each is appended as a whole and brought to the disk before the next job counts as finished.  Whoever is killed while
writing leaves part of a line, which is removed when the batch goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import atomic
from ..errors import BadRequest

NAME = "manifest.jsonl"


def read_manifest(folder: str | Path) -> list[dict[str, Any]]:
    """The lines of a folder's manifest, the last of each key; none where there is no manifest.

    What cannot be read, such as part of a line, is left out.
    """
    try:
        written = (Path(folder) / NAME).read_bytes()
    except FileNotFoundError:
        return []
    entries: dict[str, dict[str, Any]] = {}
    for line in written.split(b"\n"):
        try:
            entry = json.loads(line)
            key = entry["key"]
        except (ValueError, TypeError, KeyError):
            continue
        entries.pop(key, None)
        entries[key] = entry
    return list(entries.values())


class Manifest:
    """The manifest of a folder while a batch writes it.  entries: by key."""

    def __init__(self, folder: Path, retry_failed: bool = False):
        self.path = folder / NAME
        entries = [entry for entry in read_manifest(folder) if _counts(folder, entry, retry_failed)]
        self.entries = {entry["key"]: entry for entry in entries}
        whole = b"".join(map(_line, entries))
        if not self.path.exists() or self.path.read_bytes() != whole:
            atomic.write(self.path, whole, durable=True)
        self._file = open(self.path, "ab", buffering=0)

    def append(self, entry: dict[str, Any]) -> None:
        """Write the line of a finished job."""
        data = memoryview(_line(entry))
        while data:
            data = data[self._file.write(data) :]
        os.fsync(self._file.fileno())
        self.entries[entry["key"]] = entry

    def close(self) -> None:
        self._file.close()


@contextmanager
def opened(folder: Path, retry_failed: bool = False) -> Iterator[Manifest]:
    """The manifest of a folder, for one process at a time; what a killed one left half written is removed.

    retry_failed: jobs that failed count as not begun.  Raises BadRequest where another batch writes there.
    """
    with _alone(folder):
        for left in folder.glob(f".*{atomic.PARTIAL}"):
            left.unlink(missing_ok=True)
        manifest = Manifest(folder, retry_failed)
        try:
            yield manifest
        finally:
            manifest.close()


def _counts(folder: Path, entry: dict[str, Any], retry_failed: bool) -> bool:
    """Whether a job is finished: it failed and is not to be tried again, or its files are still there."""
    if entry.get("error"):
        return not retry_failed
    return all((folder / name).is_file() for name in entry.get("files", {}).values())


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False).encode() + b"\n"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back from a killed process."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with open(folder / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadRequest(f"Another batch is writing to {folder}.", "Wait for it, or write elsewhere.") from None
        except OSError:
            pass  # a file system without locks
        yield
