"""Losses that keep a code close to where it started, or to likely codes.

The P-norm of II2S (Zhu et al., "Improved StyleGAN Embedding: Where are the Good Latents?", 2020,
equation 2; Barbershop uses it with weight 0.001): the mapping network ends in a leaky ReLU of slope
0.2; once that is undone, W is nearly Gaussian, and the squared Mahalanobis distance measures how unlikely
a code is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import WeightCorrupt


class PNorm(nn.Module):
    """Statistics of W before the leaky ReLU, and the distance that they define.

    mean [D]; components [D,D], rows are the principal axes; stdev [D] along them.
    """

    mean: Tensor
    components: Tensor
    stdev: Tensor

    def __init__(self, mean: Tensor, components: Tensor, stdev: Tensor):
        super().__init__()
        width = mean.shape[-1]
        if mean.shape != (width,) or components.shape != (width, width) or stdev.shape != (width,):
            raise WeightCorrupt(
                f"The P-norm statistics have the shapes {list(mean.shape)}, {list(components.shape)} and "
                f"{list(stdev.shape)}, which don't belong together.",
                "Use the file that the pack's manifest names, or download it again.",
            )
        for name, value in (("mean", mean), ("components", components), ("stdev", stdev)):
            self.register_buffer(name, value.detach().float().clone())

    def project(self, w: Tensor) -> Tensor:
        """[..., D] codes -> whitened codes of the same shape (P_N space)."""
        return (F.leaky_relu(w, 5.0) - self.mean) @ self.components.T / self.stdev

    def forward(self, w: Tensor) -> Tensor:
        """[B,L,D] or [B,D] codes -> mean square of the whitened code [B]; about 1 for codes of the
        mapping network.  Multiply with the weight (0.001)."""
        return self.project(w).square().flatten(1).mean(1)

    def unproject(self, whitened: Tensor) -> Tensor:
        """Inverse of ``project``."""
        return F.leaky_relu(whitened * self.stdev @ self.components + self.mean, 0.2)

    @classmethod
    def fit(cls, w: Tensor, floor: float = 1e-3) -> PNorm:
        """Statistics of samples [N,D] of the mapping network, N well above D.

        floor: smallest standard deviation, as a share of the largest; without it, axes along which W does
        not vary would allow no change at all.
        """
        x = F.leaky_relu(w.detach().cpu().double(), 5.0)
        mean = x.mean(0)
        variance, axes = torch.linalg.eigh(torch.cov((x - mean).T))
        stdev = variance.clamp_min(0).sqrt().flip(0)
        return cls(mean, axes.T.flip(0), stdev.clamp_min(floor * float(stdev[0])))


def from_arrays(arrays: Mapping[str, Any]) -> PNorm:
    """Statistics from named arrays or tensors: ``X_mean, X_comp, X_stdev`` as in the published
    ``ffhq_PCA.npz``, or ``mean, components, stdev``.

    Raises errors.WeightCorrupt if they are missing or don't fit together.
    """
    for names in (("X_mean", "X_comp", "X_stdev"), ("mean", "components", "stdev")):
        if all(n in arrays for n in names):
            values = [arrays[n] for n in names]
            return PNorm(*[v if isinstance(v, Tensor) else torch.from_numpy(np.asarray(v, np.float32)) for v in values])
    raise WeightCorrupt(
        "This file holds no P-norm statistics (mean, components, standard deviations).",
        "Use the file that the pack's manifest names, or download it again.",
    )


def feature_drift(feature: Tensor, start: Tensor) -> Tensor:
    """Mean squared distance [B] of F [B,C,h,w] from its initial value (Barbershop, section 3.3; cal_l_F in the
    authors' models/Net.py, which their embedding does not call)."""
    return (feature - start).square().flatten(1).mean(1)
