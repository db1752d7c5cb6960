"""Changes of a picture that mean nothing: what cameras, files and a slightly soft generator do to it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def degrade(image: Tensor, rng: torch.Generator, strength: float = 1.0) -> Tensor:
    """[B,3,H,H] in -1..1 -> the same: some pictures reduced and enlarged, blurred, or with coarse colours
    (as JPEG stores them), half with noise, all with another gain.  Batches are random: which picture gets
    what goes by its place."""
    count, side = len(image), image.shape[-1]
    parts = [
        part
        for part in image.split(
            [count // 4, count // 5, count // 6, count - count // 4 - count // 5 - count // 6]
        )
    ]
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
