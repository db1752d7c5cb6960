"""Checks a file's size and checksum against the manifest.

Hashing a gigabyte takes seconds, so digests are kept in a small JSON file beside the Hub's cache; a file
whose size or modification time has changed is hashed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from .. import atomic
from .manifest import Source

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Verdict:
    """The result of a check.

    how: what was compared: "sha256", "git sha1" (both from the manifest), "hub" (the hash that the Hub
        gave), "size", or "nothing".
    problem: empty if the file is right, else a phrase that continues "the file ...".
    """

    how: str
    problem: str = ""

    @property
    def good(self) -> bool:
        """Whether the file may be used."""
        return not self.problem


def check(path: Path, source: Source, etag: str = "", remembered: Path | None = None) -> Verdict:
    """Compare the file at ``path`` with the size and hash in ``source``.

    etag: the Hub's own hash of it (64 hex digits: sha256 of a large file; 40: git's id of a small one),
        used if the manifest has none.
    remembered: the JSON file of known digests.
    """
    actual = path.stat().st_size
    if source.size is not None and actual != source.size:
        return Verdict("size", f"has {actual:,} bytes instead of {source.size:,}")
    if source.sha256:
        return _compare("sha256", digest(path, "sha256", remembered), source.sha256)
    if source.git_sha1:
        return _compare("git sha1", digest(path, "git_sha1", remembered), source.git_sha1)
    if re.fullmatch("[0-9a-f]{64}", etag):
        return _compare("hub", digest(path, "sha256", remembered), etag)
    if re.fullmatch("[0-9a-f]{40}", etag):
        return _compare("hub", digest(path, "git_sha1", remembered), etag)
    return Verdict("size" if source.size is not None else "nothing")


def _compare(how: str, actual: str, wanted: str) -> Verdict:
    if actual == wanted:
        return Verdict(how)
    return Verdict(how, f"has the checksum {actual[:8]}... instead of {wanted[:8]}...")


def digest(path: Path, kind: str = "sha256", remembered: Path | None = None) -> str:
    """Hex digest of a file: "sha256" of its bytes, or "git_sha1", git's object id of them."""
    path = path.resolve()
    stat = path.stat()
    key = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    entry = _read(remembered).get(str(path), {})
    if all(entry.get(k) == v for k, v in key.items()) and entry.get(kind):
        return entry[kind]
    if kind == "sha256":
        hasher = hashlib.sha256()
    else:
        hasher = hashlib.sha1(b"blob %d\0" % stat.st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    _remember(remembered, str(path), {**key, kind: hasher.hexdigest()})
    return hasher.hexdigest()


def _read(remembered: Path | None) -> dict:
    if remembered is None:
        return {}
    try:
        known = json.loads(remembered.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(remembered: Path | None, path: str, entry: dict) -> None:
    """Best effort: two processes may lose each other's entry; the file is then hashed again."""
    if remembered is None:
        return
    known = {p: e for p, e in _read(remembered).items() if os.path.exists(p)}
    known[path] = entry
    try:
        remembered.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(remembered, json.dumps(known, indent=1).encode())
    except OSError:
        pass
