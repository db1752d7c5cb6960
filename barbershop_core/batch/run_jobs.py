"""Runs the jobs of a batch, and goes on where an earlier run was stopped."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadRequest
from ..progress import Step, Steps
from ..studio import Studio
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
    retry_failed: bool = False,
    device: str | None = None,
) -> Steps[Summary]:
    """Do every job that the folder's manifest does not list yet.

    jobs: of `check.check`.  out: folder of pictures and manifest, made if needed; workers on other machines have to
    see it at the same path.  workers, ray, gpus_per_worker, threads: see `workers.pool`; one worker without Ray is
    this process and uses ``studio``, others open the same pack.  paste: write the whole photos, too.  retry_failed:
    try those again that failed before.  device: of other workers, by default the studio's.

    Yields the stage "edit" with a step for each job, the losses "failed" and "minutes left", and the errors as
    notices.  Closing the generator stops the workers; what they had not finished is done by the next run.  Pictures
    are the same for any order, number of workers and kind of interruption, and those of single edits with as many
    ``threads``.  Raises BadRequest for a folder that cannot be written, or that another batch writes to.
    """
    out = Path(out).expanduser().resolve()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadRequest(f"The folder {out} cannot be made ({error.strerror}).", "Write elsewhere with -o.") from error
    return _run(studio, jobs, out, (workers, ray, gpus_per_worker, threads), paste, retry_failed, device)


def _run(studio: Studio, jobs: Sequence[Job], out: Path, staff: tuple, paste: bool, retry: bool, device) -> Steps[Any]:
    began = time.monotonic()
    with manifest.opened(out, retry) as book:
        todo = ordered([job for job in jobs if job.key not in book.entries], staff[0])
        before, failed = len(jobs) - len(todo), _failures(jobs, book)
        if before:
            words = f"{before} of {len(jobs)} jobs were finished before, {len(failed)} of them failed."
            yield Step("edit", before, len(jobs), {"failed": len(failed)}, notice=words)
        if todo:
            with pool(_maker(studio, out, paste, device, staff), *staff) as workers:
                for finished, outcome in enumerate(workers.run(todo), 1):
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


def _maker(studio: Studio, out: Path, paste: bool, device: str | None, staff: tuple):
    """What makes the function of a worker: of this process, or of another one."""
    if staff[0] == 1 and staff[1] is None:
        return lambda: Editor(studio, out, paste)
    cache = False if studio.cache is None else studio.cache
    return Opener(str(studio.pack.manifest.path), device or str(studio.pack.device), cache, out, paste)


def _failures(jobs: Sequence[Job], book: manifest.Manifest) -> dict[str, str]:
    entries = (book.entries.get(job.key, {}) for job in jobs)
    return {entry["name"]: entry["error"] for entry in entries if "error" in entry}
