"""How a portrait answers to the rig, measured once, so that it gets what it is asked for.

RigNet was trained on all portraits; at a given one it may turn a head by 8 degrees where 10 were asked
for.  A few small moves are made and looked at; the linear map from theta^tau asked to theta^tau seen that
explains them best, and is near the identity where they say nothing, is then undone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..networks.rignet import RigNet
from .measure import Measure
from .theta import Theta

RIDGE = 0.15
"""Weight of the identity, in shares of the moves' own mean square."""
LOWEST, HIGHEST = 0.6, 1.8
"""What a correction may do to a move's length."""


def probes(name: str, measure: Measure, theta: Theta) -> Tensor:
    """Small moves of theta^tau [K,numbers] around a portrait's own."""
    if name == "pose":
        return torch.cat([k * torch.diag(torch.tensor([0.10, 0.25, 0.06])) for k in (1.0, -1.0)]).to(
            theta.rotation
        )
    if name == "expression":
        own = theta.expression
        return -0.6 * torch.sign(own + 1e-6) * torch.eye(own.shape[1], device=own.device)
    return theta.light[:0]  # three moves say too little about 27 numbers


@torch.no_grad()
def corrections(
    pack, measure: Measure, rig: RigNet, w_plus: Tensor, theta: Theta, batch: int = 4
) -> dict[str, Tensor]:
    """For each tau a matrix [numbers,numbers] that a wanted move is multiplied with."""
    found = {}
    for name in rig.tau:
        moves = probes(name, measure, theta)
        if not len(moves):
            continue
        own = rig(w_plus, name, theta.tau(name)) - w_plus
        seen = []
        for part in moves.split(batch):
            codes = rig(w_plus.expand(len(part), -1, -1), name, theta.tau(name) + part) - own
            image = pack.generator.synthesis(codes, resolution=pack.working_size).clamp(-1, 1)
            seen.append(measure(image).theta.tau(name) - theta.tau(name))
        found[name] = inverse_of(moves, torch.cat(seen))
    return found


def inverse_of(asked: Tensor, seen: Tensor) -> Tensor:
    """The matrix that undoes the linear map from moves asked [K,N] to moves seen [K,N] (rows)."""
    numbers, eye = asked.shape[1], torch.eye(asked.shape[1]).to(asked)
    scale = asked.square().mean(0).sqrt().clamp_min(1e-3 * float(asked.abs().max()) + 1e-9)
    a, b = asked / scale, seen / scale
    weight = RIDGE * float(a.square().sum()) / numbers
    slope = torch.linalg.solve(a.T @ a + weight * eye, a.T @ b + weight * eye)
    back = torch.linalg.pinv(slope, rtol=0.2)
    sizes = torch.linalg.norm(back, dim=1)
    back = back * (sizes.clamp(LOWEST, HIGHEST) / sizes.clamp_min(math.sqrt(1e-12)))[:, None]
    return back * scale / scale[:, None]
