"""What runs in a worker, be it a process or an actor, and how it reports.

A report is a pickle of (kind, content, traceback), with plain ``pickle``: multiprocessing's own would pass tensors
through shared memory, which is lost with the worker.
"""

from __future__ import annotations

import pickle
import sys
import traceback
from typing import Any

READY, VALUE, ERROR, BROKEN = "ready", "value", "error", "broken"
"""Kinds of reports: ``make`` returned; an item's value; what an item raised; what ``make`` raised."""


class Worker:
    """make: the pickled function that returns the function item -> value.  threads: of PyTorch."""

    def __init__(self, make: bytes, threads: int):
        self._make, self._threads, self._work = make, threads, None

    def open(self) -> bytes:
        """Call ``make``; a report READY or BROKEN."""
        try:
            make = pickle.loads(self._make)
            if torch := sys.modules.get("torch"):  # loaded later, it follows the environment
                torch.set_num_threads(self._threads)
            self._work = make()
        except Exception as error:
            return _raised(BROKEN, error)
        return pickle.dumps((READY, None, ""))

    def do(self, item: bytes) -> bytes:
        """Do a pickled item; a report VALUE or ERROR."""
        try:
            return pickle.dumps((VALUE, self._work(pickle.loads(item)), ""))
        except Exception as error:
            return _raised(ERROR, error)


def _raised(kind: str, error: Exception) -> bytes:
    trace = "".join(traceback.format_exception(error))
    try:
        report = pickle.dumps((kind, error, trace))
        pickle.loads(report)  # some exceptions cannot be made again from their arguments
    except Exception:
        report = pickle.dumps((kind, RuntimeError(f"{type(error).__name__}: {error}"), trace))
    return report


class WorkersTraceback(Exception):
    """The cause of an error that was raised in a worker: where it was raised."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def read_report(report: bytes) -> tuple[str, Any]:
    """The kind and the content of a report; an exception's cause is the worker's traceback."""
    kind, content, trace = pickle.loads(report)
    if trace:
        content.__cause__ = WorkersTraceback(trace)
    return kind, content
