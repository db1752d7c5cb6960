"""Functions for workers, importable in other processes."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from barbershop_core.errors import BadRequest


class Stubborn(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, one: int, two: int):
        super().__init__("stubborn")


@dataclass(frozen=True)
class Tasks:
    """Makes a function that does what an item says; leaves a file for every time it is made.

    broken: "error" or "dies".
    """

    folder: Path
    broken: str = ""

    def __call__(self):
        (self.folder / f"made-{os.getpid()}").touch()
        if self.broken == "error":
            raise BadRequest("No pack.", "Get one.")
        if self.broken:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.do

    def do(self, item):
        kind, value = item
        (self.folder / f"tried-{kind}-{value}-{time.monotonic_ns()}").write_text(str(os.getpid()))
        return getattr(self, kind)(value)

    def square(self, value):
        return value * value

    def pid(self, value):
        return os.getpid()

    def slow(self, value):
        """Waits until a file says go."""
        while not (self.folder / f"go-{value}").exists():
            time.sleep(0.02)
        return os.getpid()

    def fails(self, value):
        raise BadRequest(f"Not {value}.", "Try another.")

    def stubborn(self, value):
        raise Stubborn(value, value)

    def unpicklable(self, value):
        return lambda: value

    def dies(self, value):
        """Kills its process, so many times."""
        if len(list(self.folder.glob(f"tried-dies-{value}-*"))) <= value:
            os.kill(os.getpid(), signal.SIGKILL)
        return "alive"

    def sums(self, seed):
        """A sum whose last bits depend on the number of threads."""
        import torch

        torch.manual_seed(seed)
        values = torch.randn(3, 512, 512) * 3 + 1
        return values.sum().item().hex(), torch.get_num_threads()
