"""How much memory there is, and how many pictures fit into it at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

UNKNOWN = 4 * 2**30
"""Bytes that are assumed to be free where the system does not tell."""
CPU_BUDGET = 2 * 2**30
"""Bytes at most for a batch on a CPU, where larger batches are hardly faster."""
PASSING, KEPT = 3, 5
"""Activations of every block that synthesis needs at a time, without and with a backward pass."""


def free_memory(device: torch.device | str) -> int:
    """Bytes that can still be allocated on a device; with what PyTorch holds in reserve there."""
    device = torch.device(device)
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return UNKNOWN
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), UNKNOWN)


def bytes_of(*things: Any) -> int:
    """Bytes of the arrays, tensors and pictures that these hold, each counted once; networks count nothing."""
    waiting, seen, total = list(things), set(), 0
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, (nn.Module, type, str, bytes)):
            continue
        seen.add(id(thing))
        if isinstance(thing, (np.ndarray, torch.Tensor)):
            total += thing.nbytes
        elif isinstance(thing, Image.Image):
            total += thing.width * thing.height * len(thing.getbands())
        elif isinstance(thing, Mapping):
            waiting += thing.values()
        elif isinstance(thing, (list, tuple, set)):
            waiting += thing
        elif type(thing).__module__.startswith(__package__):
            waiting += getattr(thing, "__dict__", {}).values()
    return total


def batch_for(bytes_per_item: float, device: torch.device | str, most: int, share: float = 0.6) -> int:
    """How many items fit into ``share`` of the free memory of a device: at least 1, at most ``most``."""
    budget = share * free_memory(device)
    if torch.device(device).type == "cpu":
        budget = min(budget, CPU_BUDGET)
    return max(1, min(most, int(budget / bytes_per_item)))


def picture_bytes(generator: nn.Module, gradients: bool = False) -> int:
    """Memory of synthesizing one picture in float32, an estimate: at 1024 px 0.8 GB, with gradients 1.3 GB.

    generator: a `networks.stylegan2.Generator`.  gradients: whether there will be a backward pass.
    """
    block = 4 * sum(width * side**2 for side, width in generator.channels.items())
    return (KEPT if gradients else PASSING) * block


def pictures_at_once(generator: nn.Module, most: int, gradients: bool = False) -> int:
    """How many pictures ``generator`` may synthesize in one batch, from 1 to ``most``."""
    device = next(generator.parameters()).device
    return batch_for(picture_bytes(generator, gradients), device, most)
