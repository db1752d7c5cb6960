"""How images are compared with texts: as the released code shows them to CLIP, and by the change alone."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks.clip import Clip


@lru_cache(maxsize=16)
def _shares(before: int, after: int) -> Tensor:
    """[after,before] matrix: the share of each of ``before`` equal parts in each of ``after``; rows sum to 1."""
    width = before / after
    start = torch.arange(after, dtype=torch.float64)[:, None] * width
    part = torch.arange(before, dtype=torch.float64)
    inside = torch.minimum(start + width, part + 1) - torch.maximum(start, part)
    return (inside.clamp_min(0) / width).float()


def box_resize(image: Tensor, size: int) -> Tensor:
    """[B,C,H,W] -> [B,C,size,size]: the mean over each new pixel's area.

    For 224 px the same as enlarging 7 times by nearest neighbours and averaging over H/32 px, as
    criteria/clip_loss.py of orpatashnik/StyleCLIP does; that enlarged image alone takes 600 MB at 1024 px.
    """
    rows, columns = (_shares(side, size).to(image) for side in image.shape[-2:])
    return rows @ image @ columns.T


def released_embedding(clip: Clip, image: Tensor) -> Tensor:
    """CLIP's unit vectors [B,E] of portraits [B,3,H,W] in [-1,1], as the released code shows them: by `box_resize`,
    and without CLIP's own mean and deviation of pixels."""
    return F.normalize(clip.encode_image(box_resize(image, clip.size)).float(), dim=-1)


def picture_embedding(clip: Clip, image: Tensor) -> Tensor:
    """CLIP's unit vectors [B,E] of portraits [B,3,R,R] in [-1,1], as pictures of 8 bits in its own preprocessing
    (bicubic, rounded again), as StyleCLIP's tables are computed."""
    pixels = ((image + 1) * 127.5).clamp(0, 255).floor()
    small = F.interpolate(pixels, (clip.size, clip.size), mode="bicubic", antialias=True)
    return clip.image(small.round().clamp(0, 255) / 127.5 - 1)


def directional_loss(change: Tensor, direction: Tensor) -> Tensor:
    """1 - cosine of the changes of image embeddings [B,E] and Delta t [E], a scalar.

    Changes shorter than 0.01 are divided by 0.01 instead of their length, which keeps gradients bounded.
    """
    return 1 - (F.normalize(change, dim=-1, eps=1e-2) @ direction).mean()
