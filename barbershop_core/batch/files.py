"""Photos and job files of this machine, of a shared folder, or at an fsspec URL ("hf://", "s3://", "https://")."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import CorruptPhoto, PhotoTooLarge
from ..photo.decode import MAX_BYTES

PIECE = 1 << 20


def is_url(path: str) -> bool:
    """Whether a path names its protocol, as in "hf://datasets/me/faces/1.jpg"."""
    return "://" in path


def beside(folder: str, path: str) -> str:
    """``path``, taken from ``folder`` where it is relative."""
    if is_url(path):
        return path
    return posixpath.join(folder, path) if is_url(folder) else str(Path(folder) / Path(path).expanduser())


def folder_of(path: str) -> str:
    """The folder of a file, as `beside` takes it; absolute, as workers may run elsewhere."""
    return posixpath.dirname(path) if is_url(path) else str(Path(path).absolute().parent)


def name_of(path: str) -> str:
    """The file's name without its folder."""
    return posixpath.basename(path) if is_url(path) else Path(path).name


def is_file(path: str) -> bool:
    """Whether there is a file; a pipe or device, which might never end, is none.  Raises OSError of URLs."""
    if not is_url(path):
        return Path(path).is_file()
    with _errors_of_urls():
        filesystem, inside = _remote(path)
        return filesystem.isfile(inside)


def sha256(path: str) -> str:
    """Hex digest of a file's bytes.  Raises OSError."""
    hasher = hashlib.sha256()
    with _open(path) as file:
        while piece := file.read(PIECE):
            hasher.update(piece)
    return hasher.hexdigest()


def contents(path: str, most: int = MAX_BYTES) -> bytes:
    """A photo's bytes.  Raises PhotoTooLarge for more than ``most``, CorruptPhoto where it cannot be read."""
    try:
        with _open(path) as file:
            data = file.read(most + 1)
    except OSError as error:
        raise CorruptPhoto("The file cannot be opened.", "Check the path and its permissions.") from error
    if len(data) > most:
        raise PhotoTooLarge(f"The file has more than {most / 1e6:.0f} MB.")
    return data


@contextmanager
def _open(path: str) -> Iterator[BinaryIO]:
    if not is_url(path):
        with open(path, "rb") as file:
            yield file
        return
    with _errors_of_urls():
        filesystem, inside = _remote(path)
        with filesystem.open(inside, "rb") as file:
            yield file


def _remote(path: str):
    """The file system of a URL, and the path in it."""
    from fsspec.core import url_to_fs

    return url_to_fs(path)


@contextmanager
def _errors_of_urls() -> Iterator[None]:
    """Each protocol's package raises errors of its own; here they become OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(str(error) or type(error).__name__) from error
