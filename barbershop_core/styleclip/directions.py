"""Global directions: a text's direction in CLIP space as a direction of style channels (section 6).

Only the arithmetic, on tensors: relevance of each channel, threshold beta, strength alpha.  Channels are
those of the convolutions, in order; to-RGB layers are left out, as published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import WeightCorrupt

RGB_STEP = 3
"""Every third style vector, from the second, belongs to a to-RGB layer."""


def convolutions(count: int) -> list[int]:
    """Indices of the convolutions among ``count`` style vectors (see ``Generator.styles``)."""
    return [k for k in range(count) if k % RGB_STEP != 1]


@dataclass(frozen=True)
class Table:
    """Delta i_c and the statistics of S, of one generator and one CLIP.

    change: float32 [N,E], unit rows: the direction in which CLIP's image embedding moves when channel c
        grows.  It may cover only the first layers (N below the number of channels).
    std: float32 [M], standard deviation of every style channel, to-RGB layers included.
    widths: channels of each style vector.
    scale: factor of thresholds, for tables whose relevances have another spread than published ones.
    """

    change: Tensor
    std: Tensor
    widths: tuple[int, ...]
    scale: float = 1.0

    def to(self, device: torch.device | str) -> Table:
        """The same table on another device."""
        return replace(self, change=self.change.to(device), std=self.std.to(device))


def text_direction(target: Tensor, neutral: Tensor) -> Tensor:
    """Delta t, unit vector [E], from CLIP's features of the templates with the target and with the neutral
    text, each [T,E], rows of any length."""
    ends = [F.normalize(F.normalize(f.float(), dim=-1).mean(0), dim=-1) for f in (target, neutral)]
    return F.normalize(ends[0] - ends[1], dim=-1)


def image_directions(down: Tensor, up: Tensor) -> Tensor:
    """Delta i_c, [N,E] unit rows, from CLIP's features [N,images,E] with the channel lowered and raised."""
    change = F.normalize(F.normalize(up.float(), dim=-1) - F.normalize(down.float(), dim=-1), dim=-1)
    return F.normalize(change.mean(1), dim=-1)


def channel_weights(table: Table, direction: Tensor, beta: float) -> Tensor:
    """How far each channel moves, [N] in -1..1: its relevance, or 0 where that is below ``beta`` (times the table's
    scale), divided by the largest.  All zero if no channel reaches it."""
    relevance = table.change @ direction
    kept = torch.where(relevance.abs() < beta * table.scale, torch.zeros_like(relevance), relevance)
    return kept / kept.abs().max().clamp_min(1e-12)


def boundary(table: Table, weights: Tensor) -> Tensor:
    """The change of S for alpha = 1, [M]: weights [N] of the convolutions' channels times their standard
    deviations; to-RGB layers, and layers that the table does not cover, stay."""
    out = torch.zeros_like(table.std)
    place, taken = 0, 0
    for k, width in enumerate(table.widths):
        if k % RGB_STEP != 1 and taken < len(weights):
            part = weights[taken : taken + width]
            out[place : place + len(part)] = part * table.std[place : place + len(part)]
            taken += width
        place += width
    return out


def from_arrays(change: Any, statistics: Any, widths: Sequence[int] | None = None) -> Table:
    """A table from stored arrays.

    change: fs3, [N,E].  statistics: [M] standard deviations, or StyleCLIP's ``S_mean_std``, two lists
        (means, standard deviations) of an array per layer, which also give the widths.
    widths: channels of each style vector, for statistics of the first form.
    Raises errors.WeightCorrupt if they do not fit each other.
    """
    if isinstance(statistics, (list, tuple)) and len(statistics) == 2:
        layers = [torch.as_tensor(x).flatten().float() for x in statistics[1]]
        std, widths = torch.cat(layers), [len(x) for x in layers]
    else:
        std = torch.as_tensor(statistics).float()
    change, widths = torch.as_tensor(change).float(), tuple(int(w) for w in widths or ())
    most = sum(widths[k] for k in convolutions(len(widths)))
    if change.ndim != 2 or sum(widths) != len(std) or not 0 < len(change) <= most:
        raise WeightCorrupt(
            "The table of directions and the statistics of styles do not fit each other.",
            "Compute them again: python -m barbershop_core directions precompute.",
        )
    return Table(F.normalize(change, dim=-1), std, widths)


def from_state(state: Mapping[str, Tensor]) -> Table:
    """A table as ``directions precompute`` stores it: "change", "std", "widths" and perhaps "scale".

    Raises errors.WeightCorrupt for anything else.
    """
    if not {"change", "std", "widths"} <= set(state):
        raise WeightCorrupt("This file holds no table of directions.")
    table = from_arrays(state["change"], state["std"], state["widths"].tolist())
    return replace(table, scale=float(state.get("scale", 1.0)))
