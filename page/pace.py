"""How far a run has come, and how long it will take, from the times of earlier runs like it.

A run is a sequence of stages (see :class:`barbershop_core.progress.Step`).  Their seconds are kept beside the cache of
codes, and are the weights of one bar.  What is left is those seconds times how much slower or faster the last
moments of this run went, so that neighbours on the same machine are felt.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from barbershop_core import atomic
from barbershop_core.progress import Step

MEMORY = 15.0
"""Seconds after which the pace of a moment counts half."""
TRUST = 2.0
"""Seconds of running as foreseen that a run begins with, so that its first step does not decide everything."""


@dataclass
class Stage:
    """One stage of a run.  steps: how many were planned.  seconds: how long all of it took."""

    name: str
    steps: int
    seconds: float


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    share: of its work, 0..1, never less than before; None where such a run was never timed.  ahead: the share at
    the next step, and seconds, when that is expected.  left: seconds until the end.
    """

    share: float | None = None
    ahead: float = 0.0
    seconds: float = 0.0
    left: float | None = None


class Pace:
    """Follows one run.  known: the stages of earlier ones.  clock: in seconds."""

    def __init__(self, known: list[Stage], clock: Callable[[], float] = time.monotonic):
        self._plan, self._clock = [Stage(*astuple(stage)) for stage in known], clock
        self._at = -1  # the stage of the plan that is under way
        self._inside = 0.0  # how much of it is done
        self._step: Step | None = None
        self.seen: list[tuple[int | None, Stage]] = []  # what was met: place in the plan, stage
        self.began = self._last = clock()
        self._took = self._foreseen = TRUST
        self._shown, self._aim = 0.0, (0.0, 0.0, 0.0)

    def __call__(self, step: Step) -> Progress:
        """Take note of a finished step."""
        now = self._clock()
        took, self._last = now - self._last, now
        before = self._done()
        if self._begins(step):
            self._enter(step)
            before = max(before, self._before(self._at))  # stages that were left out took no time
        self._step = step
        place, stage = self.seen[-1]
        stage.seconds += took
        if place is not None:
            self._inside = min(1.0, step.index / max(step.total, 1))
        fade = 0.5 ** (took / MEMORY)
        self._took = self._took * fade + took
        self._foreseen = self._foreseen * fade + max(0.0, self._done() - before)
        return self._progress(now)

    def _begins(self, step: Step) -> bool:
        """Whether a step is the first of another stage."""
        last = self._step
        if last is None or step.stage != last.stage or step.index < last.index:
            return True
        return step.index == last.index and step.photo != last.photo

    def _enter(self, step: Step) -> None:
        later = range(self._at + 1, len(self._plan))
        place = next((k for k in later if self._plan[k].name == step.stage), None)
        if place is not None:
            self._at, self._inside = place, 0.0
            if step.total < self._plan[place].steps:
                self._plan[place].seconds = 0.0  # known from before: nothing to do
        self.seen.append((place, Stage(step.stage, step.total, 0.0)))

    def _before(self, place: int) -> float:
        return sum(stage.seconds for stage in self._plan[: max(place, 0)])

    def _done(self) -> float:
        return 0.0 if self._at < 0 else self._before(self._at) + self._inside * self._plan[self._at].seconds

    def _next(self) -> float:
        """Seconds that were foreseen for the next step."""
        if self._step is not None and self._at >= 0 and self._inside < 1:
            return self._plan[self._at].seconds / max(self._step.total, 1)
        following = self._plan[self._at + 1 : self._at + 2]
        return following[0].seconds / max(following[0].steps, 1) if following else 0.0

    def _progress(self, now: float) -> Progress:
        total = self._before(len(self._plan))
        if total <= 0:
            return Progress()
        rate, done, next_step = self._took / self._foreseen, self._done(), self._next()
        began, until, aim = self._aim
        passed = min(1.0, (now - began) / (until - began)) if until > began else 1.0
        moving = self._shown + passed * (aim - self._shown)  # where the bar has moved to by itself
        share = min(0.99, max(moving, done / total))
        ahead = min(0.99, max(share, (done + next_step) / total))
        self._shown, self._aim = share, (now, now + next_step * rate, ahead)
        return Progress(share, ahead, next_step * rate, max(0.0, total - done) * rate)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self.began

    def learnt(self, known: list[Stage]) -> list[Stage]:
        """What is known after this run.  A stage that had nothing to do this time keeps its seconds."""
        made, after = [], 0
        for place, stage in self.seen:
            if place is None:
                made.append(stage)
                continue
            made += known[after:place]
            old, after = known[place], place + 1
            busy = stage.steps >= old.steps
            made.append(Stage(stage.name, stage.steps, (old.seconds + stage.seconds) / 2) if busy else old)
        return made + known[after:]


# --- what is kept -----------------------------------------------------------------------------


class Paces:
    """Times of runs by kind, in a file that several processes may write.

    file: returns its path; a file that is missing or damaged counts as empty.
    """

    def __init__(self, file: Callable[[], Path]):
        self._file, self._lock, self._warm = file, threading.Lock(), False

    def of(self, kind: str) -> Pace:
        """Follow a run of a kind."""
        return Pace(_stages(self._read().get(kind)))

    def seconds(self, kind: str) -> float | None:
        """How long a run of a kind takes, the last ones counting most; None if none was timed."""
        return self._read().get(kind, {}).get("seconds")

    def note(self, kind: str, pace: Pace, setting: str = "") -> None:
        """Remember a run that has ended; the first of a process, which opens the networks, only for want of others.

        setting: name of the setting whose last run this is, see :func:`last`.
        """
        with self._lock:
            kept, took = self._read(), pace.elapsed
            first, self._warm = not self._warm, True
            if setting:
                kept[last(setting)] = {"seconds": round(took, 2)}
            if not (first and kind in kept):
                known = kept.get(kind, {})
                seconds = (known.get("seconds", took) + took) / 2
                stages = [list(astuple(stage)) for stage in pace.learnt(_stages(known))]
                kept[kind] = {"seconds": round(seconds, 2), "stages": stages}
            with suppress(OSError):  # a full disk must not spoil the edit
                self._write(kept)

    def _read(self) -> dict:
        try:
            kept = json.loads(self._file().read_text())
            return {kind: known for kind, known in kept.items() if isinstance(known["seconds"], (int, float))}
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            return {}

    def _write(self, kept: dict) -> None:
        path = self._file()
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, json.dumps(kept).encode())


def last(setting: str) -> str:
    """The kind under which the last run with a setting of the open pack is kept."""
    return f"{pack_name()} last {setting}"


def pack_name() -> str:
    """The pack that ``BARBERSHOP_PACK`` names, or "auto"."""
    return os.environ.get("BARBERSHOP_PACK") or "auto"


def _stages(known: dict | None) -> list[Stage]:
    try:
        return [Stage(str(name), int(steps), float(seconds)) for name, steps, seconds in (known or {})["stages"]]
    except (KeyError, TypeError, ValueError):
        return []


def _beside_the_cache() -> Path:
    from barbershop_core.inversion.cache import default_folder

    return default_folder().parent / "times.json"


paces = Paces(_beside_the_cache)
