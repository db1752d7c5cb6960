"""Runs the jobs of a batch, and goes on where an earlier run was stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..editing.picture_file import kind_of
from ..errors import BadRequest
from ..progress import Step, Steps
from ..protocols import PackLike
from ..studio import Studio
from ..weights.manifest import PACKS
from ..workers import pool
from . import manifest
from .edit import Editor, Opener, line_of, sentence_about
from .job import Job
from .order import ordered


@dataclass(frozen=True)
class Summary:
    """How a batch ended.

    done, failed: jobs that have pictures, and those that have none.  before: those of them that an earlier run had
    finished.  failures: the error of each failed job, by name.  manifest: the file with a line for each.
    seconds: of this run.
    """

    done: int
    failed: int
    before: int
    failures: dict[str, str]
    manifest: Path
    seconds: float


def run(
    studio: Studio,
    jobs: Sequence[Job],
    out: str | Path,
    *,
    workers: int = 1,
    ray: str | None = None,
    gpus_per_worker: float = 0.0,
    threads: int = 1,
    paste: bool = True,
    suffix: str = ".png",
    retry_failed: bool = False,
    device: str | None = None,
) -> Steps[Summary]:
    """Do every job that the folder's manifest does not list yet.

    jobs: of `check.check`.  out: folder of pictures and manifest, made if needed; workers on other machines have to
    see it at the same path.  workers, ray, gpus_per_worker, threads: see `workers.pool`; one worker without Ray is
    this process and uses ``studio``, others open the same pack.  paste: write the whole photos, too.  suffix: ".png",
    ".jpg" or ".webp".  retry_failed: try those again that failed before.  device: of other workers, by default the
    studio's.

    Yields the stage "edit" with a step for each job, the losses "failed" and "minutes left", and the errors as
    notices.  Closing the generator stops the workers; what they had not finished is done by the next run.  Pictures
    are the same for any order, number of workers and kind of interruption, and those of single edits with as many
    ``threads``.  Raises BadRequest for a folder that cannot be written, or that another batch writes to.
    """
    kind_of(Path(f"picture{suffix}"))
    out = Path(out).expanduser().resolve()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadRequest(f"The folder {out} cannot be made ({error.strerror}).", "Write elsewhere with -o.") from error
    if workers == 1 and ray is None:
        make: Callable[[], Editor] = partial(Editor, studio, out, paste, suffix)
    else:
        cache = False if studio.cache is None else studio.cache
        make = Opener(_name_of(studio.pack), device or str(studio.pack.device), cache, out, paste, suffix)
    staff = partial(pool, make, workers, ray, gpus_per_worker, threads)
    return _run(studio, list(jobs), out, staff, workers, retry_failed)


def _run(
    studio: Studio,
    jobs: list[Job],
    out: Path,
    staff: Callable[[], AbstractContextManager],
    workers: int,
    retry_failed: bool,
) -> Steps[Summary]:
    began = time.monotonic()
    with manifest.opened(out, retry_failed) as book:
        todo = ordered([job for job in jobs if job.key not in book.entries], workers)
        before, failed = len(jobs) - len(todo), _failures(jobs, book)
        words = f"{before} of {len(jobs)} jobs were finished before, {len(failed)} of them failed."
        yield Step("edit", before, len(jobs), {"failed": len(failed)}, notice=words if before else "")
        if todo:
            yield from studio.pack.download()  # once, instead of by each worker
            with staff() as members:
                for finished, outcome in enumerate(members.run(todo), 1):
                    job, entry = todo[outcome.index], outcome.value
                    if outcome.error is not None:
                        entry = line_of(job, {"error": sentence_about(outcome.error)}, 0.0)
                    book.append(entry)
                    if "error" in entry:
                        failed[job.name] = entry["error"]
                    left = (time.monotonic() - began) / finished * (len(todo) - finished) / 60
                    losses = {"failed": len(failed), "minutes left": left}
                    notice = f"{job.name} (line {job.line}): {entry['error']}" if "error" in entry else ""
                    yield Step("edit", before + finished, len(jobs), losses, notice=notice)
        seconds = round(time.monotonic() - began, 2)
        return Summary(len(jobs) - len(failed), len(failed), before, failed, book.path, seconds)


def _name_of(pack: PackLike) -> str:
    """The name of a pack that comes with the program, else its manifest's path."""
    path = pack.manifest.path.resolve()
    return pack.name if path == (PACKS / pack.name / "pack.toml").resolve() else str(path)


def _failures(jobs: Sequence[Job], book: manifest.Manifest) -> dict[str, str]:
    entries = (book.entries.get(job.key, {}) for job in jobs)
    return {entry["name"]: entry["error"] for entry in entries if "error" in entry}
