"""Statistics of W for the II2S prior (Zhu et al. 2020, P-norm space; Barbershop section 3.2).

A code w is taken to P by undoing the mapping network's last leaky ReLU, then whitened:
p = (LeakyReLU_5(w) - mean) @ components.T / stdev; likely codes have a small mean square of p.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .errors import WeightCorrupt

SLOPE = 5.0  # inverse of the mapping network's slope 0.2


@dataclass(frozen=True)
class PNorm:
    """mean [D]; components [D,D], a principal axis in each row; stdev [D] along them.  Float32."""

    mean: Tensor
    components: Tensor
    stdev: Tensor

    def to(self, device: torch.device | str) -> PNorm:
        """The same statistics on ``device``."""
        return replace(self, mean=self.mean.to(device), components=self.components.to(device),
                       stdev=self.stdev.to(device))


def from_arrays(arrays: Mapping) -> PNorm:
    """From the published npz (``X_mean``, ``X_comp``, ``X_stdev``) or our file (``mean``, ...).

    Raises WeightCorrupt where names or shapes do not fit.
    """
    names = ("X_mean", "X_comp", "X_stdev") if "X_mean" in arrays else ("mean", "components", "stdev")
    missing = [n for n in names if n not in arrays]
    if missing:
        raise WeightCorrupt(f"The P-norm statistics lack {', '.join(missing)}.", "Fetch the file again.")
    mean, components, stdev = (torch.as_tensor(arrays[n]).to(torch.float32) for n in names)
    mean, stdev = mean.flatten(), stdev.flatten()  # GANSpace stores the mean as a row
    d = mean.numel()
    if components.shape != (d, d) or stdev.shape != (d,) or not bool((stdev > 0).all()):
        raise WeightCorrupt(f"The P-norm statistics do not fit together: mean [{d}], components "
                            f"{list(components.shape)}, stdev {list(stdev.shape)}.", "Fetch the file again.")
    return PNorm(mean, components, stdev)


@torch.no_grad()
def from_generator(generator, samples: int = 100_000, seed: int = 0, batch: int = 4096) -> PNorm:
    """Principal components of LeakyReLU_5(w) over ``samples`` seeded draws of the mapping network.

    generator: has ``style_dim`` and ``mapping(z [B,D]) -> [B,D]``.  Computed on the CPU in float64.
    """
    device = next(generator.parameters()).device
    noise = torch.Generator().manual_seed(seed)
    d = generator.style_dim
    total, square, count = torch.zeros(d, dtype=torch.float64), torch.zeros(d, d, dtype=torch.float64), 0
    while count < samples:
        z = torch.randn(min(batch, samples - count), d, generator=noise).to(device)
        x = torch.nn.functional.leaky_relu(generator.mapping(z).float(), SLOPE).cpu().double()
        total += x.sum(0)
        square += x.T @ x
        count += len(x)
    mean = total / count
    variance, axes = torch.linalg.eigh(square / count - torch.outer(mean, mean))
    variance, axes = variance.flip(0), axes.flip(1)  # largest first
    floor = 1e-8 * variance[0].clamp_min(1e-12)  # directions that the mapping never takes
    return PNorm(mean.float(), axes.T.contiguous().float(), variance.clamp_min(floor).sqrt().float())
