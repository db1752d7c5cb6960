"""Keeping the original's pixels where nothing changed.

No code reproduces a photo exactly, so outside of regions that were removed or added the result shows the
original's own pixels, with a soft transition.  HairFusion measured this as the largest single gain of its
pipeline.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .masks import blur, dilate


def changed_area(changed: Tensor, smooth: int = 5) -> Tensor:
    """Where the result differs, float [R,R] in 0..1.

    changed: bool [R,R], regions removed or added.  smooth: pixels, at 256 px, by which the area grows; the
    soft border is half as wide.
    """
    if not bool(changed.any()):
        return torch.zeros_like(changed, dtype=torch.float32)
    scale = changed.shape[-1] / 256
    grown = dilate(changed.float(), max(round(smooth * scale), 1))
    soft = blur(grown, max(0.5 * smooth * scale, 0.6))
    return torch.maximum(soft, changed.float()).clamp(0, 1)


TEXTURE = 0.03
"""Scale below which detail of a background counts as texture, as a share of the image's side."""


def keep_pixels(
    original: Tensor,
    generated: Tensor,
    changed: Tensor,
    added: Tensor,
    uncovered: Tensor | None = None,
    behind: Tensor | None = None,
) -> Tensor:
    """The result's pixels.

    original, generated: [1,3,R,R] in [-1,1].  changed: float [R,R] of `changed_area`.
    added: bool [R,R], pixels of the requested regions.  Outside of them a change only uncovers what lay
    behind (skin, background); there the generated image is shifted by its difference from the original along
    the border, so that a forehead continues in its own tone.
    uncovered: bool [R,R], background in the changed area; behind: bool [R,R], the original's background.
    Uncovered background continues the tones around it and takes only its texture from the generator, where
    removed hair tends to leave a shadow.
    """
    known = (changed < 0.02).float()
    fixed = added.float()
    if uncovered is not None and bool(uncovered.any()) and bool((known * behind).any()):
        inside, sigma = uncovered.float(), TEXTURE * generated.shape[-1]
        tones = blur(generated * inside, sigma) / blur(inside, sigma).clamp_min(1e-3)
        fine = generated - tones
        generated = torch.where(uncovered, spread(original, known * behind) + fine, generated)
        fixed = torch.maximum(fixed, uncovered.float())
    if bool((changed > 0).any()) and bool(known.any()):
        shift = spread(original - generated, known)
        generated = generated + shift * (1 - fixed)
    return changed * generated + (1 - changed) * original


def spread(values: Tensor, known: Tensor) -> Tensor:
    """Continue [1,C,R,R] smoothly from where ``known`` [R,R] is 1 over the rest (pull-push pyramid)."""
    weight = known[None, None]
    if values.shape[-1] <= 4:
        total = weight.sum().clamp_min(1e-6)
        return (values * weight).sum((2, 3), keepdim=True) / total + torch.zeros_like(values)
    mean = F.avg_pool2d(weight, 2)
    coarse = F.avg_pool2d(values * weight, 2) / mean.clamp_min(1e-6)
    below = spread(coarse, (mean[0, 0] > 0).float())
    filled = F.interpolate(below, values.shape[-2:], mode="bilinear", align_corners=False)
    return weight * values + (1 - weight) * filled
