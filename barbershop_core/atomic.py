"""Files that are there whole or not at all, whatever is killed or fills up while they are written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial"
"""Ending of files that are being written.  A killed process leaves them behind."""


@contextmanager
def replacing(path: str | Path, private: bool = False) -> Iterator[Path]:
    """An empty file to write to, which takes the place of ``path`` at the end of the ``with`` block.

    Where the block raises, what was at ``path`` stays.  The file lies in the folder of ``path``, which must exist,
    under a name of its own: processes that write the same file do not disturb each other, and the last one wins.

    private: only the user may read the file.

    Raises OSError as `open` does.
    """
    path = Path(path)
    partial = path.with_name(f".{os.getpid()}-{os.urandom(4).hex()}{PARTIAL}")
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600 if private else 0o666))
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write(path: str | Path, data: bytes, private: bool = False, durable: bool = False) -> None:
    """Write a file as `replacing` does.

    durable: wait until the data are on the disk, so that a power cut does not lose them.
    """
    with replacing(path, private) as partial, open(partial, "wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
