"""Many edits from a job file, which survive a kill: each photo read and embedded once, results in one folder.

>>> from barbershop_core import Studio, batch, open_pack, run
>>> studio = Studio(open_pack("studio"))
>>> jobs = batch.check(batch.read("jobs.csv"), studio.pack)
>>> summary = run(batch.run(studio, jobs, "results"))
>>> summary.done, summary.failed

Job files are described in :mod:`.job_file`, the manifest that is written beside the pictures in :mod:`.manifest`.
"""

from .check import Mistakes, check
from .job import Job, Photo
from .job_file import Table, pairs, read
from .manifest import read_manifest
from .run_jobs import Summary, run

__all__ = ["Job", "Mistakes", "Photo", "Summary", "Table", "check", "pairs", "read", "read_manifest", "run"]
