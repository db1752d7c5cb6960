"""Which part of a move in W is hair: a matrix for ``barbershop.pose.lend``, from the world's own edits.

The world knows the code of a portrait, of another one, and of the first with the second's hair.  Ridge
regression of the one move on the other gives the matrix in closed form.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..networks.stylegan2 import Generator
from ..world import params

RIDGE = 10.0


def _edits(g: Generator, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Moves in W [N,D]: to another portrait, and to that portrait's hair alone."""
    person, other = params.sample(count, seed), params.sample(count, seed + 1)
    dressed = person.copy()
    hair = params.indices("hair_shape")
    dressed[:, hair] = other[:, hair]
    with torch.no_grad():
        w, w_other, w_dressed = (
            g.mapping(torch.from_numpy(params.to_z(p, g.z_dim))) for p in (person, other, dressed)
        )
    return w_other - w, w_dressed - w


def lending(g: Generator, count: int = 20_000) -> tuple[Tensor, float]:
    """The matrix [D,D], and the share of hair's moves in W that it explains for other portraits."""
    moves, hair = _edits(g, count, 800_000)
    matrix = torch.linalg.solve(moves.T @ moves + RIDGE * torch.eye(moves.shape[1]), moves.T @ hair)
    moves, hair = _edits(g, 2_000, 810_000)
    return matrix, 1 - ((moves @ matrix - hair).square().sum() / hair.square().sum()).item()
