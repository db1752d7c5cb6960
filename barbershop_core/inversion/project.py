"""Projecting: one pass of the pack's encoder, immediate and a little soft.

Tov et al. (e4e) predict W+; Barbershop embeds by optimization instead (:mod:`.embed`), for which
this is the start.
"""

from __future__ import annotations

import torch

from .codes import Code


@torch.no_grad()
def project(pack, images: torch.Tensor) -> torch.Tensor:
    """W+ codes of aligned portraits.

    images: [B,3,H,W] RGB in [-1,1].  Returns [B,L,D]; the generator's mean W in every row where the
    pack has no encoder.
    """
    generator = pack.generator
    rows = mean_code(generator).expand(len(images), -1, -1)
    if pack.encoder is None:
        return rows.clone()
    w_plus = pack.encoder(images)
    if w_plus.shape[1] < rows.shape[1]:  # an encoder for a smaller generator: its last row goes on
        w_plus = torch.cat([w_plus, w_plus[:, -1:].expand(-1, rows.shape[1] - w_plus.shape[1], -1)], 1)
    return w_plus[:, : rows.shape[1]].contiguous()


def mean_code(generator) -> torch.Tensor:
    """The mean W in every row, [1,L,D]."""
    mean = generator.w_mean
    return mean.reshape(1, -1, mean.shape[-1])[:, :1].expand(1, generator.n_latent, -1).contiguous()


def project_codes(pack, images: torch.Tensor) -> list[Code]:
    """The same as a list of codes, one an image."""
    return [Code("W+", row[None]) for row in project(pack, images)]
