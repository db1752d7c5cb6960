"""VGG16's convolutions, the features of the perceptual losses.

Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (ICLR
2015), configuration D, in torchvision's key names (``features.N.weight``); timm's file
(``timm/vgg16.tv_in1k``) has the same names.  The classifier is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from . import layout

WHAT = "VGG16"
PUBLISHED_WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = (2, 2, 3, 3, 3)  # convolutions of each block; blocks are separated by 2x2 max pooling


class VGG16Features(nn.Module):
    """The five blocks of convolutions.  widths: channels of each block."""

    def __init__(self, widths: Sequence[int] = PUBLISHED_WIDTHS):
        super().__init__()
        if len(widths) != len(DEPTHS):
            raise ValueError("VGG16 has five blocks")
        self.widths = tuple(widths)
        layers: list[nn.Module] = []
        before = 3
        for width, depth in zip(widths, DEPTHS):
            for _ in range(depth):
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor, taps: int = 5) -> list[Tensor]:
        """[B,3,H,W] -> the last activation of each of the first ``taps`` blocks (relu1_2, relu2_2,
        relu3_3, relu4_3, relu5_3), block k at 1/2^k of the size.  The input's normalisation
        depends on the loss (see ``perceptual``)."""
        found: list[Tensor] = []
        x = layout.channels_last(x)
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                found.append(x)
                if len(found) == taps:
                    break
                x = layer(x)
            elif isinstance(layer, nn.ReLU):
                x = F.relu(x, inplace=True)
            else:
                x = layer(x)
        return found


def from_state(checkpoint: Any) -> VGG16Features:
    """The convolutions from a state dict of torchvision's or timm's VGG16; widths are read from it,
    other entries (the classifier, LPIPS heads) are ignored.

    Raises errors.WeightCorrupt for any other weights.
    """
    state = {k: v for k, v in layout.state_of(checkpoint, WHAT).items() if k.startswith("features.")}
    index, widths = 0, []
    for depth in DEPTHS:
        widths.append(layout.shape_of(state, f"features.{index}.weight", WHAT, 4)[0])
        index += 2 * depth + 1
    return layout.build(lambda: VGG16Features(widths), state, WHAT)
