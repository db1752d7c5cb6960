"""The command batch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadRequest
from ..options import PRESET, SEED
from .arguments import add_common, add_workers, given
from .output import PICTURES, open_studio

if TYPE_CHECKING:
    from ..batch import Table

OUTPUT = "folder of the pictures and of manifest.jsonl (default: the job file's name and -results)"


def add(commands) -> None:
    """The parser of batch."""
    batch = commands.add_parser("batch", help="many edits from a job file; started again, it goes on")
    columns = "CSV or JSONL with a line for each edit: operation, photos and options as columns"
    batch.add_argument("jobs", nargs="?", help=columns)
    batch.add_argument("--people", type=Path, metavar="DIR", help="instead of a job file: every person of a folder ...")
    batch.add_argument("--styles", type=Path, metavar="DIR", help="... with the hair of every photo of another")
    batch.add_argument("--check", action="store_true", help="only check the job file")
    batch.add_argument("--retry-failed", action="store_true", help="try the jobs again that failed before")
    batch.add_argument("--no-paste", action="store_true", help="do not write the whole photos")
    formats = [suffix.lstrip(".") for suffix in PICTURES]
    batch.add_argument("--format", choices=formats, default="png", help="of edited pictures (default png)")
    batch.add_argument("--json", action="store_true", help="numbers and errors as JSON on stdout")
    threads = "of PyTorch in each (default 1); others give pictures that may differ by a grey level"
    add_workers(batch).add_argument("--threads", type=int, default=1, metavar="N", help=threads)
    add_common(batch, run, OUTPUT)


def run(options, console) -> int:
    """``batch``: many edits.  Returns 1 where some failed."""
    from .. import batch

    table, out = _table(options)
    studio, progress = open_studio(options, console)
    jobs = batch.check(table, studio.pack, given(options, (PRESET, SEED)))
    if options.check:
        print(f"{len(jobs)} jobs, no mistakes", flush=True)
        return 0
    staff = {name: getattr(options, name) for name in ("workers", "ray", "gpus_per_worker", "threads")}
    wanted = {"paste": not options.no_paste, "retry_failed": options.retry_failed, "device": options.device}
    wanted["suffix"] = f".{options.format}"
    made = progress.run(batch.run(studio, jobs, out, **staff, **wanted))
    if options.json:
        told = {"out": str(out), "done": made.done, "failed": made.failed, "before": made.before}
        print(json.dumps(told | {"seconds": made.seconds, "failures": made.failures}, ensure_ascii=False), flush=True)
    else:
        failed = f", {made.failed} failed (why: {made.manifest.name})" if made.failed else ""
        print(f"{out}: {made.done} of {len(jobs)} jobs done{failed} in {made.seconds:.1f} s", flush=True)
    return int(bool(made.failed))


def _table(options) -> tuple[Table, Path]:
    """The jobs asked for, and the folder to write to."""
    from .. import batch

    folders = options.people, options.styles
    if options.jobs and any(folders):
        raise BadRequest("A job file and two folders exclude each other.", "Give one of them.")
    if options.jobs:
        return batch.read(options.jobs), options.output or Path(f"{Path(options.jobs).stem}-results")
    if not all(folders):
        raise BadRequest("There are no jobs.", "Give a job file, or --people and --styles.")
    return batch.pairs(*folders), options.output or Path(f"{options.people.name}-results")
