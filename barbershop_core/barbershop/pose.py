"""Turning a reference's head to the person's.

Heads that look in different directions are the main failure that the article names.  Style Your Hair
(Kim et al. 2022) turns the reference first, in the generator's latent space; so do we: its code moves
until the parts of its face lie where the person's do, and no further than that takes.  When hair is
what the reference lends, all of the person but the hair is asked for, so that light and surroundings
agree with the hair, too: what comes out is the person with that hair, as the generator knows them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..inversion.descent import EvenAdam, minimise, shrink, to_uint8
from ..inversion.prior import PNorm
from ..progress import Steps
from .regions import REGIONS, parse_logits, region_index, region_mask

PARTS = ("eyes", "nose", "mouth", "brows")
LEAST_STDEV = 0.02
"""Of the largest: axes of W along which codes vary less than this are not moved along."""


def turn(pack, w_plus: Tensor, image: Tensor, labels: Tensor, style: Tensor | None, preset) -> Steps[Tensor]:
    """A reference's code with the head in the person's pose.

    w_plus: [1,L,D], the reference's.  image: [1,3,R,R] in [-1,1] and labels: long [R,R], the person's.
    style: [1,L,D], the person's code, where everything but the hair shall become the person's: then its
    rows from ``feature_index`` on are taken, and the pixels and the parse outside of either hair count;
    ``None``: only places and extents of eyes, brows, nose and mouth count.
    The rows that make F move by one common offset in the whitened space of the P-norm, where it is as
    short as can be: what comes along least is what is not needed.  Returns [1,L,D].
    """
    generator, first = pack.generator, pack.generator.feature_index
    statistics = pack.pnorm
    stdev = statistics.stdev.clamp_min(LEAST_STDEV * float(statistics.stdev.max()))
    prior = PNorm(statistics.mean, statistics.components, stdev).to(w_plus.device)
    side = min(preset.side, pack.working_size)
    seen = shrink(image, side)
    with torch.no_grad():
        person = parse_logits(pack.parser, seen, side)
        wanted, visible = moments(person)
        start = prior.project(w_plus[:, :first])
        base = prior.unproject(start)
    rest = (w_plus if style is None else style)[:, first:]
    if style is not None:
        small = F.interpolate(labels[None, None].float(), (side, side), mode="nearest")[0].long()
        not_hair = (~region_mask(small, ("hair", "hat"))).float()[None]
        reference = pack.perceptual.reference(seen, blocks=3)
    offset = torch.zeros_like(start[:, :1]).requires_grad_(True)
    latest: list[Tensor] = []

    def moved() -> Tensor:
        return torch.cat([w_plus[:, :first] + prior.unproject(start + offset) - base, rest], 1)

    def objective():
        picture = generator.synthesis(moved(), resolution=side)
        latest[:] = [picture.detach()]
        log_p = parse_logits(pack.parser, picture, side)
        found, there = moments(log_p)
        both = visible * there.detach()
        distance = ((found - wanted).square() * both[:, None]).sum() / both.sum().clamp_min(1)
        losses = {"pose": preset.pose * distance, "distance": preset.distance * offset.square().mean()}
        if style is not None:
            here = not_hair * (1 - log_p.detach()[:, [region_index("hair")]].exp())
            area = here.sum().clamp_min(1)
            losses["parse"] = (F.nll_loss(log_p, small, reduction="none") * here[:, 0]).sum() / area
            pixels = ((picture - seen).square().mean(1, keepdim=True) * here).sum() / area
            looks = pack.perceptual.lpips(picture, reference, here).mean()
            losses["pixels"] = preset.match * (2 * pixels + looks)
        return losses

    yield from minimise("align", preset.pose_steps, [(offset, preset.pose_lr)], objective, ramp=preset.ramp,
                        patience=preset.patience, tolerance=preset.tolerance, optimizer=EvenAdam,
                        preview=lambda: to_uint8(latest[0])[0].numpy())  # fmt: skip
    return moved().detach()


def moments(log_p: Tensor) -> tuple[Tensor, Tensor]:
    """Places and extents of the face's parts, with gradients.

    log_p: [1,N,S,S] log-probabilities of the regions.  Returns [parts,4]: mean x and y, and standard
    deviations of x and y, in units of a twentieth of the image; and [parts], 1 where the part is there.
    """
    p = log_p.exp()[0, [REGIONS.index(name) for name in PARTS]]
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
