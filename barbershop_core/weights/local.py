"""Weight files that are on this machine already, and the Hub's settings in the environment.

Search order: the folder in ``BARBERSHOP_WEIGHTS``, the pack's own folder, the Hub's cache.  Honours
``HF_ENDPOINT``, ``HF_HUB_OFFLINE`` and ``HF_HUB_CACHE``, which are read at each call.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from huggingface_hub import constants, get_session, try_to_load_from_cache

from .manifest import Network, Source
from .verify import Verdict, check


@dataclass(frozen=True)
class Found:
    """A file that is on this machine and may be used.

    where: "folder" (BARBERSHOP_WEIGHTS), "embedded" (the pack's folder, or the user's) or "cache" (the Hub's cache).
    """

    path: Path
    source: Source
    where: str
    verdict: Verdict


Reason = tuple[Source, str, bool]
"""A source, why it could not be used, and whether it gave a wrong file (rather than none)."""


def offline() -> bool:
    """Whether the environment forbids network access (read now, not when huggingface_hub was imported)."""
    now = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return constants.HF_HUB_OFFLINE or now.strip().upper() in {"1", "ON", "YES", "TRUE"}


def endpoint() -> str:
    """The Hub's address."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def cache_dir() -> Path:
    """The Hub's cache folder."""
    return Path(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE).expanduser()


def remembered() -> Path:
    """The file of known digests, beside the Hub's cache."""
    return cache_dir().parent / "barbershop-verified.json"


def reachable(timeout: float = 3.0) -> bool:
    """Whether the Hub answers within ``timeout`` seconds."""
    if offline():
        return False
    try:
        get_session().head(endpoint(), timeout=timeout)
    except Exception as error:  # of whichever HTTP library huggingface_hub uses
        logging.getLogger(__name__).debug("no Hub at %s: %s", endpoint(), error)
        return False
    return True


def locate(network: Network, folder: Path, skip: Iterable[Source] = (), discard: bool = True) -> Found | None:
    """The first source of ``network`` whose verified file is on this machine; nothing is downloaded.

    folder: the manifest's.  skip: sources that are left out.
    discard: remove wrong files from the Hub's cache (the user's own files are never removed).
    """
    return search(network, folder, skip, discard, [])


def search(
    network: Network, folder: Path, skip: Iterable[Source], discard: bool, reasons: list[Reason]
) -> Found | None:
    """:func:`locate` that also appends to ``reasons`` the files that are here but wrong."""
    sources = [s for s in network.sources if s not in set(skip)]
    for where, candidates in (("folder", _given), ("embedded", _embedded), ("cache", _cached)):
        for source in sources:
            for path in candidates(source, folder):
                etag = _blob_name(path) if where == "cache" else ""
                verdict = check(path, source, etag, remembered())
                if verdict.good:
                    return Found(path, source, where, verdict)
                problem = f"{path} {verdict.problem}"
                if _is_lfs_pointer(path):
                    problem = f"{path} is a Git LFS pointer, run 'git lfs pull'"
                reasons.append((source, problem, True))
                if where == "cache" and discard:
                    discard_cached(path)
    return None


def _given(source: Source, folder: Path) -> list[Path]:
    """Files in ``BARBERSHOP_WEIGHTS``, named repository/path, path, or just the file's name."""
    own = os.environ.get("BARBERSHOP_WEIGHTS", "")
    if not own:
        return []
    names = dict.fromkeys(
        (f"{source.repo}/{source.file}" if source.repo else source.file, source.file, Path(source.file).name)
    )
    return [p for p in (Path(own).expanduser() / n for n in names) if p.is_file()]


def trained_folder(folder: Path) -> Path:
    """Where the user keeps what was trained for the pack in ``folder``: ``$BARBERSHOP_TRAINED``, or in the
    platform's data folder; by the pack's name."""
    if given := os.environ.get("BARBERSHOP_TRAINED"):
        return Path(given).expanduser() / folder.name
    return platformdirs.user_data_path("barbershop", appauthor=False, roaming=True) / "trained" / folder.name


def embedded_path(source: Source, folder: Path) -> Path:
    """The place of a file that is on no server, whether it exists or not."""
    return trained_folder(folder) / source.file if source.trained else folder / source.file


def _embedded(source: Source, folder: Path) -> list[Path]:
    path = embedded_path(source, folder) if source.embedded else folder / Path(source.file).name
    return [path] if path.is_file() else []


def _cached(source: Source, folder: Path) -> list[Path]:
    if source.embedded:
        return []
    hits = [
        try_to_load_from_cache(
            source.repo, source.file, cache_dir=cache_dir(), revision=revision, repo_type=source.repo_type
        )
        for revision in revisions(source)
    ]
    return [Path(hit) for hit in hits if isinstance(hit, str) and os.path.isfile(hit)]


def revisions(source: Source) -> tuple[str, ...]:
    """The pinned revision; then "main", if a checksum can tell whether the file is the same."""
    known = source.sha256 or source.git_sha1
    return tuple(dict.fromkeys((source.revision, "main"))) if known else (source.revision,)


def _blob_name(path: Path) -> str:
    """The hash by which the Hub's cache names a file, if the file system has symbolic links."""
    return path.resolve().name if path.is_symlink() else ""


def _is_lfs_pointer(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(32).startswith(b"version https://git-lfs")


def discard_cached(path: Path) -> None:
    """Remove a file from the Hub's cache: the link in the snapshot and the blob behind it."""
    inside = cache_dir().resolve()
    while True:
        target = path.parent / os.readlink(path) if path.is_symlink() else None
        if inside in Path(os.path.abspath(path.parent.resolve() / path.name)).parents:
            path.unlink(missing_ok=True)
        if target is None:
            return
        path = target
