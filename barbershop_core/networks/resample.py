"""Resizing as in the published pipelines, on any device and with gradients."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


@lru_cache(maxsize=16)
def bicubic_taps(factor: int) -> tuple[float, ...]:
    """The 4 * factor weights of the cubic kernel (a = -0.5) stretched by ``factor``; they sum to 1."""
    taps = []
    for i in range(4 * factor):
        t = abs((i - 2 * factor + 0.5) / factor)
        if t <= 1:
            taps.append(1.5 * t**3 - 2.5 * t**2 + 1)
        else:
            taps.append(-0.5 * t**3 + 2.5 * t**2 - 4 * t + 2)
    total = sum(taps)
    return tuple(t / total for t in taps)


def bicubic_downsample(image: Tensor, factor: int) -> Tensor:
    """[B,C,H,W] -> [B,C,H/factor,W/factor]; antialiased, reflected at the border.

    Barbershop's ``BicubicDownSample``, which reduces generated images for LPIPS and the parser.  Values
    may leave the input's range a little; odd factors shift by half a pixel, as
    published.  H and W must be multiples of ``factor`` and larger than 3 * factor / 2.
    """
    b, c, h, w = image.shape
    if h % factor or w % factor:
        raise ValueError(f"{h} x {w} is not a multiple of {factor}")
    taps = torch.tensor(bicubic_taps(factor), dtype=image.dtype, device=image.device)
    before = 3 * factor // 2
    after = 3 * factor - before
    x = image.reshape(b * c, 1, h, w)
    x = F.conv2d(F.pad(x, (0, 0, before, after), "reflect"), taps.view(1, 1, -1, 1), stride=(factor, 1))
    x = F.conv2d(F.pad(x, (before, after, 0, 0), "reflect"), taps.view(1, 1, 1, -1), stride=(1, factor))
    return x.reshape(b, c, h // factor, w // factor)


@lru_cache(maxsize=64)
def _means(before: int, after: int) -> Tensor:
    """[after,before] matrix whose row i averages the i-th of ``after`` equal, overlapping parts."""
    i = torch.arange(after)
    start = (i * before) // after
    end = -(-((i + 1) * before) // after)
    at = torch.arange(before)
    inside = ((at >= start[:, None]) & (at < end[:, None])).float()
    return inside / inside.sum(1, keepdim=True)


def area_pool(image: Tensor, size: int | tuple[int, int]) -> Tensor:
    """[B,C,H,W] -> [B,C,size,size]: adaptive average pooling.

    The same values as ``F.adaptive_avg_pool2d``; if the sizes do not divide, which MPS does not support,
    by two products with constant matrices.
    """
    height, width = (size, size) if isinstance(size, int) else size
    h, w = image.shape[-2:]
    if (h, w) == (height, width):
        return image
    if h % height == 0 and w % width == 0:
        return F.avg_pool2d(image, (h // height, w // width))
    return _means(h, height).to(image) @ image @ _means(w, width).T.to(image)


def resize(image: Tensor, size: int) -> Tensor:
    """[B,C,H,W] -> [B,C,size,size]: bicubic for even integer factors, averages for other reductions,
    bilinear for enlargements."""
    h, w = image.shape[-2:]
    if (h, w) == (size, size):
        return image
    if h == w and h % (2 * size) == 0:
        return bicubic_downsample(image, h // size)
    if h >= size and w >= size:
        return area_pool(image, size)
    return F.interpolate(image, (size, size), mode="bilinear", align_corners=False)


def shrink(image: Tensor, side: int) -> Tensor:
    """[B,3,H,H] reduced to ``side`` if it is larger; unchanged otherwise."""
    return resize(image, side) if image.shape[-1] > side else image
