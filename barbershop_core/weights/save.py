"""Writing weight files."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor


def save_half(state: dict[str, Tensor], path: Path) -> None:
    """Write a .safetensors file: floats in half precision, other tensors as they are; atomically."""
    part = path.with_suffix(".part")
    save_file(
        {
            k: (v.half() if v.is_floating_point() else v).contiguous().clone()
            for k, v in state.items()
            if not k.endswith("num_batches_tracked")
        },
        part,
    )
    part.replace(path)
