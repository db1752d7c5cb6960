"""Held-out portraits of the world with what they look like in another one's pose, expression or light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import BadRequest
from ..face3d.theta import TAU
from ..world import params
from ..world.render import Rendering, render
from .triples import LARGEST

FIRST_SEED = 740_000
"""Seeds of training pools lie below 700,000 or from 900,000 on."""


@dataclass(frozen=True)
class Case:
    """A portrait and what it looks like with the pose, expression or light of another, by tau."""

    p: np.ndarray
    face: Rendering
    truth: dict[str, tuple[np.ndarray, Rendering]]


def cases(count: int, seed: int, size: int) -> list[Case]:
    """``count`` cases; the first ones do not depend on ``count``.

    Raises BadRequest for a count below 1 or a negative seed.
    """
    if count < 1 or seed < 0:
        raise BadRequest(
            f"{count} portraits with seed {seed} cannot be drawn.", "Give at least one portrait and a seed from 0 on."
        )
    drawn = params.sample(2 * count, FIRST_SEED + seed).reshape(count, 2, -1)
    side, found = min(size, LARGEST), []
    for own, other in drawn:
        truth = {}
        for tau in TAU:
            p = own.copy()
            p[params.indices(tau)] = other[params.indices(tau)]
            truth[tau] = (p, render(p, side))
        found.append(Case(own, render(own, side), truth))
    return found
