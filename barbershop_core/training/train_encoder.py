"""The studio pack's e4e encoder (Tov et al. 2021), as far as its first phase of training goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks.e4e import Encoder4Editing
from ..networks.stylegan2 import Generator
from ..progress import Steps
from ..world import params
from .batches import fit, held_out


def train(folder: Path, checkpoint: Path, minutes: float, g: Generator) -> Steps[tuple[nn.Module, dict[str, float]]]:
    """Fit to the pool in ``folder``: one style for all rows, which is to be the portrait's w.

    The rows' own offsets stay zero; W+ is left to the optimization that starts from the encoder.
    Returns the `Encoder4Editing` in eval mode and its held-out figures.
    """
    net = Encoder4Editing(g.n_latent, g.style_dim, (32, 64, 96, 128), (1, 2, 2, 1), 64)
    for head in net.styles[1:]:
        for parameter in head.parameters():
            parameter.detach().zero_()
            parameter.requires_grad_(False)
    g.update_w_mean()
    net.latent_avg.copy_(g.w_mean.expand(g.n_latent, -1))
    with torch.no_grad():
        spread = g.mapping(torch.from_numpy(params.to_z(params.sample(4000, 1), g.z_dim, 2))).std(0).mean()

    def rows(p: np.ndarray) -> Tensor:
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            return g.mapping(torch.from_numpy(params.to_z(p, g.z_dim)))

    def first_row(net: nn.Module, image: Tensor) -> Tensor:
        small = F.avg_pool2d(image, image.shape[-1] // net.input_size)
        return net.styles[0](net.pyramid(small)[2]) + net.latent_avg[0]

    def loss(net, p, image, labels):
        return ((first_row(net, image).float() - rows(p)) / spread).square().mean()

    def score(net):
        p, image, _ = held_out(folder)
        error = ((net(image) - rows(p)[:, None]) / spread).square().mean()
        return {"r2": 1 - error.item()}

    return (yield from fit("encoder", net, loss, score, folder, checkpoint, minutes, lr=4e-3, augmentation=0.5))
