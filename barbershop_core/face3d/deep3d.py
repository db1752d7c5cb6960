"""Regressors of a Basel model's 257 numbers from a face: Deep3DFaceRecon and 3DDFA-V3 checkpoints.

Deng et al., "Accurate 3D Face Reconstruction with Weakly-Supervised Learning" (CVPRW 2019): a ResNet-50
whose pooled features are followed by seven 1x1 convolutions, for identity (80), expression (64), texture
(80), angles (3), light (27) and translation (2 + 1).  3DDFA-V3's ``net_recon.pth`` has the same layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks import layout
from .basel import theta_of
from .morphable import Morphable
from .theta import Theta

WHAT = "face regressor (Deep3DFaceRecon)"
HEADS = (80, 64, 80, 3, 27, 2, 1)
SIDE = 224
CROP = (0.055, 0.17, 0.89)
"""Left, top and side, as fractions of an FFHQ-aligned portrait, of the square in which the mean face has the
position that these networks expect (eyes 63 px apart and 79 px from the top of 224)."""


class Face3D(nn.Module):
    """backbone: images [B,3,224,224] in 0..1 -> features [B,C,1,1]; width: C."""

    def __init__(self, backbone: nn.Module, width: int):
        super().__init__()
        self.backbone = backbone
        self.final_layers = nn.ModuleList(nn.Conv2d(width, count, 1) for count in HEADS)

    def forward(self, image: Tensor) -> Tensor:
        """[B,3,224,224] RGB in 0..1, the face as :data:`CROP` cuts it -> [B,257] in the order of HEADS."""
        features = self.backbone(image)
        features = features.reshape(len(image), -1, 1, 1)
        return torch.cat([layer(features) for layer in self.final_layers], 1).flatten(1)

    def theta(self, image: Tensor, model: Morphable) -> Theta:
        """Theta of FFHQ-aligned portraits [B,3,R,R] in [-1,1], placed in the whole portrait."""
        left, top, side = CROP
        at = (torch.arange(SIDE, device=image.device, dtype=image.dtype) + 0.5) / SIDE * side
        x, y = (2 * (start + at) - 1 for start in (left, top))
        grid = torch.stack([x[None].expand(SIDE, -1), y[:, None].expand(-1, SIDE)], -1)
        crop = F.grid_sample(image, grid.expand(len(image), -1, -1, -1), padding_mode="border", align_corners=False)
        theta = theta_of(self(crop / 2 + 0.5))
        marks = model.shares(theta) * side + torch.tensor([left, top]).to(image)
        return replace(theta, translation=model.solve_translation(theta, marks * SIDE, SIDE).translation)


def from_state(checkpoint: Any) -> Face3D:
    """A regressor from the published file's object or a state dict.

    Raises errors.WeightCorrupt for anything else.
    """
    if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get("net_recon"), Mapping):
        checkpoint = checkpoint["net_recon"]
    state = layout.state_of(checkpoint, WHAT)
    width = layout.shape_of(state, "final_layers.0.weight", WHAT, 4)[1]
    # classifiers from the backbone's pretraining
    state = {k: v for k, v in state.items() if not k.startswith(("backbone.fc.", "backbone.classifier."))}
    return layout.build(lambda: Face3D(_backbone(), width), state, WHAT)


def _backbone() -> nn.Module:
    from torchvision import models

    net = models.resnet50(weights=None)
    net.fc = nn.Identity()
    return net
