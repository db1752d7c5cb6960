"""Aligning a reference to the target mask.

Barbershop, section 3.4: from a reference's code w_rec find w_align whose image has the regions of M
(cross-entropy of its parse) and keeps the look of the reference's own region (squared distance of
masked Gram matrices).  F_align takes F_rec where the reference's own region and M agree, so that
detail survives where nothing moved, and the generator's features of w_align elsewhere.

`turn` is ours: heads that look in different directions are brought into the person's pose first,
which the article names as its main failure.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..inversion.descent import minimise, shrink, to_uint8
from ..inversion.prior import PNorm
from ..progress import Steps
from .masks import dilate, to_feature
from .regions import REGIONS, parse_logits
from .target_mask import ParseLoss, TargetMask

POSE_PARTS = ("eyes", "nose", "mouth", "brows")


def align(
    pack, w_rec: Tensor, image: Tensor, own: Tensor, source: int, target: TargetMask, mode: str, preset
) -> Steps[Tensor]:
    """w_align of one reference.

    w_rec: [1,L,D]; image: [1,3,R,R], the reference in [-1,1]; own: its label map [R,R]; source: its
    number in ``target.owner``.  Only the rows that make F are optimized.  Returns [1,L,D].
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
        style_reference = pack.perceptual.style_reference(
            seen, shrink(own_region.float()[None, None], preset.side)
        )
    if preset.keep and bool(kept.any()):
        known = pack.perceptual.reference(seen, (kept_small > 0.5).float())
    latest: list[Tensor] = []

    def losses(style: bool):
        picture = generator.synthesis(torch.cat([coarse, rest], 1), resolution=side)
        latest[:] = [picture.detach()]
        found = {"cross entropy": preset.cross_entropy * fit(picture)}
        small = shrink(picture, preset.side)
        if known is not None:
            distance = (
                (small - seen).square().mean(1, keepdim=True) * kept_small
            ).sum() / kept_small.sum().clamp_min(1)
            found["keep"] = preset.keep * (2 * distance + pack.perceptual.lpips(small, known).mean())
        if style:
            region = shrink(mine.float()[None, None], preset.side)
            found["style"] = preset.style * pack.perceptual.style_loss(small, style_reference, region).mean()
        return found

    options = {
        "ramp": preset.ramp,
        "patience": preset.patience,
        "tolerance": preset.tolerance,
        "preview": lambda: to_uint8(latest[0])[0].numpy(),
    }
    for total, style in ((preset.align_steps, False), (preset.align_style_steps, True)):
        yield from minimise(
            "align", total, [(coarse, preset.align_lr)], lambda style=style: losses(style), **options
        )
    return torch.cat([coarse.detach(), rest], 1)


def align_feature(recovered: Tensor, aligned: Tensor, agree: Tensor, smooth: int = 5) -> Tensor:
    """F_align.

    recovered, aligned: [1,C,32,32], F_rec and the features of w_align.  agree: bool [R,R], where the
    reference's own region and M agree.  smooth: pixels, at 256 px, by which that is drawn back from
    its border, so that nothing of what lies beyond it comes along.
    """
    steps = max(round(smooth * agree.shape[-1] / 256), 0)
    # Pixels at the picture's edge have no neighbours that disagree, so they don't shrink.
    inside = ~dilate(~agree, steps)
    share = to_feature(inside.float(), recovered.shape[-1]).clamp(0, 1)
    return share * recovered + (1 - share) * aligned


def turn(pack, w_plus: Tensor, person_logits: Tensor, preset) -> Steps[Tensor]:
    """A code with the same head in the person's pose.

    w_plus: [1,L,D] of the reference; person_logits: [1,N,S,S], log-probabilities of the person's parse.
    Places and extents of eyes, brows, nose and mouth in the parse of the generated image are brought to
    the person's by one common offset of the rows that make F, in the whitened space of the P-norm where
    it is as short as can be: what comes along least is what the pose does not need.
    """
    generator, first = pack.generator, pack.generator.feature_index
    statistics = pack.pnorm
    prior = PNorm(statistics.mean, statistics.components, statistics.stdev).to(w_plus.device)
    side = min(preset.side, pack.working_size)
    with torch.no_grad():
        wanted, visible = moments(person_logits)
        start = prior.project(w_plus[:, :first])
        base = prior.unproject(start)
    offset = torch.zeros_like(start[:, :1]).requires_grad_(True)
    latest: list[Tensor] = []

    def moved() -> Tensor:
        rows = w_plus[:, :first] + prior.unproject(start + offset) - base
        return torch.cat([rows, w_plus[:, first:]], 1)

    def objective():
        picture = generator.synthesis(moved(), resolution=side)
        latest[:] = [picture.detach()]
        found, seen = moments(parse_logits(pack.parser, picture, side))
        both = visible * seen.detach()
        distance = ((found - wanted).square() * both[..., None]).sum() / both.sum().clamp_min(1)
        return {"pose": distance, "distance": 2e-4 * offset.square().mean()}

    yield from minimise(
        "align",
        preset.pose_steps,
        [(offset, preset.pose_lr)],
        objective,
        ramp=preset.ramp,
        patience=preset.patience,
        tolerance=preset.tolerance,
        preview=lambda: to_uint8(latest[0])[0].numpy(),
    )
    return moved().detach()


def moments(log_p: Tensor) -> tuple[Tensor, Tensor]:
    """Places and extents of the face's parts, with gradients.

    log_p: [1,N,S,S] log-probabilities of the regions.  Returns [parts,4]: mean x and y, and standard
    deviations of x and y, in units of a twentieth of the image; and [parts], 1 where the part is there.
    """
    p = log_p.exp()[0, [REGIONS.index(name) for name in POSE_PARTS]]
    height, width = p.shape[-2:]
    x = (torch.arange(width, device=p.device) + 0.5) / width
    y = (torch.arange(height, device=p.device) + 0.5) / height
    area = p.sum((1, 2)).clamp_min(1e-3)
    along_x, along_y = p.sum(1), p.sum(2)
    mx, my = (along_x * x).sum(1) / area, (along_y * y).sum(1) / area
    sx = ((along_x * (x - mx[:, None]).square()).sum(1) / area + 1e-6).sqrt()
    sy = ((along_y * (y - my[:, None]).square()).sum(1) / area + 1e-6).sqrt()
    there = (area > 3e-4 * height * width).float()
    return 20 * torch.stack([mx, my, sx, sy], 1), there
