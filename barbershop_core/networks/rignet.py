"""RigNet: a latent code and a pose, expression or light -> the code edited to show it.

Tewari et al., "StyleRig" (CVPR 2020), section 4.2: for each row of W+ a linear encoder maps the row to 32
numbers, and a decoder maps these and theta^tau to an offset of that row, w' = w + d.  Each tau has its own
network.  The article's layers are linear with ELUs; ours has one hidden layer in the decoder.  All sizes
are read from the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import layout

WHAT = "rig of a generator (RigNet)"
ENCODED = 32  # numbers that encode a row (StyleRig)


class Rows(nn.Module):
    """A separate linear layer for each of L rows: [B,L,I] -> [B,L,O]."""

    def __init__(self, rows: int, inputs: int, outputs: int, gain: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(rows, inputs, outputs) * (gain / inputs**0.5))
        self.bias = nn.Parameter(torch.zeros(rows, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bli,lio->blo", x, self.weight) + self.bias


class TauNet(nn.Module):
    """The rig of one tau of ``numbers`` numbers; see the module.

    The buffers ``mean``, ``std`` [numbers] hold the statistics of theta^tau over generated portraits.
    """

    def __init__(self, rows: int, style_dim: int, numbers: int, encoded: int = ENCODED, hidden: int = 96):
        super().__init__()
        self.encoder = Rows(rows, style_dim, encoded)
        self.hidden = Rows(rows, encoded + numbers, hidden)
        self.decoder = Rows(rows, hidden, style_dim, gain=0.01)  # starts close to no change
        self.straight = Rows(rows, encoded + numbers, style_dim, gain=0.01)
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("std", torch.ones(numbers))

    def forward(self, rows: Tensor, tau: Tensor) -> Tensor:
        """Standardized rows [B,L,D] and theta^tau [B,numbers] -> standardized offsets [B,L,D]."""
        encoded = F.elu(self.encoder(rows))
        wanted = ((tau - self.mean) / self.std)[:, None].expand(-1, rows.shape[1], -1)
        both = torch.cat([encoded, wanted], 2)
        return self.decoder(F.elu(self.hidden(both))) + self.straight(both)


class RigNet(nn.Module):
    """The rig of a generator with ``n_latent`` rows of ``style_dim``.

    sizes: number of values of each tau ("pose", "expression", "light").
    The buffers ``w_mean``, ``w_std`` [D] standardize W.
    """

    def __init__(
        self, n_latent: int, style_dim: int, sizes: Mapping[str, int], encoded: int = ENCODED, hidden: int = 96
    ):
        super().__init__()
        self.n_latent, self.style_dim = n_latent, style_dim
        self.tau = nn.ModuleDict(
            {name: TauNet(n_latent, style_dim, numbers, encoded, hidden) for name, numbers in sizes.items()}
        )
        self.register_buffer("w_mean", torch.zeros(style_dim))
        self.register_buffer("w_std", torch.ones(style_dim))

    @property
    def sizes(self) -> dict[str, int]:
        """Number of values of each tau."""
        return {name: len(net.mean) for name, net in self.tau.items()}

    def forward(self, w_plus: Tensor, name: str, tau: Tensor) -> Tensor:
        """RigNet(w, theta^tau): [B,L,D] and [B,numbers] -> [B,L,D]."""
        rows = (w_plus - self.w_mean) / self.w_std
        return w_plus + self.tau[name](rows, tau) * self.w_std


def from_state(checkpoint: Any) -> RigNet:
    """A rig from a state dict.  Raises errors.WeightCorrupt for anything else."""
    state = layout.state_of(checkpoint, WHAT)
    names = sorted({key.split(".")[1] for key in state if key.startswith("tau.") and key.count(".") > 1})
    if not names:
        raise layout.wrong(WHAT, "they have no 'tau'")
    sizes = {name: layout.shape_of(state, f"tau.{name}.mean", WHAT, 1)[0] for name in names}
    rows, style_dim, encoded = layout.shape_of(state, f"tau.{names[0]}.encoder.weight", WHAT, 3)
    hidden = layout.shape_of(state, f"tau.{names[0]}.decoder.weight", WHAT, 3)[1]
    return layout.build(lambda: RigNet(rows, style_dim, sizes, encoded, hidden), state, WHAT)
