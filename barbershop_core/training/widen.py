"""Wider and deeper parsers from trained narrower ones, which compute (almost) the same at first.

Chen et al., "Net2Net: Accelerating Learning via Knowledge Transfer" (ICLR 2016): channels are repeated
and the weights that read them divided; added residual blocks start as the identity.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..networks.bisenet import BiSeNet


@torch.no_grad()
def widen(net: BiSeNet, wider: BiSeNet, noise: float = 0.1, seed: int = 0) -> BiSeNet:
    """Fill ``wider`` with the weights of ``net``; returns it.

    Every number of channels in ``wider`` has to be a multiple of the one in ``net``.
    noise: relative standard deviation of the factors that make repeated channels differ; 0 keeps the
        function.
    """
    rng = torch.Generator().manual_seed(seed)
    old, new = net.state_dict(), wider.state_dict()
    for name, value in new.items():
        if name in old:
            value.copy_(_repeated(old[name], value.shape, noise, rng))
        elif name.endswith("bn2.weight"):
            value.zero_()
    return wider


def _repeated(value: Tensor, shape: torch.Size, noise: float, rng: torch.Generator) -> Tensor:
    before = value.shape
    for dim in range(min(2, len(shape))):
        if shape[dim] % before[dim]:
            raise ValueError(f"{shape[dim]} channels are no multiple of {before[dim]}")
        value = value.repeat_interleave(shape[dim] // before[dim], dim)
    if len(shape) == 4:
        value = value * (before[1] / shape[1])
        if shape != before:
            value = value * (1 + noise * torch.randn(shape, generator=rng))
    return value
