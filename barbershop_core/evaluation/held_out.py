"""Portraits of the world that no training saw, for the tables."""

from __future__ import annotations

import numpy as np

from ..errors import BadRequest
from ..world import params

TRIPLES, WORDS, POSES = 700_000, 720_000, 740_000
"""First seed of each table; those of training pools lie below 700,000 or from 900,000 on."""
LARGEST = 256
"""Pixels of a rendering; larger packs enlarge it, as they would a small photo."""


def checked(count: int, seed: int, what: str) -> None:
    """Raises BadRequest for a count below 1 or a negative seed.  what: is drawn, in the plural ("portraits")."""
    if count < 1 or seed < 0:
        raise BadRequest(
            f"{count} {what} with seed {seed} cannot be drawn.", f"Give a number of {what} from 1 and a seed from 0 on."
        )


def held_out(count: int, each: int, seed: int) -> np.ndarray:
    """Parameters [count,each,P] of portraits; the first ones do not depend on ``count``."""
    return params.sample(each * count, seed).reshape(count, each, -1)
