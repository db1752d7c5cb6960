"""The line before the one place that computes: whoever came first, from the page or from a program."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from barbershop_core.errors import BarbershopError

LONGEST = 300.0
"""Seconds that the last one is expected to wait; who would wait longer is asked to come back."""
UNKNOWN = 20.0
"""Seconds of work whose time nobody knows, for who may wait at all."""
MOST = 40
"""Most who wait, whatever the speed: each of them holds a thread of the server."""


class Busy(BarbershopError):
    """Too many wait already.  seconds: until there will be room."""

    def __init__(self, waiting: int, seconds: float):
        minutes = max(1, math.ceil(seconds / 60))
        self.seconds = seconds
        super().__init__(
            f"{waiting} {'others are' if waiting > 1 else 'other is'} waiting already.",
            f"Your photos and settings are kept: try again in about {minutes} minute{'s' * (minutes > 1)}.",
        )


@dataclass(frozen=True)
class Standing:
    """Where somebody stands.

    ahead: how many come first, with the one whose turn it is.  seconds: until they are done, None where nobody knows.
    """

    ahead: int
    seconds: float | None


class Place:
    """Somebody's place in a line."""

    def __init__(self, line: Line, seconds: float | None):
        self._line, self._work, self._until = line, seconds, None

    @property
    def left(self) -> float | None:
        """Seconds of work left; those before the turn do not count.  None where it was never timed, or is late."""
        if self._until is None:
            return self._work
        return self._until - time.monotonic() if time.monotonic() < self._until else None

    def needs(self, seconds: float) -> None:
        """Tell how much longer the work under way will take."""
        self._until = time.monotonic() + seconds

    def waiting(self, every: float = 2.0) -> Iterator[Standing]:
        """Where this one stands, until it is its turn: about once in ``every`` seconds, less often far behind, as
        telling many takes time from the work that they wait for."""
        line = self._line
        with line.changed:
            standing = line.standing(self)
        while standing.ahead:
            yield standing
            with line.changed:
                line.changed.wait_for(lambda: not line.standing(self).ahead, timeout=every * (1 + standing.ahead / 5))
                standing = line.standing(self)
        if self._work is not None:
            self.needs(self._work)


class Line:
    """Those who wait and, in front, the one whose turn it is.

    longest: seconds that somebody may have to wait, as far as can be told.  most: how many may wait at all.
    """

    def __init__(self, longest: float = LONGEST, most: int = MOST):
        self.longest, self.most = longest, most
        self.changed = threading.Condition()
        self._places: list[Place] = []

    def standing(self, place: Place) -> Standing:
        """Where a place stands; to be called with ``changed`` held."""
        ahead = self._places[: self._places.index(place)]
        left = [other.left for other in ahead]
        return Standing(len(ahead), None if None in left else sum(left))

    @contextmanager
    def join(self, seconds: float | None) -> Iterator[Place]:
        """A place for work that takes about ``seconds`` (None: it was never timed), until the ``with`` block ends.

        Raises Busy.  The first to wait is never refused.
        """
        place = Place(self, seconds)
        with self.changed:
            wait = sum(UNKNOWN if other.left is None else other.left for other in self._places)
            if len(self._places) > 1 and (wait > self.longest or len(self._places) > self.most):
                raise Busy(len(self._places) - 1, wait - self.longest)
            self._places.append(place)
        try:
            yield place
        finally:
            with self.changed:
                self._places.remove(place)
                self.changed.notify_all()


line = Line(float(os.environ.get("BARBERSHOP_LONGEST_WAIT") or LONGEST))
