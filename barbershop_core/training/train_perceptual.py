"""The studio pack's perceptual network: a narrow VGG16 that learns to describe rendered portraits."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks.vgg import VGG16Features
from ..progress import Steps
from ..world import params
from ..world.shading import LABELS
from .batches import fit, held_out


class Described(nn.Module):
    """VGG features with two heads, for the portrait's parameters and for its label map."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 48, 64, 64)):
        super().__init__()
        self.vgg = VGG16Features(widths)
        self.parameters_head = nn.Linear(widths[4] * 16, params.COUNT)
        self.labels_head = nn.ModuleList(nn.Conv2d(w, len(LABELS), 1) for w in widths[1:4])

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """[B,3,128,128] -> p estimates [B,P] and label logits at 1/2, 1/4, 1/8."""
        taps = self.vgg(x)
        described = self.parameters_head(F.adaptive_avg_pool2d(taps[4], 4).flatten(1))
        return described, [head(t) for head, t in zip(self.labels_head, taps[1:4])]


def train(folder: Path, checkpoint: Path, minutes: float) -> Steps[tuple[nn.Module, dict[str, float]]]:
    """Fit to the pool in ``folder``; returns the `Described` in eval mode and its held-out figures.

    The heads are only there to make the features worth comparing.
    """
    net = Described()
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)

    def loss(net, p, image, labels):
        described, maps = net((image - shift) / scale)
        target = torch.erf(torch.from_numpy(p) / 2**0.5)
        value = (described.float() - target).square().mean() * 3
        for k, logits in enumerate(maps):
            value = value + 0.3 * F.cross_entropy(logits.float(), labels[:, :: 2 << k, :: 2 << k])
        return value

    def score(net):
        p, image, labels = held_out(folder)
        described, maps = net((image - shift) / scale)
        target = torch.erf(torch.from_numpy(p) / 2**0.5)
        return {
            "r2": 1 - ((described - target).square().mean() / target.var()).item(),
            "label accuracy": (maps[0].argmax(1) == labels[:, ::2, ::2]).float().mean().item(),
        }

    return (yield from fit("perceptual", net, loss, score, folder, checkpoint, minutes, lr=1.5e-3))
