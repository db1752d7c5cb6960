"""Masks: growing, shrinking, smoothing, and resizing to F.

A mask is a tensor whose last two dimensions are height and width: bool, uint8 0/1 or float 0..1.
Results have the type of what was given unless said otherwise.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def dilate(mask: Tensor, iterations: int = 5) -> Tensor:
    """Grown by ``iterations`` pixels of city-block distance (4-connected cross), Barbershop's
    ``smooth`` (released: 5).  Soft masks take the largest value in reach."""
    x = _planes(mask)
    for _ in range(iterations):
        x = torch.maximum(F.max_pool2d(x, (3, 1), 1, (1, 0)), F.max_pool2d(x, (1, 3), 1, (0, 1)))
    return x.reshape(mask.shape).to(mask.dtype)


def erode(mask: Tensor, iterations: int = 5) -> Tensor:
    """Shrunk likewise.  Pixels outside of the image count as 0, so it also shrinks from the border."""
    x = -F.pad(_planes(mask), [iterations] * 4)
    for _ in range(iterations):
        x = torch.maximum(F.max_pool2d(x, (3, 1), 1, (1, 0)), F.max_pool2d(x, (1, 3), 1, (0, 1)))
    if iterations:
        x = x[..., iterations:-iterations, iterations:-iterations]
    return (-x).reshape(mask.shape).to(mask.dtype)


def to_feature(mask: Tensor, size: int = 32) -> Tensor:
    """Resized to F by bicubic interpolation without antialiasing, as published: float, slightly outside of
    0..1 near edges."""
    x = F.interpolate(_planes(mask), (size, size), mode="bicubic", align_corners=False)
    return x.reshape(*mask.shape[:-2], size, size)


def blur(values: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of [..., R, R] floats; pixels at the border are repeated."""
    radius = max(int(3 * sigma + 0.5), 1)
    x = torch.arange(-radius, radius + 1, dtype=torch.float32, device=values.device)
    taps = torch.exp(-0.5 * (x / sigma) ** 2)
    taps = taps / taps.sum()
    flat = values.reshape(-1, 1, *values.shape[-2:])
    flat = F.conv2d(F.pad(flat, (radius, radius, 0, 0), "replicate"), taps.view(1, 1, 1, -1))
    flat = F.conv2d(F.pad(flat, (0, 0, radius, radius), "replicate"), taps.view(1, 1, -1, 1))
    return flat.reshape(values.shape)


def _planes(mask: Tensor) -> Tensor:
    """[..., H, W] -> float [N,1,H,W]."""
    x = mask if mask.is_floating_point() else mask.float()
    return x.reshape(-1, 1, *mask.shape[-2:])
