"""The studio pack's identity network: an IR-SE net (ArcFace's) fitted to who the rendered portraits show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks.arcface import ArcFace, identity_crop
from ..progress import Steps
from ..world import params
from .batches import fit, held_out

WHO = params.indices("identity", "skin")
"""What makes a person: bones and colours, not hair, expression or light."""
EMBEDDING = 32


def who(p: np.ndarray) -> Tensor:
    """Unit vectors [B,EMBEDDING] that tell people apart: their identity and skin parameters, made uniform."""
    z = torch.from_numpy(p[:, WHO])
    return F.normalize(F.pad(torch.erf(z / 2**0.5), (0, EMBEDDING - len(WHO))), dim=1)


def train(folder: Path, checkpoint: Path, minutes: float) -> Steps[tuple[nn.Module, dict[str, float]]]:
    """Fit to the pool in ``folder``: the cosine of two portraits is to be that of their persons' parameters.

    Returns the `ArcFace` in eval mode and its held-out figures.
    """
    net = ArcFace((24, 48, 96, 160), (1, 2, 2, 1), 64, EMBEDDING, dropout=0.1)

    def embed(net: nn.Module, image: Tensor) -> Tensor:
        return net(identity_crop(image, 64)).float()

    def loss(net, p, image, labels):
        e, target = embed(net, image), who(p)
        gram = ((e @ e.T - target @ target.T) ** 2).mean()
        return (1 - (e * target).sum(1)).mean() + gram

    def score(net):
        p, image, _ = held_out(folder)
        e, target = embed(net, image), who(p)
        return {
            "cosine": (e * target).sum(1).mean().item(),
            "best of 250": ((e @ target.T).argmax(1) == torch.arange(len(p))).float().mean().item(),
        }

    return (yield from fit("identity", net, loss, score, folder, checkpoint, minutes, lr=3e-3))
