"""Between uint8 pictures and floats: the tensors in [-1,1] that networks take and make, and arrays in 0..1."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_uint8(image: Tensor) -> Tensor:
    """[B,3,H,W] in [-1,1] -> uint8 [B,H,W,3] on the CPU, clamped and rounded."""
    pixels = image.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
    return pixels.permute(0, 2, 3, 1).to("cpu", torch.uint8)


def from_uint8(pixels: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """uint8 [H,W,3] or [B,H,W,3] -> float32 [1,3,H,W] or [B,3,H,W] in [-1,1], contiguous."""
    batch = torch.from_numpy(pixels.copy()).reshape(-1, *pixels.shape[-3:]).permute(0, 3, 1, 2)
    return batch.to(device).contiguous().float() / 127.5 - 1


def quantized(image: np.ndarray) -> np.ndarray:
    """A picture of floats in 0..1 in eight bits: uint8 of the same shape, clipped and rounded."""
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
