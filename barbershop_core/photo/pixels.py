"""Tensors in [-1,1] as uint8 pictures."""

from __future__ import annotations

import torch
from torch import Tensor


def to_uint8(image: Tensor) -> Tensor:
    """[B,3,H,W] in [-1,1] -> uint8 [B,H,W,3] on the CPU, rounded."""
    pixels = image.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
    return pixels.permute(0, 2, 3, 1).to("cpu", torch.uint8)
