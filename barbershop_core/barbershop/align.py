"""Aligning a reference to the target mask (FAST; `published_align` is the authors' way).

After section 3.4 of Barbershop: from a reference's code w_rec find w_align whose picture has the regions of M
(cross-entropy of its parse).  Instead of the style of its own regions it keeps their pixels where they stay (ours).
F_align takes F_rec where the reference's own region and M agree, which keeps detail where nothing moved, and the
generator's features of w_align elsewhere.
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

    w_rec: [1,L,D], rows that make F and S; image: [1,3,R,R], the reference in [-1,1]; own: its label map [R,R];
    source: its number in ``target.owner``.  Only the rows that make F are optimized, and the pictures are made from F,
    as the result will be: S was fitted to that, without the RGB of the blocks below.
    Yields the stage "align"; returns [1,L,D].
    """
    generator, first = pack.generator, pack.generator.feature_index
    coarse = w_rec[:, :first].detach().clone().requires_grad_(True)
    rest = w_rec[:, first:].detach()
    fit = ParseLoss(pack, target, preset.side, mode, fill=mode == "fidelity")
    kept = ((target.owner == source) & (own == target.labels)).float()[None, None]
    kept_small = shrink(kept, preset.side)
    seen = shrink(image, preset.side)
    known = None
    if preset.keep and bool(kept.any()):
        known = pack.perceptual.reference(seen, (kept_small > 0.5).float())

    def objective(_: int) -> tuple[Tensor, dict[str, Tensor]]:
        code = torch.cat([coarse, rest], 1)
        picture = generator.synthesis(code, feature=generator.features(code))
        found = {"cross entropy": preset.cross_entropy * fit(picture)}
        if known is not None:
            small = shrink(picture, seen.shape[-1])
            difference = (small - seen).square().mean(1, keepdim=True)
            distance = (difference * kept_small).sum() / kept_small.sum().clamp_min(1)
            found["keep"] = preset.keep * (2 * distance + pack.perceptual.lpips(small, known).mean())
        return picture, found

    yield from minimise("align", preset.align_steps, [(coarse, preset.align_lr)], objective, **preset.schedule)
    return torch.cat([coarse.detach(), rest], 1)
