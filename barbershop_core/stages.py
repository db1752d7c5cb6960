"""Times and losses of stages, and how much memory there is for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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


def free_memory(device: torch.device | str) -> int:
    """Bytes that can still be allocated on a device; of a CPU as the system tells, or 4 GB where it does not."""
    device = torch.device(device)
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 4 * 2**30
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), 4 * 2**30)


def batch_for(bytes_per_item: float, device: torch.device | str, most: int, share: float = 0.6) -> int:
    """How many items fit into ``share`` of the free memory of a device: at least 1, at most ``most``."""
    return max(1, min(most, int(share * free_memory(device) / bytes_per_item)))
