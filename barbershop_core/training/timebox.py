"""The training loop of most networks: a fixed time, a learning rate that decays within it, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from ..progress import Step, Steps
from . import checkpoints
from .muon import Muon

SAVED_EVERY = 120.0
"""Seconds between two checkpoints."""


def _matrices(net: nn.Module) -> Iterator[Tensor]:
    """Weights of linear layers and convolutions of any class, modulated ones too, but not embedding tables."""
    for module in net.modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor) and weight.ndim in (2, 4, 5) and not isinstance(module, nn.Embedding):
            yield weight


def train(
    name: str,
    net: nn.Module,
    loss: Callable[[int], Tensor],
    score: Callable[[], dict[str, float]],
    checkpoint: Path,
    minutes: float,
    lr: float,
    decay: float = 0.6,
    weight_decay: float = 1e-3,
) -> Steps[tuple[nn.Module, dict[str, float]]]:
    """Train ``net`` for ``minutes``, which include earlier runs on the same checkpoint.

    name: of the training; a checkpoint of another one is not resumed.
    loss: number of the batch, from 0 -> scalar.  score: held-out figures, called with the net in eval mode.
    decay: the last share of the time, over which the learning rate falls to a hundredth.
    Weights of linear layers and convolutions are optimized by Muon, all others by AdamW at the same rate.

    Yields a step every 50 batches, and one with the held-out figures at each checkpoint.  Returns the net in
    eval mode and the last held-out figures.
    """
    learnt = [p for p in net.parameters() if p.requires_grad]
    matrices = {id(weight) for weight in _matrices(net)}
    others = [p for p in learnt if id(p) not in matrices]
    optimizers = [torch.optim.AdamW(others, lr=lr, weight_decay=weight_decay, betas=(0.9, 0.98))]
    if matrices:
        optimizers.insert(0, Muon([p for p in learnt if id(p) in matrices], lr))
    elapsed, index, held_out = 0.0, 0, dict[str, float]()
    identity = {"training": name}
    saved = checkpoints.load(checkpoint, identity)
    if saved is not None:
        net.load_state_dict(saved["net"])
        for optimizer, state in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
        elapsed, index = saved["elapsed"], saved["index"]
    start, last, total, mean = time.monotonic() - elapsed, time.monotonic(), minutes * 60, None
    while elapsed < total:
        elapsed = time.monotonic() - start
        rest = min(1.0, max(0.01, (1 - elapsed / total) / decay))
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = lr * rest * min(1.0, (index + 1) / 100)
        net.train()
        value = loss(index)
        net.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(learnt, 2.0)
        for optimizer in optimizers:
            optimizer.step()
        index += 1
        mean = value.item() if mean is None else 0.97 * mean + 0.03 * value.item()
        if index % 50 == 0:
            yield Step(name, int(elapsed), int(total), {"loss": mean, "batches": index})
        if time.monotonic() - last > SAVED_EVERY or elapsed >= total:
            net.eval()
            state = {"net": net.state_dict(), "optimizers": [o.state_dict() for o in optimizers]}
            checkpoints.save(checkpoint, state | {"elapsed": elapsed, "index": index}, identity)
            last = time.monotonic()
            with torch.no_grad():
                held_out = score()
            yield Step(f"{name} held out", int(elapsed), int(total), held_out)
    return net.eval(), held_out
