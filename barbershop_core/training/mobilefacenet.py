"""MobileFaceNet (Chen et al. 2018), the teacher of the identity network on photographs.

A trained checkpoint is not part of the project; the layer names are those of the common PyTorch version.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDE, HIGH = 96, 112
EYES, MOUTH = ((30.3, 51.7), (65.5, 51.5)), ((33.5, 92.4), (62.7, 92.2))
"""Where its training put the eyes and the corners of the mouth, px (x, y)."""
ALIGNED_EYES, ALIGNED_MOUTH = 0.4800, 0.6910
"""Height of the eyes and of the mouth's corners in a portrait aligned as FFHQ is, as shares of its side."""


def _conv(i: int, o: int, kernel: int | tuple[int, int] = 1, stride: int = 1, pad: int = 0, groups: int = 1):
    return nn.Conv2d(i, o, kernel, stride, pad, groups=groups, bias=False)


class _Block(nn.Module):
    """Convolution, batch norm and, unless ``linear``, PReLU."""

    def __init__(self, *shape, linear: bool = False, **options):
        super().__init__()
        self.conv = _conv(*shape, **options)
        self.bn = nn.BatchNorm2d(shape[1])
        self.prelu = nn.Identity() if linear else nn.PReLU(shape[1])

    def forward(self, x: Tensor) -> Tensor:
        return self.prelu(self.bn(self.conv(x)))


class _Bottleneck(nn.Module):
    """1x1 wider, 3x3 by channel, 1x1 narrower; added to its input where the shapes are the same."""

    def __init__(self, i: int, o: int, stride: int, factor: int):
        super().__init__()
        w = i * factor
        self.added = stride == 1 and i == o
        self.conv = nn.Sequential(
            *(_conv(i, w), nn.BatchNorm2d(w), nn.PReLU(w)),
            *(_conv(w, w, 3, stride, 1, w), nn.BatchNorm2d(w), nn.PReLU(w)),
            *(_conv(w, o), nn.BatchNorm2d(o)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.added else self.conv(x)


class MobileFaceNet(nn.Module):
    """Faces [B,3,112,96], RGB in -1..1 -> unit vectors [B,128]."""

    def __init__(self):
        super().__init__()
        self.conv1 = _Block(3, 64, 3, 2, 1)
        self.dw_conv1 = _Block(64, 64, 3, 1, 1, groups=64)
        blocks, i = [], 64
        for factor, o, count, stride in ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1)):
            for k in range(count):
                blocks.append(_Bottleneck(i, o, stride if k == 0 else 1, factor))
                i = o
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = _Block(128, 512)
        self.linear7 = _Block(512, 512, (7, 6), groups=512, linear=True)
        self.linear1 = _Block(512, 128, linear=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear7(self.conv2(self.blocks(self.dw_conv1(self.conv1(x)))))
        return F.normalize(self.linear1(x).flatten(1), dim=1)


def load(path: Path) -> MobileFaceNet:
    """The network of a checkpoint with a "net_state_dict", frozen."""
    net = MobileFaceNet()
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["net_state_dict"])
    return net.eval().requires_grad_(False)


def crop(image: Tensor) -> Tensor:
    """[B,3,S,S] portraits aligned as FFHQ is -> faces [B,3,112,96] as the network's training aligned them."""
    eyes, mouth = (sum(y for _, y in points) / 2 for points in (EYES, MOUTH))
    scale = (ALIGNED_MOUTH - ALIGNED_EYES) / (mouth - eyes)  # of a side, for one px
    x = 0.5 + (torch.arange(WIDE, dtype=torch.float32) + 0.5 - WIDE / 2) * scale
    y = ALIGNED_EYES + (torch.arange(HIGH, dtype=torch.float32) + 0.5 - eyes) * scale
    grid = torch.stack(torch.meshgrid(x * 2 - 1, y * 2 - 1, indexing="xy"), -1)
    side = round(1 / scale)
    image = F.interpolate(image, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return F.grid_sample(image, grid.expand(len(image), -1, -1, -1), align_corners=False)
