"""Gives items to workers beyond this process, and again where a worker died."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

from ..errors import WorkerDied
from .outcome import Outcome
from .worker import BROKEN, READY, VALUE, read_report

TRIES = 3
M = TypeVar("M")


class Staff(Protocol[M]):
    """Starts and ends workers of some kind (M), and passes items and reports."""

    def start(self) -> M:
        """Start a worker; it reports READY or BROKEN."""

    def send(self, member: M, item: bytes) -> None:
        """Give an item to a worker that is ready."""

    def wait(self, members: Collection[M]) -> list[tuple[M, bytes | None]]:
        """Reports, at least one; ``None`` from a worker that died."""

    def end(self, members: Collection[M], gently: bool) -> None:
        """End workers.  gently: they are idle, and may end by themselves."""

    def cause(self, member: M) -> str:
        """What a worker died of, for a sentence: "killed by signal 9"."""


@dataclass
class _Job:
    index: int
    item: bytes
    tries: int = 0


class Team:
    """workers: how many there are at most; each is started when there is an item for it."""

    def __init__(self, staff: Staff, workers: int):
        self._staff, self._workers = staff, workers
        self._starting: list[Any] = []
        self._idle: list[Any] = []
        self._failed_starts = 0

    def run(self, items: Iterable[Any]) -> Iterator[Outcome]:
        """Yields the outcomes as the items finish.  See `workers.pool`."""
        todo = enumerate(items)
        waiting: deque[_Job] = deque()
        busy: dict[Any, _Job] = {}
        outcomes: list[Outcome] = []
        try:
            while True:
                room = max(0, self._workers - len(busy) - len(waiting))
                waiting.extend(_Job(index, pickle.dumps(item)) for index, item in islice(todo, room))
                self._assign(waiting, busy)
                yield from outcomes  # while the workers go on
                if not busy and not waiting:
                    return
                reports = self._staff.wait([*self._starting, *busy])
                found = [
                    self._lost(member, waiting, busy) if report is None else self._told(member, report, busy)
                    for member, report in reports
                ]
                outcomes = [outcome for outcome in found if outcome is not None]
        finally:
            self._staff.end(busy, gently=False)

    def end(self) -> None:
        """End the workers."""
        self._staff.end(self._starting, gently=False)
        self._staff.end(self._idle, gently=True)

    def _assign(self, waiting: deque[_Job], busy: dict[Any, _Job]) -> None:
        while self._idle and waiting:
            member, job = self._idle.pop(), waiting.popleft()
            busy[member] = job
            self._staff.send(member, job.item)
        while len(self._starting) < min(len(waiting), self._workers - len(busy)):
            self._starting.append(self._staff.start())

    def _told(self, member: Any, report: bytes, busy: dict[Any, _Job]) -> Outcome | None:
        kind, content = read_report(report)
        if kind == BROKEN:
            raise content
        if kind == READY:
            self._starting.remove(member)
            self._idle.append(member)
            self._failed_starts = 0
            return None
        job = busy.pop(member)
        self._idle.append(member)
        return Outcome(job.index, content) if kind == VALUE else Outcome(job.index, error=content)

    def _lost(self, member: Any, waiting: deque[_Job], busy: dict[Any, _Job]) -> Outcome | None:
        cause = self._staff.cause(member)
        if member in self._starting:
            self._starting.remove(member)
            self._failed_starts += 1
            if self._failed_starts == TRIES:
                raise WorkerDied(f"The last {TRIES} workers died before they were ready ({cause}).")
            return None
        job = busy.pop(member)
        job.tries += 1
        if job.tries == TRIES:
            return Outcome(job.index, error=WorkerDied(f"{TRIES} workers died while they did this ({cause})."))
        waiting.appendleft(job)
        return None
