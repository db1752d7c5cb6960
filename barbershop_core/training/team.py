"""Several processes on one training: each draws its own pictures, all step with the mean gradient.

On two CPU cores two processes of one thread each see 1.7 times the pictures of one process with two
threads, because the small convolutions of the studio generator do not fill a second thread.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import Tensor


@dataclass(frozen=True)
class Team:
    """rank 0 leads; a team of one does nothing."""

    rank: int = 0
    size: int = 1

    def agree(self, value: float) -> float:
        """The leader's number."""
        if self.size == 1:
            return value
        number = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(number, 0)
        return number.item()

    def average(self, parameters: Iterable[Tensor]) -> None:
        """Replace the gradients by their mean over the team."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, mean in zip(gradients, (flat / self.size).split([g.numel() for g in gradients])):
            gradient.copy_(mean.view_as(gradient))


def _member(index: int, size: int, meeting: str, work: Callable[..., Iterator[Any]], args: tuple) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=meeting, rank=index + 1, world_size=size)
    for _step in work(Team(index + 1, size), *args):
        pass


@contextmanager
def team(size: int, work: Callable[..., Iterator[Any]], *args: Any) -> Iterator[Team]:
    """Start ``size`` - 1 processes that run ``work(team, *args)`` and lead them from here.

    work: a module's function; a generator function whose values only the leader uses.
    The others are stopped when the block is left, however that happens.
    """
    if size == 1:
        yield Team()
        return
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        meeting = (Path(folder) / "meeting").as_uri()
        others = multiprocessing.spawn(_member, (size, meeting, work, args), size - 1, join=False)
        try:
            torch.set_num_threads(1)
            dist.init_process_group("gloo", init_method=meeting, rank=0, world_size=size)
            yield Team(0, size)
        finally:
            for process in others.processes:
                process.terminate()
            if dist.is_initialized():
                dist.destroy_process_group()
            torch.set_num_threads(threads)
