"""Workers that are processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from typing import Any

from .threads import inherited
from .worker import Worker

PATIENCE = 5.0  # seconds that a process has for ending


@contextmanager
def processes(make: Callable[[], Callable[[Any], Any]], threads: int) -> Iterator[Processes]:
    """Spawned processes that call ``make``."""
    yield Processes(pickle.dumps(make), threads)


@dataclass(eq=False)
class _Member:
    process: SpawnProcess
    pipe: connection.Connection


class Processes:
    """A `team.Staff` of processes.  They end with this one, however it ends."""

    def __init__(self, make: bytes, threads: int):
        self._make, self._threads = make, threads
        self._spawn = multiprocessing.get_context("spawn")

    def start(self) -> _Member:
        here, there = self._spawn.Pipe()
        process = self._spawn.Process(target=_serve, args=(there, self._make, self._threads), daemon=True)
        with inherited(self._threads):
            process.start()
        there.close()  # so that the pipe ends when the process does
        return _Member(process, here)

    def send(self, member: _Member, item: bytes) -> None:
        try:
            member.pipe.send_bytes(item)
        except OSError:
            pass  # it died meanwhile, as `wait` will find

    def wait(self, members: Collection[_Member]) -> list[tuple[_Member, bytes | None]]:
        ready = set(connection.wait([thing for m in members for thing in (m.pipe, m.process.sentinel)]))
        return [(m, self._report(m)) for m in members if m.pipe in ready or m.process.sentinel in ready]

    def end(self, members: Collection[_Member], gently: bool) -> None:
        for member in members:
            member.pipe.close()  # on which an idle process returns
            if not gently:
                member.process.terminate()
        for member in members:
            member.process.join(PATIENCE)
            if member.process.is_alive():
                member.process.kill()
                member.process.join()

    def cause(self, member: _Member) -> str:
        self.end([member], gently=False)
        code = member.process.exitcode
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"

    def _report(self, member: _Member) -> bytes | None:
        try:
            return member.pipe.recv_bytes() if member.pipe.poll() else None
        except (EOFError, OSError):
            return None


def _serve(pipe: connection.Connection, make: bytes, threads: int) -> None:
    """The life of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the first one ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()
    worker = Worker(make, threads)
    try:
        pipe.send_bytes(worker.open())
        while True:
            pipe.send_bytes(worker.do(pipe.recv_bytes()))
    except (EOFError, OSError):
        return  # nobody listens any more


def _end_with_parent() -> None:
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
