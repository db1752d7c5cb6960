"""Long work as generators of steps.

Everything slow is a generator function that yields :class:`Step` and *returns* its result.  The
page, the command line and the tests consume the same steps; closing the generator cancels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """One unit of finished work.

    stage: name of the paper's step ("embed W+", "align hair", ...).
    index, total: this step's number within the stage, from 1, and the planned number; an early
        stop makes the stage end before ``total``.
    losses: scalar values by name.
    preview: makes an image, uint8 [H,W,3] RGB, when called; ``None`` where there is nothing to
        see.  Costs a synthesis, so call it seldom (:class:`PreviewThrottle`).
    notice: a sentence for the person ("no landmark file: the photo was centre-cropped").
    """

    stage: str
    index: int
    total: int
    losses: Mapping[str, float] = field(default_factory=dict)
    preview: Callable[[], np.ndarray] | None = None
    notice: str = ""


Steps = Generator[Step, None, T]


def run(steps: Generator[Step, None, T], on_step: Callable[[Step], None] | None = None) -> T:
    """Consume ``steps`` and return the generator's return value.

    on_step: called with each step.  An exception raised in it closes the generator and passes on.
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


class PreviewThrottle:
    """Calls a step's preview at most once per ``seconds``."""

    def __init__(self, seconds: float = 1.0, clock: Callable[[], float] = time.monotonic):
        self.seconds, self.clock, self._last = seconds, clock, float("-inf")

    def __call__(self, step: Step) -> np.ndarray | None:
        """The preview, uint8 [H,W,3], or ``None`` where it is too early or there is none."""
        if step.preview is None or self.clock() - self._last < self.seconds:
            return None
        image = step.preview()
        self._last = self.clock()
        return image
