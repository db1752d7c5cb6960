"""Data-parallel training on CPU cores: each process draws its own batches, all step with the mean gradient.

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
class Group:
    """Processes of one training; rank 0 keeps the checkpoint.  In a group of one the methods do nothing."""

    rank: int = 0
    size: int = 1

    def broadcast(self, value: float) -> float:
        """The number of rank 0."""
        if self.size == 1:
            return value
        number = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(number, 0)
        return number.item()

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace the gradients by their mean over the group."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, mean in zip(gradients, (flat / self.size).split([g.numel() for g in gradients])):
            gradient.copy_(mean.view_as(gradient))


def _worker(index: int, size: int, store: str, work: Callable[..., Iterator[Any]], args: tuple) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=store, rank=index + 1, world_size=size)
    for _step in work(Group(index + 1, size), *args):
        pass


@contextmanager
def process_group(size: int, work: Callable[..., Iterator[Any]], *args: Any) -> Iterator[Group]:
    """Start ``size`` - 1 processes that run ``work(group, *args)``; the block is rank 0 and runs it itself.

    work: a generator function at the top level of a module; what it yields elsewhere is dropped.
    The other processes are stopped when the block is left, also by an exception.
    """
    if size == 1:
        yield Group()
        return
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        store = (Path(folder) / "store").as_uri()
        others = multiprocessing.spawn(_worker, (size, store, work, args), size - 1, join=False)
        try:
            torch.set_num_threads(1)
            dist.init_process_group("gloo", init_method=store, rank=0, world_size=size)
            yield Group(0, size)
        finally:
            for process in others.processes:
                process.terminate()
            if dist.is_initialized():
                dist.destroy_process_group()
            torch.set_num_threads(threads)
