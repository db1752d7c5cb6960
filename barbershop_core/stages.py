"""Times and losses of stages, and errors of memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from .errors import OutOfMemory
from .progress import Steps

T = TypeVar("T")


class StageTimer:
    """Records the seconds spent in each stage, without the time that its consumer takes, and its last losses.

    seconds: by stage, and "total".  losses: the last of each stage, by name.
    """

    def __init__(self):
        self.seconds: dict[str, float] = {"total": 0.0}
        self.losses: dict[str, dict[str, float]] = {}

    def __call__(self, steps: Steps[T]) -> Steps[T]:
        """Yield the same steps, and return the same value."""
        stage = ""
        try:
            while True:
                began = time.perf_counter()
                try:
                    step = next(steps)
                except StopIteration as stop:
                    self._add(stage, time.perf_counter() - began)
                    return stop.value
                stage = step.stage
                self._add(stage, time.perf_counter() - began)
                if step.losses:
                    self.losses[stage] = dict(step.losses)
                yield step
        finally:
            steps.close()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Record the seconds of a ``with`` block."""
        began = time.perf_counter()
        yield
        self._add(name, time.perf_counter() - began)

    def _add(self, stage: str, seconds: float) -> None:
        self.seconds["total"] = round(self.seconds["total"] + seconds, 3)
        if stage:
            self.seconds[stage] = round(self.seconds.get(stage, 0.0) + seconds, 3)


def memory_errors(steps: Steps[T]) -> Steps[T]:
    """The same steps; running out of memory raises errors.OutOfMemory."""
    try:
        return (yield from steps)
    except (MemoryError, RuntimeError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not out_of_memory(error):
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    raise OutOfMemory("There is not enough memory for this.")


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out; PyTorch has several messages for that."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return any(words in text for words in ("not enough memory", "out of memory", "can't allocate memory"))
