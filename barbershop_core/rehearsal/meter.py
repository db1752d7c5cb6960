"""Seconds and peak memory of a stage."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from types import TracebackType

import torch

INTERVAL = 0.05
"""Seconds between two looks at the process's memory."""


def resident_bytes() -> int:
    """Memory of this process that lies in RAM; on systems without /proc the highest so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else 1024 * most
    return pages * 4096


class Meter:
    """Measures a ``with`` block.

    seconds: of wall-clock time.  memory: peak of the process's resident memory, bytes, sampled.  cuda: peak of
    PyTorch's allocations on a GPU, bytes; 0 elsewhere.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds, self.memory, self.cuda = 0.0, 0, 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL):
            self.memory = max(self.memory, resident_bytes())

    def __enter__(self) -> Meter:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        self.memory, self._began = resident_bytes(), time.perf_counter()
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            self.cuda = torch.cuda.max_memory_allocated(self.device)
        self.memory = max(self.memory, resident_bytes())
        self.seconds = time.perf_counter() - self._began
