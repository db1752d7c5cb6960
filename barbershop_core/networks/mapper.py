"""StyleCLIP's latent mapper (Patashnik et al. 2021, section 5), in the layout of its checkpoints.

Published files spell the coarse level "course_mapping" and contain the whole generator as "decoder.*",
which is ignored here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from . import layout
from .stylegan2_layers import EqualLinear

WHAT = "latent mapper"
ROWS = {"coarse": slice(0, 4), "medium": slice(4, 8), "fine": slice(8, None)}
"""The rows of W+ of each level."""
MODULES = {"coarse": "course_mapping", "medium": "medium_mapping", "fine": "fine_mapping"}
"""Each level's module, by its published name."""
LEVELS = {MODULES[level]: rows for level, rows in ROWS.items()}
"""The rows of W+ that each module maps."""
SINGLE = ("mapping",)
"""Levels of a mapper that maps all rows alike."""
LAYERS, LR = 4, 0.01
"""Linear layers of a level, and the factor of their learning rate."""


class PixelNorm(nn.Module):
    """[B,K,D] divided by its root mean square over dimension 1 (as published: the rows, not the channels)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class Level(nn.Module):
    """Pixel norm and four linear layers: rows [B,K,D] -> their change [B,K,D]."""

    def __init__(self, width: int):
        super().__init__()
        layers = (EqualLinear(width, width, lr=LR, activate=True) for _ in range(LAYERS))
        self.mapping = nn.Sequential(PixelNorm(), *layers)

    def forward(self, rows: Tensor) -> Tensor:
        return self.mapping(rows)


class Mapper(nn.Module):
    """W+ [B,L,D] -> its change M(w), same shape; the edit is w + 0.1 M(w) (section 5).

    levels: modules in ``LEVELS``, rows of other levels do not change; or ``SINGLE``.
    """

    def __init__(self, width: int, levels: tuple[str, ...] = tuple(LEVELS)):
        super().__init__()
        self.width, self.levels = width, tuple(levels)
        for name in self.levels:
            self.add_module(name, Level(width))

    def forward(self, w_plus: Tensor, levels: Collection[str] = tuple(ROWS)) -> Tensor:
        """levels: "coarse", "medium", "fine"; rows of those left out do not change.

        Raises ValueError for codes of another D.
        """
        if w_plus.shape[-1] != self.width:
            raise ValueError(f"the mapper is for codes of {self.width} numbers, not {w_plus.shape[-1]}")
        whole = self.mapping(w_plus) if self.levels == SINGLE else None
        parts = []
        for level, rows in ROWS.items():
            part, module = w_plus[:, rows], MODULES[level]
            if level not in levels or (whole is None and module not in self.levels):
                parts.append(torch.zeros_like(part))
            else:
                parts.append(getattr(self, module)(part) if whole is None else whole[:, rows])
        return torch.cat(parts, 1)


def from_state(checkpoint: Any) -> Mapper:
    """A mapper from a published checkpoint or a state dict; levels and width are read from the weights.

    Raises errors.WeightCorrupt for anything else.
    """
    state = layout.state_of(checkpoint, WHAT, "mapper.")
    levels = tuple(name for name in LEVELS if f"{name}.mapping.1.weight" in state) or SINGLE
    width = layout.shape_of(state, f"{levels[0]}.mapping.1.weight", WHAT, 2)[1]
    return layout.build(lambda: Mapper(width, levels), state, WHAT)
