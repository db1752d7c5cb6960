"""Aligning a reference to the target mask.

Barbershop, section 3.4: from a reference's code w_rec find w_align whose image has the regions of M
(cross-entropy of its parse) and keeps the style of the reference's own region (squared distance of
masked Gram matrices).  F_align takes F_rec where the reference's own region and M agree, which keeps
detail where nothing moved, and the generator's features of w_align elsewhere.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..inversion.minimise import minimise
from ..networks.resample import shrink
from ..progress import Steps
from ..protocols import PackLike
from .target_mask import ParseLoss, TargetMask
from .transfer_presets import TransferPreset


def align(
    pack: PackLike,
    w_rec: Tensor,
    image: Tensor,
    own: Tensor,
    source: int,
    target: TargetMask,
    mode: str,
    preset: TransferPreset,
) -> Steps[Tensor]:
    """w_align of one reference.

    w_rec: [1,L,D]; image: [1,3,R,R], the reference in [-1,1]; own: its label map [R,R]; source: its
    number in ``target.owner``.  Only the rows that make F are optimized.
    Yields the stage "align"; returns [1,L,D].
    """
    generator, first = pack.generator, pack.generator.feature_index
    side = target.labels.shape[-1]
    coarse = w_rec[:, :first].detach().clone().requires_grad_(True)
    rest = w_rec[:, first:].detach()
    fit = ParseLoss(pack, target, preset.side, mode, fill=mode == "fidelity" or preset.mask_steps > 0)
    mine = target.owner == source
    own_region = torch.isin(own, target.labels[mine].unique())
    kept = (mine & (own == target.labels)).float()[None, None]
    kept_small = shrink(kept, preset.side)
    seen = shrink(image, preset.side)
    style_reference = known = None
    if preset.align_style_steps:
        style_reference = pack.perceptual.style_reference(seen, shrink(own_region.float()[None, None], preset.side))
    if preset.keep and bool(kept.any()):
        known = pack.perceptual.reference(seen, (kept_small > 0.5).float())

    def losses(style: bool) -> tuple[Tensor, dict[str, Tensor]]:
        picture = generator.synthesis(torch.cat([coarse, rest], 1), side=side)
        found = {"cross entropy": preset.cross_entropy * fit(picture)}
        small = shrink(picture, preset.side)
        if known is not None:
            distance = ((small - seen).square().mean(1, keepdim=True) * kept_small).sum() / kept_small.sum().clamp_min(
                1
            )
            found["keep"] = preset.keep * (2 * distance + pack.perceptual.lpips(small, known).mean())
        if style:
            region = shrink(mine.float()[None, None], preset.side)
            found["style"] = preset.style * pack.perceptual.style_loss(small, style_reference, region).mean()
        return picture, found

    variables = [(coarse, preset.align_lr)]
    yield from minimise("align", preset.align_steps, variables, lambda _: losses(style=False), **preset.schedule)
    yield from minimise("align", preset.align_style_steps, variables, lambda _: losses(style=True), **preset.schedule)
    return torch.cat([coarse.detach(), rest], 1)
