"""Held-out portraits of the world with what they look like in another one's pose, expression or light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..face3d.theta import TAU
from ..world import params
from ..world.render import Rendering, render
from .held_out import LARGEST, POSES, checked, held_out


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
    checked(count, seed, "portraits")
    side, found = min(size, LARGEST), []
    for own, other in held_out(count, 2, POSES + seed):
        truth = {}
        for tau in TAU:
            p = own.copy()
            p[params.indices(tau)] = other[params.indices(tau)]
            truth[tau] = (p, render(p, side))
        found.append(Case(own, render(own, side), truth))
    return found
