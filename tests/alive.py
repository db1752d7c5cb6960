"""Generators in which everything is alive, as in the published ones: noise, and RGB from every block.

In a generator whose to-RGB layers up to 32x32 and whose noise strengths are zero, G(w) equals G(w, F(w)), and
code that relies on it goes unnoticed.  Here both get random values, so that a picture loses its share of these
blocks where synthesis starts from F.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import nn

from barbershop_core import open_pack
from barbershop_core.networks.stylegan2 import Generator
from barbershop_core.pack import Pack


@torch.no_grad()
def alive(generator: Generator, rgb: float = 0.05, noise: float = 0.02, seed: int = 0) -> Generator:
    """A copy with random to-RGB layers up to F, random noise and noise strengths; W is the same.

    rgb: standard deviation that each of these to-RGB layers adds to a picture in [-1,1].  noise: root mean square
    by which the registered noise of all layers changes it.
    """
    rng = torch.Generator().manual_seed(seed)
    made = copy.deepcopy(generator).cpu().requires_grad_(False)
    w = made.mapping(torch.randn(4, made.z_dim, generator=rng))
    layers = [made.to_rgb1, *made.to_rgbs[: made.feature_index // 2]]
    for below, layer in enumerate(layers):
        styles, resolution = made.styles(w), 4 * 2**below
        state = made.state(styles, resolution)
        weight = layer.conv.weight
        weight.copy_(torch.randn(weight.shape, generator=rng))
        layer.bias.copy_(0.3 * rgb * torch.randn(layer.bias.shape, generator=rng))
        style = styles[1 + 3 * below]  # S has three vectors for each block, and two for 4x4
        colours = torch.einsum("bchw,bkc->bkhw", state.x, layer.weight(style))
        weight.mul_(rgb / colours.std())
    quiet = made.synthesis(w, noise="none")
    convs = [made.conv1, *made.convs]
    for pattern in made.noises.buffers():
        pattern.copy_(torch.randn(pattern.shape, generator=rng))
    for conv in convs:
        conv.noise.weight.copy_(torch.randn(1, generator=rng).sign() * (0.5 + torch.rand(1, generator=rng)))
    for _ in range(12):  # synthesis is not linear in the strengths
        scale = noise / (made.synthesis(w) - quiet).square().mean().sqrt()
        for conv in convs:
            conv.noise.weight.mul_(scale)
    return made.to(generator.w_mean.device)


def alive_pack(name_or_manifest: str | Path = "studio", device: str = "cpu", **strengths: float) -> Pack:
    """A pack whose generator is :func:`alive`.  Its encoder, fitted to the pack's own generator, is only roughly
    right, and codes of the two packs share a cache key: use it without a cache."""
    pack = open_pack(name_or_manifest, device=device)
    pack._open["generator"] = alive(pack.generator, **strengths)
    return pack


def without(pack: Pack, *roles: str) -> Pack:
    """The same pack, opened again, in which these optional networks are missing."""

    class Lacking(Pack):
        def optional(self, role: str) -> nn.Module | None:
            return None if role in roles else super().optional(role)

    lacking = Lacking(pack.manifest, pack.device)
    lacking._open = {role: value for role, value in pack._open.items() if role not in roles}
    return lacking
