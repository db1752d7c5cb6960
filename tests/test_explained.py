"""Whether a pack's code explains a portrait is measured by the generator's own pictures."""

from __future__ import annotations

import torch
from alive import alive_pack

from barbershop_core.inversion.explained import explains


def own_pictures(pack, count: int) -> torch.Tensor:
    g = pack.generator
    with torch.no_grad():
        return g.synthesis(g.mapping(torch.randn(count, g.z_dim, generator=torch.Generator().manual_seed(5))))


def test_a_generator_explains_its_own_pictures_however_it_looks():
    """This one's colours and grain are others than those that the encoder knows."""
    pack = alive_pack(rgb=0.15, noise=0.05)
    assert all(explains(pack, picture) for picture in own_pictures(pack, 4).clamp(-1, 1).split(1))


def test_what_no_generator_makes_is_not_explained():
    noise = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert not explains(alive_pack(), noise)
