"""The first nine spherical harmonics, and light as coefficients of them.

Irradiance on a diffuse surface is, within a few percent, a linear combination of these nine functions of the
normal (Ramamoorthi and Hanrahan 2001).  PIE's theta has nine coefficients for each colour.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

NORMS = (
    0.5 / math.sqrt(math.pi),
    math.sqrt(0.75 / math.pi),
    math.sqrt(3.75 / math.pi),
    math.sqrt(0.3125 / math.pi),
    math.sqrt(0.9375 / math.pi),
)
LOBE = (math.pi,) + (2 * math.pi / 3,) * 3 + (math.pi / 4,) * 5
"""Factors of the clamped cosine for each coefficient (Ramamoorthi and Hanrahan, equation 8)."""


def basis(normal: Tensor) -> Tensor:
    """Orthonormal real harmonics at unit normals: [..., 3] -> [..., 9].

    Order: 1, y, z, x, xy, yz, 3z^2-1, xz, x^2-y^2.
    """
    x, y, z = normal.unbind(-1)
    c0, c1, c2, c20, c22 = NORMS
    return torch.stack(
        [
            torch.full_like(x, c0),
            c1 * y,
            c1 * z,
            c1 * x,
            c2 * x * y,
            c2 * y * z,
            c20 * (3 * z * z - 1),
            c2 * x * z,
            c22 * (x * x - y * y),
        ],
        -1,
    )


def lamp(direction: Tensor) -> Tensor:
    """Irradiance of a distant lamp towards unit ``direction`` [..., 3], of strength 1 where the surface
    faces it: coefficients [..., 9]."""
    return basis(direction) * torch.tensor(LOBE, dtype=direction.dtype, device=direction.device)
