"""Cores and threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from ..progress import Steps

T = TypeVar("T")

LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Read by the libraries when they are loaded."""


def cores() -> int:
    """Cores of the CPU that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """PyTorch computes with so many threads inside the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def a_core_left(steps: Steps[T]) -> Steps[T]:
    """The same steps and value, made with one thread of PyTorch's fewer than before, for work beside them.

    Its threads meet after every operation: with one thread for each core, all would wait for the one whose core is
    shared.  Held for the time of each step, as the next one may be asked for in another thread.
    """
    import torch

    try:
        while True:
            with limited(max(1, torch.get_num_threads() - 1)):
                try:
                    step = next(steps)
                except StopIteration as stop:
                    return stop.value
            yield step
    finally:
        steps.close()


@contextmanager
def inherited(threads: int) -> Iterator[None]:
    """Processes that are started inside the block compute with so many threads."""
    before = {name: os.environ.get(name) for name in LIMITS}
    os.environ.update({name: str(threads) for name in LIMITS})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
