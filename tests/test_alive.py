"""The generator for tests in which noise and every to-RGB layer are alive."""

from __future__ import annotations

import torch
from alive import alive


def test_f_alone_is_not_the_picture_and_its_skip_makes_it_whole(small_pack):
    plain = small_pack.generator
    made = alive(plain, rgb=0.05, noise=0.02)
    z = torch.randn(4, plain.z_dim, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        w_plus = made.spread(made.mapping(z))
        assert torch.equal(made.mapping(z), plain.mapping(z))
        whole, quiet = made.synthesis(w_plus), made.synthesis(w_plus, noise="none")
        assert 0.01 < float((whole - quiet).square().mean().sqrt()) < 0.04
        lost = whole - made.synthesis(w_plus, feature=made.features(w_plus))
        assert 0.04 < float(lost.square().mean().sqrt()) < 0.4
        styles = made.styles(w_plus)
        start = made.state(styles, made.feature_size)
        assert torch.allclose(made.synthesis_from_styles(styles, start=start), whole, atol=1e-5)
