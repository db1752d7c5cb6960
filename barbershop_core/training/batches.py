"""Random batches of the pool, and trainings that see nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..photo.pixels import from_uint8
from ..progress import Steps
from . import pool, timebox
from .augment import perturb


class Batches:
    """Random batches of the pool; chunks rendered later are added by :meth:`refresh`."""

    def __init__(self, folder: Path, seed: int | list[int]):
        self.folder, self.rng, self.count = folder, np.random.default_rng(seed), 0
        self.refresh()

    def refresh(self) -> None:
        """Read the chunks that were rendered since the last call."""
        files = pool.chunks(self.folder)
        if len(files) > self.count:
            fresh = [np.load(f) for f in files[self.count :]]
            old = [] if self.count == 0 else [(self.p, self.images, self.labels)]
            parts = old + [(f["p"], f["images"], f["labels"]) for f in fresh]
            self.p, self.images, self.labels = (np.concatenate(a) for a in zip(*parts))
            self.count = len(files)

    def draw(self, batch: int, size: int) -> tuple[np.ndarray, Tensor, Tensor]:
        """p [B,P], images [B,3,size,size] in [-1,1], labels [B,S,S]."""
        rows = self.rng.integers(0, len(self.p), batch)
        image = from_uint8(self.images[rows])
        if size < image.shape[-1]:
            image = F.avg_pool2d(image, image.shape[-1] // size)
        return self.p[rows], image, torch.from_numpy(self.labels[rows]).long()


def fit(
    name: str,
    net: nn.Module,
    loss: Callable[[nn.Module, np.ndarray, Tensor, Tensor], Tensor],
    score: Callable[[nn.Module], dict[str, float]],
    folder: Path,
    checkpoint: Path,
    minutes: float,
    batch: int = 32,
    lr: float = 2e-3,
    seed: int = 0,
    augmentation: float = 1.0,
) -> Steps[tuple[nn.Module, dict[str, float]]]:
    """Train ``net`` on the pool with `timebox.train`; returns it and its last held-out figures.

    loss: (net, p [B,P], images [B,3,S,S] in -1..1, labels [B,S,S]) -> scalar.
    score: held-out figures of the net in eval mode.
    """
    torch.manual_seed(seed)
    batches = Batches(folder, seed)

    def of_batch(index: int) -> Tensor:
        rng = torch.Generator().manual_seed(seed * 1_000_003 + index)
        batches.rng = np.random.default_rng([seed, index])
        p, image, labels = batches.draw(batch, 128)
        with torch.autocast("cpu", torch.bfloat16):
            return loss(net, p, perturb(image, rng, augmentation), labels)

    return (yield from timebox.train(name, net, of_batch, lambda: score(net), checkpoint, minutes, lr))


def held_out(folder: Path, count: int = 250) -> tuple[np.ndarray, Tensor, Tensor]:
    """p [N,P], images [N,3,S,S] in -1..1 and labels [N,S,S] of the first held-out portraits."""
    p, images, labels = pool.load(folder, "p", "images", "labels", held_out=True, limit=1)
    return p[:count], from_uint8(images[:count]), torch.from_numpy(labels[:count]).long()
