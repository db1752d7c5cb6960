"""The hair part of a move in W: a matrix for ``barbershop.hair_code``, fitted to the world's own edits.

The code of any world portrait is known: of a portrait, of another one, and of the first with the second's
hair.  Ridge regression from the whole move to the hair's move gives the matrix in closed form.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..networks.stylegan2 import Generator
from ..world import params

RIDGE = 10.0


def fit(g: Generator, count: int = 20_000) -> tuple[Tensor, float]:
    """The matrix [D,D], and the share of the hair's moves that it explains for held-out portraits."""
    moves, hair = _moves(g, count, 800_000)
    matrix = torch.linalg.solve(moves.T @ moves + RIDGE * torch.eye(moves.shape[1]), moves.T @ hair)
    moves, hair = _moves(g, 2_000, 810_000)
    return matrix, 1 - ((moves @ matrix - hair).square().sum() / hair.square().sum()).item()


@torch.no_grad()
def _moves(g: Generator, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Moves in W [N,D]: to another portrait, and to the same portrait with the other's hair."""
    person, other = params.sample(count, seed), params.sample(count, seed + 1)
    edited = person.copy()
    hair = params.indices("hair_shape")
    edited[:, hair] = other[:, hair]
    w, w_other, w_edited = (g.mapping(torch.from_numpy(params.to_z(p, g.z_dim))) for p in (person, other, edited))
    return w_other - w, w_edited - w
