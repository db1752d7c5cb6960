"""Writing weight files."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from .. import atomic


def save_half(state: dict[str, Tensor], path: Path) -> None:
    """Write a .safetensors file, atomically: floats in half precision, where they fit, other tensors as they are."""
    halved = {
        k: (v.half() if _fits(v) else v).contiguous().clone()
        for k, v in state.items()
        if not k.endswith("num_batches_tracked")
    }
    with atomic.replacing(path) as partial:
        save_file(halved, partial)


def _fits(value: Tensor) -> bool:
    """Whether a tensor of floats can be stored in half precision; variances of batch norm may be too large."""
    return value.is_floating_point() and bool((value.abs() <= torch.finfo(torch.half).max).all())
