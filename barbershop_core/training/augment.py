"""Augmentations: what cameras, file formats and a slightly soft generator do to a picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def degrade(image: Tensor, rng: torch.Generator, strength: float = 1.0) -> Tensor:
    """[B,3,H,H] in -1..1 -> the same: a quarter reduced and enlarged, a fifth blurred, a sixth with coarse
    colours (as JPEG stores them), half with noise, all with another gain and offset.

    Which picture is changed how depends on its place in the batch, so batches have to be shuffled.
    """
    count, side = len(image), image.shape[-1]
    changed = [count // 4, count // 5, count // 6]
    parts = list(image.split([*changed, count - sum(changed)]))
    small = int(side * (0.5 + 0.5 * float(torch.rand((), generator=rng))))
    reduced = F.interpolate(parts[0], (small, small), mode="bilinear", align_corners=False, antialias=True)
    parts[0] = F.interpolate(reduced, (side, side), mode="bilinear", align_corners=False)
    parts[1] = F.avg_pool2d(F.pad(parts[1], (1, 1, 1, 1), mode="replicate"), 3, 1)
    grey = parts[2].mean(1, keepdim=True)
    coarse = F.avg_pool2d(parts[2] - grey, 4)
    parts[2] = grey + F.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)
    image = torch.cat(parts)
    gain = 1 + 0.04 * strength * torch.randn((count, 1, 1, 1), generator=rng)
    offset = 0.02 * strength * torch.randn((count, 3, 1, 1), generator=rng)
    image = image * gain + offset
    noisy = image[::2]
    size = 0.04 * strength * torch.rand((len(noisy), 1, 1, 1), generator=rng)
    noisy += size * torch.randn(noisy.shape, generator=rng)
    return image.clamp_(-1.1, 1.1)


def perturb(image: Tensor, rng: torch.Generator, strength: float = 1.0) -> Tensor:
    """[B,3,H,W] in -1..1 -> the same with another gain and offset, noise, and a fifth slightly blurred."""
    shape = (len(image), 1, 1, 1)
    gain = 1 + 0.10 * strength * torch.randn(shape, generator=rng)
    offset = 0.06 * strength * torch.randn((len(image), 3, 1, 1), generator=rng)
    noise = 0.02 * strength * torch.rand(shape, generator=rng) * torch.randn(image.shape, generator=rng)
    soft = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)
    blurred = torch.rand(shape, generator=rng) < 0.2 * strength
    return (torch.where(blurred, soft, image) * gain + offset + noise).clamp(-1.2, 1.2)
