"""Long work as generators of steps.

Everything slow is a generator function that yields :class:`Step` and *returns* its result.  Closing the
generator cancels the work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """One unit of finished work.

    stage: name of the paper's step ("embed W+", "align hair", ...).
    index, total: this step's number within the stage, from 1, and the planned number of steps; a stage
        may stop early.
    losses: scalar values by name.
    preview: returns an image, uint8 [H,W,3] RGB; ``None`` if there is none.  Each call costs a
        synthesis (see :class:`PreviewThrottle`).
    notice: a sentence for the user ("no landmark file: the photo was centre-cropped").
    photo: which of the photos the stage works on, from 1, and how many there are; None where that says nothing.
    """

    stage: str
    index: int
    total: int
    losses: Mapping[str, float] = field(default_factory=dict)
    preview: Callable[[], np.ndarray] | None = None
    notice: str = ""
    photo: tuple[int, int] | None = None


Steps = Generator[Step, None, T]
"""Type of the generators: yield :class:`Step`, return T."""


def run(steps: Steps[T], on_step: Callable[[Step], None] | None = None) -> T:
    """Consume ``steps`` and return the generator's return value.

    on_step: called with each step.  If it raises, the generator is closed and the exception propagates.
    """
    try:
        while True:
            step = next(steps)
            if on_step is not None:
                on_step(step)
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()


def of_photo(steps: Steps[T], number: int, count: int) -> Steps[T]:
    """The same steps, as those of one photo among several; returns what ``steps`` return."""
    try:
        while True:
            yield replace(next(steps), photo=(number, count))
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()


class PreviewThrottle:
    """Calls a step's preview at most once per ``seconds``."""

    def __init__(self, seconds: float = 1.0, clock: Callable[[], float] = time.monotonic):
        self.seconds, self.clock, self._last = seconds, clock, float("-inf")

    def __call__(self, step: Step) -> np.ndarray | None:
        """The preview, uint8 [H,W,3], or ``None`` if it is too early or there is none."""
        if step.preview is None or self.clock() - self._last < self.seconds:
            return None
        image = step.preview()
        self._last = self.clock()
        return image
