"""Keeping the original's pixels where nothing changed.

Neither a code nor a generator holds a photo exactly, so wherever neither what was removed nor what
was added lies, the result shows the original's own pixels, softly joined.  HairFusion measured this as
the largest single gain of its pipeline; it serves a GAN as well.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .masks import blur, dilate


def changed_area(changed: Tensor, smooth: int = 5) -> Tensor:
    """Where the result differs, float [R,R] in 0..1.

    changed: bool [R,R], regions removed or added.  smooth: pixels, at 256 px, by which the area is
    grown; half of it is the width of the soft border.
    """
    if not bool(changed.any()):
        return torch.zeros_like(changed, dtype=torch.float32)
    scale = changed.shape[-1] / 256
    grown = dilate(changed.float(), max(round(smooth * scale), 1))
    soft = blur(grown, max(0.5 * smooth * scale, 0.6))
    return torch.maximum(soft, changed.float()).clamp(0, 1)


TEXTURE = 0.03
"""Share of the image's side: what is finer counts as texture of a background."""


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
    added: bool [R,R], pixels of regions that were asked for.  Beside them, where a change only shows what
    lay behind (skin, background), the generator's picture is shifted by the difference that it has to the
    original along the border, so that a forehead goes on in its own tone.
    uncovered: bool [R,R], background in the changed area; behind: bool [R,R], the original's
    background.  What is uncovered continues the tones of the background around it and takes the texture
    alone from the generator, in which removed hair tends to stay as a shadow.
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
