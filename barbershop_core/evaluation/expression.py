"""How far a picture's expression has come, counting only movements that the true picture shows.

Some of what is asked for cannot be seen: an eye that is shut already cannot show that it should shut further,
a brow under a fringe not that it rises.  No edit can win these points, and the rendered truth itself loses
them.  So each coefficient counts as far as the judge sees its change in the truth's picture, between nothing
and all that was asked for.  What remains of the truth's own error is the judge's; to keep it small, each
reading is the mean over slightly moved and mirrored views.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..pie.face_reader import FaceReader

ZOOMS = (0.97, 1.03)
SHIFTS = ((0.015, 0.0), (-0.015, 0.0), (0.0, 0.015), (0.0, -0.015))
"""In halves of the picture's side."""


def views(image: Tensor) -> Tensor:
    """A picture [1,3,R,R], the same zoomed and shifted a little, and all of them mirrored: [18,3,R,R]."""
    rows = [[[zoom, 0.0, x], [0.0, zoom, y]] for zoom in ZOOMS for x, y in SHIFTS]
    matrices = torch.tensor(rows).to(image)
    grid = F.affine_grid(matrices, [len(rows), *image.shape[1:]], align_corners=False)
    moved = F.grid_sample(
        image.expand(len(rows), -1, -1, -1), grid, mode="bicubic", padding_mode="border", align_corners=False
    )
    found = torch.cat([image, moved])
    return torch.cat([found, found.flip(-1)])


@torch.no_grad()
def read(reader: FaceReader, image: Tensor) -> Tensor:
    """Expression [1,E] of a picture [1,3,R,R], the mean over its views.  (It is the same mirrored.)"""
    return reader(views(image)).theta.expression.mean(0, keepdim=True)


def shown(asked: Tensor, read_change: Tensor) -> Tensor:
    """What the truth's picture shows of the change that was asked for, both [1,E].

    read_change: of the truth, as the judge reads it: as much of ``asked`` as it finds, but neither more nor the
    opposite.
    """
    return torch.sign(asked) * torch.minimum((read_change * torch.sign(asked)).clamp_min(0), asked.abs())


def missed(change: Tensor, asked: Tensor, truth_change: Tensor) -> tuple[float, float]:
    """Sums of squares: of what a change misses of what the truth shows, and of what the truth shows."""
    wanted = shown(asked, truth_change)
    return float((change - wanted).square().sum()), float(wanted.square().sum())
