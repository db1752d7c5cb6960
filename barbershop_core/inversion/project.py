"""Projection: one pass of the pack's encoder (e4e, Tov et al. 2021), which predicts W+.

It is fast but loses detail; :mod:`.embed` continues from it by optimization, as Barbershop does.
"""

from __future__ import annotations

import torch

from ..protocols import PackLike


@torch.no_grad()
def project(pack: PackLike, images: torch.Tensor) -> torch.Tensor:
    """W+ codes of aligned portraits.

    images: [B,3,H,W] RGB in [-1,1].  Returns [B,L,D]; the mean W in every row if the pack has no encoder, from
    which W+ is far (`inversion_presets.InversionPreset.without_encoder`).
    """
    generator = pack.generator
    rows = mean_code(generator).expand(len(images), -1, -1)
    if pack.encoder is None:
        return rows.clone()
    w_plus = pack.encoder(images)
    if w_plus.shape[1] < rows.shape[1]:  # an encoder for a smaller generator: its last row is repeated
        w_plus = torch.cat([w_plus, w_plus[:, -1:].expand(-1, rows.shape[1] - w_plus.shape[1], -1)], 1)
    return w_plus[:, : rows.shape[1]].contiguous()


def mean_code(generator) -> torch.Tensor:
    """The mean W in every row, [1,L,D]."""
    mean = generator.w_mean
    return mean.reshape(1, -1, mean.shape[-1])[:, :1].expand(1, generator.n_latent, -1).contiguous()
