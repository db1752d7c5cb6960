"""Turning a reference's head to the person's pose.

Heads that look in different directions are the main failure that the article names.  As in Style Your Hair
(Kim et al. 2022), the reference is turned first, in the generator's latent space: its code moves until the
parts of its face lie where the person's do, and no further than that takes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..editing.regions import REGIONS, parse_logits
from ..inversion.minimise import EvenAdam, minimise
from ..progress import Steps
from ..protocols import PackLike
from .latent_axes import AxesInW
from .transfer_presets import TransferPreset

PARTS = ("eyes", "nose", "mouth", "brows")


def turn(pack: PackLike, w_plus: Tensor, image: Tensor, preset: TransferPreset) -> Steps[Tensor]:
    """A reference's code with the head in the person's pose.

    w_plus: [1,L,D], the reference's.  image: [1,3,R,R] in [-1,1], the person.  Positions and extents of eyes,
    brows, nose and mouth in the parse of the generated image are matched to the person's by one common offset
    of the rows that make F, along the main axes of W; a penalty keeps it short.
    Yields the stage "align"; returns [1,L,D].
    """
    generator, first = pack.generator, pack.generator.feature_index
    side = min(preset.side, image.shape[-1])
    axes = AxesInW(pack, w_plus[:, :first])
    with torch.no_grad():
        wanted, visible = moments(parse_logits(pack.parser, image, side))
    offset = torch.zeros(axes.count, device=w_plus.device).requires_grad_(True)

    def moved() -> Tensor:
        return torch.cat([axes.moved(offset[None]), w_plus[:, first:]], 1)

    def objective(_: int) -> tuple[Tensor, dict[str, Tensor]]:
        turned = generator.synthesis(moved())
        found, there = moments(parse_logits(pack.parser, turned, side))
        both = visible * there.detach()
        distance = ((found - wanted).square() * both[:, None]).sum() / both.sum().clamp_min(1)
        return turned, {"pose": distance, "distance": preset.distance * offset.square().mean()}

    variables = [(offset, preset.pose_lr)]
    yield from minimise("align", preset.pose_steps, variables, objective, optimizer=EvenAdam, **preset.schedule)
    return moved().detach()


def moments(log_p: Tensor) -> tuple[Tensor, Tensor]:
    """Positions and extents of the parts of a face, with gradients.

    log_p: [1,N,S,S] log-probabilities of the regions.  Returns [parts,4], mean x and y and standard
    deviations of x and y in twentieths of the image's side, and [parts], 1 where the part is visible.
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
