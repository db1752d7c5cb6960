"""A disk cache of codes, so that no portrait is inverted twice.

There is one file for each entry, named by a digest of the portrait's content, the pack, the space and the
preset's numbers.  Faces are private: entries expire after a day, only the owner can read the folder, and file
names reveal nothing about the photo.  Processes may share the folder: entries are written by an atomic
rename, and an entry that has vanished or is damaged counts as a miss.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from .. import atomic
from ..errors import BadRequest

if TYPE_CHECKING:  # folders are swept without PyTorch
    import torch

    from . import codes

DAY = 24 * 3600.0
_ENDING = ".safetensors"


def default_folder() -> Path:
    """``codes`` in ``$BARBERSHOP_CACHE``, else in the platform's cache folder (~/.cache/barbershop)."""
    if given := os.environ.get("BARBERSHOP_CACHE"):
        return Path(given).expanduser() / "codes"
    return platformdirs.user_cache_path("barbershop", appauthor=False) / "codes"


def is_over(path: Path, most: float, now: float | None = None) -> bool:
    """Whether a file is older than ``most`` seconds.  Raises OSError where it is gone.

    What was written in the future, as the clock was set back since then, begins its time now.
    """
    now = time.time() if now is None else now
    age = now - path.stat().st_mtime
    if age < -60:
        os.utime(path, (now, now))
    return age > most


def cache_key(portrait_digest: str, fingerprint: str, space: str, settings: object) -> str:
    """The name of an entry, 40 hex digits.

    settings: the inversion's preset (a dataclass); all its numbers are part of the key, so that a changed
    preset never finds old codes.
    """
    numbers = asdict(settings) if is_dataclass(settings) else settings
    text = json.dumps([portrait_digest, fingerprint, space, numbers, "codes 2"], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


class CodeCache:
    """A folder of codes, limited in size (the least recently used entries are removed first) and in age.

    folder: created when first written; by default :func:`default_folder`.
    max_bytes: upper bound of the folder's size after each write.
    max_age: seconds after which an entry is never returned again.
    """

    def __init__(self, folder: str | Path | None = None, max_bytes: int = 512 << 20, max_age: float = DAY):
        self.folder = Path(folder) if folder is not None else default_folder()
        self.max_bytes, self.max_age = max_bytes, max_age

    def get(self, key: str, device: torch.device | str = "cpu") -> codes.Code | None:
        """The code stored under ``key``, or ``None``: unknown, expired or damaged."""
        from . import codes

        path = self._path(key)
        try:
            if is_over(path, self.max_age):
                path.unlink()
                return None
            created = path.stat().st_mtime
            code = codes.load(path, device)
            # The access time is the last use; the modification time stays the time of creation.
            os.utime(path, (time.time(), created))
            return code
        except BadRequest:
            path.unlink(missing_ok=True)
            return None
        except OSError:
            return None

    def put(self, key: str, code: codes.Code) -> bool:
        """Store ``code``.  Returns False if the folder cannot be written; then nothing is cached."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            atomic.write(self._path(key), code.dumps(), private=True)
            self.sweep()
            return True
        except OSError:
            return False

    def sweep(self, now: float | None = None) -> None:
        """Remove expired entries, partial files of killed processes, and the least recently used excess."""
        kept = []
        for path in self._files():
            try:
                stat = path.stat()
                if is_over(path, 3600.0 if path.suffix == atomic.PARTIAL else self.max_age, now):
                    path.unlink(missing_ok=True)
                elif path.suffix == _ENDING:
                    kept.append((stat.st_atime, stat.st_size, path))
            except OSError:
                continue  # another process has removed it
        excess = sum(size for _, size, _ in kept) - self.max_bytes
        for _, size, path in sorted(kept, key=lambda entry: entry[0]):
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size

    def clear(self) -> None:
        """Remove all entries."""
        for path in self._files():
            path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return sum(path.suffix == _ENDING for path in self._files())

    def _files(self) -> list[Path]:
        try:
            return [path for path in self.folder.iterdir() if path.suffix in (_ENDING, atomic.PARTIAL)]
        except OSError:
            return []

    def _path(self, key: str) -> Path:
        if not key or not all(c in "0123456789abcdef" for c in key):
            raise ValueError(f"not a cache key: {key!r}")
        return self.folder / (key + _ENDING)
