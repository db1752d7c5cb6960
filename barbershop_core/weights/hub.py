"""From a manifest entry to a verified file on this machine.

Search order: the folder in ``BARBERSHOP_WEIGHTS``, the pack's own folder, the Hub's cache, the Hub.  A
file that does not match the manifest is discarded and the next source is tried; when none is left, the
error says which file, from where, why, and what to do.

Honours ``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HUB_OFFLINE``, ``HF_HUB_CACHE``, ``HF_HUB_ETAG_TIMEOUT`` and
``HF_HUB_DOWNLOAD_TIMEOUT``.  A server that stops answering is given up after a few of these time-outs.
"""

from __future__ import annotations

import errno
import re
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from huggingface_hub import HfFileMetadata, constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import tqdm as hub_bar

from ..errors import WeightCorrupt, WeightMissing
from ..progress import Step, Steps
from .local import (
    Found,
    Reason,
    cache_dir,
    discard_cached,
    embedded_path,
    endpoint,
    offline,
    reachable,
    remembered,
    revisions,
    search,
)
from .manifest import Network, Source
from .verify import check

_AT_ONCE = 16  # sources that are asked at the same time
_POLL = 0.1  # seconds between looks at a running download
_ATTEMPTS = 4  # at a download whose connection breaks, beyond huggingface_hub's own retries
# huggingface_hub reads 10 MB at a time: on a slow line half a minute without progress, and as long until
# a cancellation is noticed or a broken connection is resumed
constants.DOWNLOAD_CHUNK_SIZE = min(1 << 20, constants.DOWNLOAD_CHUNK_SIZE)


class _Refused(Exception):
    """A source gave no usable file; the text is the reason, as a phrase for the user.

    hopeless: trying other sources makes no sense (a full disk).  corrupt: what it gave was wrong.
    """

    def __init__(self, reason: str, *, hopeless: bool = False, corrupt: bool = False):
        super().__init__(reason)
        self.hopeless, self.corrupt = hopeless, corrupt


def fetch(network: Network, folder: Path, skip: Iterable[Source] = ()) -> Steps[Found]:
    """Find ``network``'s file here or download it, trying its sources in order.

    Yields steps of the stage "download <role>", index and total in bytes.
    skip: sources that are left out.
    Raises WeightMissing if no source has the file, WeightCorrupt if all they have is wrong.
    """
    reasons: list[Reason] = []
    found = search(network, folder, skip, True, reasons)
    if found is not None:
        return found
    remote = [s for s in network.sources if not s.embedded and s not in set(skip)]
    if offline():
        reasons += [(s, "not cached, and HF_HUB_OFFLINE is set", False) for s in remote[:1]]
        remote = []
    for number, source in enumerate(remote, 1):
        try:
            return (yield from _download(network.role, source))
        except _Refused as refusal:
            reasons.append((source, str(refusal), refusal.corrupt))
            notice = f"{source.where}: {refusal}."
            if number < len(remote) and not refusal.hopeless:
                notice += f" The {network.role} is tried from {remote[number].where}, {number + 1} of {len(remote)}."
            yield Step(f"download {network.role}", 0, source.size or 0, notice=notice)
            if refusal.hopeless:
                break
    raise explain(network, folder, reasons)


def explain(network: Network, folder: Path, reasons: list[Reason]) -> WeightMissing | WeightCorrupt:
    """The error that says which file, from where, why, and what to do."""
    first = network.sources[0]
    if not reasons:
        reasons = [(first, f"{embedded_path(first, folder)} does not exist", False)]
    tried = "; ".join(f"{s.where} ({s.file}): {why}" for s, why, _ in reasons)
    what = f"The {network.role} weights are not available: {tried}."
    if first.trained:
        remedy = f"Train it: python -m barbershop_core {first.trained} --pack {folder.name}."
    elif first.embedded:
        remedy = "Fetch the pack again, or train it with 'python -m barbershop_core.training.studio_pack'."
    elif offline():
        remedy = (
            f"Unset HF_HUB_OFFLINE, or put {Path(first.file).name} into a folder and set "
            "BARBERSHOP_WEIGHTS to it, or use the pack 'studio'."
        )
    else:
        remedy = (
            f"Check the connection to {endpoint()} (and HF_TOKEN for gated files), or put "
            f"{Path(first.file).name} into a folder and set BARBERSHOP_WEIGHTS to it, "
            "or use the pack 'studio'."
        )
    return (WeightCorrupt if all(corrupt for *_, corrupt in reasons) else WeightMissing)(what, remedy)


def _download(role: str, source: Source) -> Steps[Found]:
    """Download one source, resume it if the connection breaks, and verify it.  Raises _Refused."""
    revision, metadata = _offer(source)
    etag = (metadata.etag or "").lower()
    total = metadata.size or source.size or 0
    for attempt in range(1, _ATTEMPTS + 1):
        transfer = _Transfer(source, revision, etag)
        try:
            yield from transfer.steps(f"download {role}", total)
        finally:
            transfer.cancel()
        if not (_broke_off(transfer.error) and transfer.done and attempt < _ATTEMPTS):
            break
    if transfer.error is not None:
        full = getattr(transfer.error, "errno", None) in (errno.ENOSPC, errno.EROFS)
        raise _Refused(_reason(transfer.error), hopeless=full) from transfer.error
    verdict = check(transfer.path, source, etag, remembered())
    if not verdict.good:
        discard_cached(transfer.path)
        raise _Refused(f"the downloaded file {verdict.problem}", corrupt=True)
    yield Step(f"download {role}", total, total)
    return Found(transfer.path, source, "cache", verdict)


def ask(sources: Iterable[Source], timeout: float = 5.0) -> dict[Source, str]:
    """Which sources on the Hub answer, asked all at once; nothing is downloaded.

    timeout: seconds for each.  Returns why a source cannot be used, empty where it offers the manifest's file.
    """
    wanted = [source for source in dict.fromkeys(sources) if not source.embedded]
    if not wanted:
        return {}
    if not reachable(timeout):
        return dict.fromkeys(wanted, f"{endpoint()} does not answer")

    def why(source: Source) -> str:
        try:
            _offer(source, timeout)
        except _Refused as refusal:
            return str(refusal)
        return ""

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(wanted, pool.map(why, wanted)))


def _offer(source: Source, timeout: float | None = None) -> tuple[str, HfFileMetadata]:
    """The revision in which the Hub has a file, and what it says of it.  Raises _Refused."""
    for last, revision in enumerate(revisions(source), start=1 - len(revisions(source))):
        try:
            metadata = _metadata(source, revision, timeout)
            break
        except (RevisionNotFoundError, EntryNotFoundError) as error:
            if last == 0:
                raise _Refused(_reason(error)) from error
        except Exception as error:  # each source may fail in its own way; the next one is tried
            raise _Refused(_reason(error)) from error
    _refuse_another_file(source, metadata.size, (metadata.etag or "").lower())
    return revision, metadata


def _metadata(source: Source, revision: str, timeout: float | None) -> HfFileMetadata:
    """The Hub's metadata of a file; one retry after a server error."""
    url = hf_hub_url(source.repo, source.file, repo_type=source.repo_type, revision=revision, endpoint=endpoint())
    for retry in (True, False):
        try:
            return get_hf_file_metadata(url, timeout=timeout or constants.HF_HUB_ETAG_TIMEOUT, endpoint=endpoint())
        except Exception as error:
            if not retry or _status(error) not in (500, 502, 503, 504):
                raise
            time.sleep(1)


def _refuse_another_file(source: Source, size: int | None, etag: str) -> None:
    """Raises _Refused if the Hub announces another file than the manifest's, before it is downloaded."""
    announced = re.fullmatch("[0-9a-f]{64}", etag)
    if source.size is not None and size is not None and size != source.size:
        what = f"offers a file of {size:,} bytes instead of {source.size:,}"
    elif source.sha256 and announced and etag != source.sha256:
        what = f"offers a file with the checksum {etag[:8]}... instead of {source.sha256[:8]}..."
    else:
        return
    raise _Refused(what, corrupt=True)


class _Transfer:
    """One download in its own thread, so that it can be watched and cancelled.

    done: bytes so far.  path: the file, once complete.  error: what the download raised.
    """

    def __init__(self, source: Source, revision: str, etag: str):
        self.source, self.revision, self.etag = source, revision, etag
        self.done = 0
        self.path: Path | None = None
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"download {source.file}", daemon=True)

    def steps(self, stage: str, total: int) -> Steps[None]:
        """Run the download; gives up if no megabyte arrives for many time-outs."""
        # huggingface_hub gives up on silent servers sooner; this is for very slow ones
        patience = 30 * constants.HF_HUB_DOWNLOAD_TIMEOUT
        self._thread.start()
        yield Step(stage, 0, total)
        seen, since = (0, 0), time.monotonic()
        while self._thread.is_alive():
            self._thread.join(_POLL)
            state = (self.done, self._bytes_of_others())
            if state != seen:
                if state[0] != seen[0]:
                    yield Step(stage, min(self.done, total) if total else self.done, total)
                seen, since = state, time.monotonic()
            elif time.monotonic() - since > patience:
                self._stop.set()
                self.error = TimeoutError(f"nothing came for {patience} seconds")
                return

    def cancel(self) -> None:
        """Stop when the next bytes arrive, without waiting for them here."""
        self._stop.set()

    def _run(self) -> None:
        try:
            path = hf_hub_download(
                self.source.repo,
                self.source.file,
                repo_type=self.source.repo_type,
                revision=self.revision,
                cache_dir=cache_dir(),
                endpoint=endpoint(),
                etag_timeout=constants.HF_HUB_ETAG_TIMEOUT,
                tqdm_class=self._bar(),
            )
            self.path = Path(path)
        except BaseException as error:  # passed to the watching thread
            self.error = self.error or error

    def _bar(self) -> type[hub_bar]:
        transfer = self

        class Bar(hub_bar):
            """Counts bytes instead of drawing; raises to end a cancelled download."""

            def __init__(self, *args, **kwargs):
                super().__init__(*args, **{**kwargs, "disable": True})

            def update(self, n=1):
                if transfer._stop.is_set():
                    raise InterruptedError("cancelled")
                transfer.done += int(n or 0)

        return Bar

    def _bytes_of_others(self) -> int:
        """Bytes of this file fetched so far by any process: another one may hold the cache's lock."""
        prefix = {"model": "models", "dataset": "datasets", "space": "spaces"}[self.source.repo_type]
        blobs = cache_dir() / "--".join([prefix, *self.source.repo.split("/")]) / "blobs"
        sizes = 0
        for path in blobs.glob(f"{self.etag}*.incomplete"):
            try:
                sizes += path.stat().st_size
            except OSError:
                pass
        return sizes


def _class_names(error: BaseException) -> set[str]:
    """Names of the classes of an error and of its cause; huggingface_hub's HTTP library is not imported."""
    return {c.__name__ for e in (error, error.__cause__) if e is not None for c in type(e).__mro__}


def _broke_off(error: BaseException | None) -> bool:
    return error is not None and not _class_names(error).isdisjoint(
        {"NetworkError", "ConnectionError", "RemoteProtocolError"}
    )


def _status(error: BaseException) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _reason(error: BaseException) -> str:
    """An error of huggingface_hub as a phrase for the user."""
    names = _class_names(error)
    status = _status(error) or _status(error.__cause__)
    if isinstance(error, GatedRepoError):
        return "gated: accept its terms on its page and set HF_TOKEN"
    if isinstance(error, RevisionNotFoundError):
        return "the pinned revision is gone"
    if isinstance(error, EntryNotFoundError) and status == 404:
        return "the file is gone (404)"
    if isinstance(error, RepositoryNotFoundError):
        return "the repository is gone or private"
    if status in (401, 403):
        return f"access denied ({status})"
    if status is not None:
        return f"the server answered {status}"
    if isinstance(error, TimeoutError) or "TimeoutException" in names:
        return "the server does not answer"
    if _broke_off(error):
        return "there is no connection, or it broke"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full"
    if isinstance(error, OSError) and error.errno in (errno.EROFS, errno.EACCES):
        return f"the folder {cache_dir()} cannot be written"
    if "Consistency check failed" in str(error):
        return "the download is incomplete"
    return " ".join(str(error).split())[:200] or type(error).__name__
