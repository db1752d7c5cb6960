"""e4e: an encoder from an image to W+.

Tov et al., "Designing an Encoder for StyleGAN Image Manipulation" (SIGGRAPH 2021): one style for
all layers plus a small offset for each, predicted from a feature pyramid on an IR-SE-50 backbone.
Published as ``{"state_dict": {"encoder.*", "decoder.*"}, "latent_avg", "opts"}``
(``e4e_ffhq_encode.pt``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import WeightCorrupt
from . import layout
from .arcface import read_trunk, stem, trunk
from .resample import area_pool

WHAT = "e4e encoder"


class EqualLinear(nn.Module):
    """Linear layer with equalized learning rate: weights of unit variance, scaled at run time."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight / math.sqrt(self.weight.shape[1]), self.bias)


class StyleHead(nn.Module):
    """Reduces a square feature map to a style vector by strided convolutions."""

    def __init__(self, inputs: int, style_dim: int, side: int):
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(int(math.log2(side))):
            layers += [nn.Conv2d(inputs if i == 0 else style_dim, style_dim, 3, 2, 1), nn.LeakyReLU(0.01)]
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(style_dim, style_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convs(x).flatten(1))


class Encoder4Editing(nn.Module):
    """Encoder into W+.

    n_latent, style_dim: rows and width of the code (18 x 512 at 1024 px, 12 rows at 128 px).
    channels, blocks: width and number of units of the four backbone stages.
    input_size: px; 16 times a power of two.
    coarse, middle: number of rows from the coarsest and from the middle level of the pyramid.

    ``latent_avg`` [n_latent, style_dim] is added to the predicted offsets; set it to the generator's
    mean W before training.
    """

    def __init__(
        self,
        n_latent: int = 18,
        style_dim: int = 512,
        channels: Sequence[int] = (64, 128, 256, 512),
        blocks: Sequence[int] = (3, 4, 14, 3),
        input_size: int = 256,
        *,
        coarse: int = 3,
        middle: int = 4,
        reduction: int | None = 16,
    ):
        super().__init__()
        side = input_size // 16
        if len(channels) != 4 or input_size % 16 or side < 2 or side & (side - 1):
            raise ValueError("the encoder needs four stages and an input of 16 times a power of two")
        self.n_latent, self.style_dim, self.input_size = n_latent, style_dim, input_size
        self.levels = (coarse, coarse + middle)
        self.taps = (sum(blocks[:2]), sum(blocks[:3]))
        self.input_layer = stem(channels[0])
        self.body = trunk(channels, blocks, reduction)
        width = channels[3]
        sides = [side] * coarse + [2 * side] * middle + [4 * side] * n_latent
        self.styles = nn.ModuleList(StyleHead(width, style_dim, s) for s in sides[:n_latent])
        self.latlayer1 = nn.Conv2d(channels[2], width, 1)
        self.latlayer2 = nn.Conv2d(channels[1], width, 1)
        self.register_buffer("latent_avg", torch.zeros(n_latent, style_dim))

    def pyramid(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Backbone features at 1/4, 1/8 and 1/16 of the input's size (c1, c2, c3)."""
        x = self.input_layer(x)
        first, second = self.taps
        c1 = self.body[:first](x)
        c2 = self.body[first:second](c1)
        return c1, c2, self.body[second:](c2)

    def offsets(self, x: Tensor) -> Tensor:
        """[B,3,S,S] RGB in -1..1 -> [B,n_latent,style_dim], before ``latent_avg`` is added."""
        c1, c2, c3 = self.pyramid(x)
        p2 = _upsample(c3, c2) + self.latlayer1(c2)
        p1 = _upsample(p2, c1) + self.latlayer2(c1)
        coarse, fine = self.levels
        base = self.styles[0](c3)
        rows = [base]
        for i in range(1, self.n_latent):
            features = c3 if i < coarse else p2 if i < fine else p1
            rows.append(base + self.styles[i](features))
        return torch.stack(rows, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B,3,H,W] aligned portraits, RGB in -1..1 -> W+ codes [B,n_latent,style_dim].  Other
        sizes than ``input_size`` are averaged down or interpolated up to it."""
        size = (self.input_size, self.input_size)
        if min(x.shape[-2:]) >= self.input_size:
            x = area_pool(x, size)
        else:
            x = F.interpolate(x, size, mode="bilinear", align_corners=False)
        return self.offsets(x) + self.latent_avg


def _upsample(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=True)


def _latent_avg(checkpoint: Any, state: dict[str, Tensor], rows: int) -> Tensor | None:
    """The mean latent that is added to the offsets, [rows, D], or ``None`` if the options say none."""
    options = checkpoint.get("opts") if isinstance(checkpoint, Mapping) else None
    if options is not None and not isinstance(options, Mapping):
        options = vars(options)
    if options is not None and not options.get("start_from_latent_avg", True):
        return None
    average = state.get("latent_avg")
    if average is None and isinstance(checkpoint, Mapping):
        average = checkpoint.get("latent_avg")
        if average is None and isinstance(checkpoint.get("state_dict"), Mapping):
            average = checkpoint["state_dict"].get("latent_avg")
    if isinstance(average, Tensor) and average.dim() == 1:
        average = average.expand(rows, -1)
    return average


def from_state(checkpoint: Any) -> Encoder4Editing:
    """An encoder from the published file's object, or from a plain state dict.

    All sizes are read from the weights; a generator in the same file ("decoder.*") is ignored.  Raises
    errors.WeightCorrupt for any other weights, such as pSp and ReStyle encoders, whose keys are similar.
    """
    options = checkpoint.get("opts") if isinstance(checkpoint, Mapping) else None
    if options is not None and not isinstance(options, Mapping):
        options = vars(options)
    kind = (options or {}).get("encoder_type", "Encoder4Editing")
    if kind != "Encoder4Editing":
        raise WeightCorrupt(f"This file holds an encoder of the kind '{kind}', not an {WHAT}.", layout.REMEDY)
    state = layout.state_of(checkpoint, WHAT, "encoder.")
    channels, blocks, reduction = read_trunk(state, WHAT)
    heads = layout.count(state, "styles.")
    style_dim = layout.shape_of(state, "styles.0.linear.weight", WHAT, 2)[0]
    depths = [sum(k.startswith(f"styles.{i}.convs.") and k.endswith(".weight") for k in state) for i in range(heads)]
    coarse, middle = depths.count(depths[0]), depths.count(depths[0] + 1)
    average = _latent_avg(checkpoint, state, heads)
    state["latent_avg"] = torch.zeros(heads, style_dim) if average is None else average
    return layout.build(
        lambda: Encoder4Editing(
            heads, style_dim, channels, blocks, 16 * 2 ** depths[0], coarse=coarse, middle=middle, reduction=reduction
        ),
        state,
        WHAT,
    )
