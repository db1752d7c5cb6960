"""Held-out triples of the portrait world and the rendered truth of their transfer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..editing.regions import FACE, REGIONS, region_index, region_table
from ..world import params
from ..world.render import Rendering, render
from .held_out import LARGEST, TRIPLES, checked, held_out


@dataclass(frozen=True)
class Triple:
    """A (the person), B (the hair's shape), C (its colour), and A with both."""

    face: Rendering
    shape: Rendering
    colour: Rendering
    truth: Rendering

    @property
    def regions(self) -> np.ndarray:
        """The truth's regions, uint8 [R,R], indices into ``editing.regions.REGIONS``."""
        return regions_of(self.truth)

    @property
    def hair(self) -> np.ndarray:
        """bool [R,R]: the truth's hair."""
        return self.regions == region_index("hair")

    @property
    def face_area(self) -> np.ndarray:
        """bool [R,R]: where the truth shows skin, brows, eyes, glasses, nose or mouth."""
        return np.isin(self.regions, [REGIONS.index(name) for name in FACE])


def regions_of(rendering: Rendering) -> np.ndarray:
    """A rendering's regions, uint8 [R,R], indices into ``editing.regions.REGIONS``."""
    return np.asarray(region_table("celebamask19"), np.uint8)[rendering.labels]


def edited(face: np.ndarray, shape: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Parameters [P] of ``face`` with the hair's shape and colour of the others."""
    p = face.copy()
    for group, source in (("hair_shape", shape), ("hair_color", colour)):
        p[params.indices(group)] = source[params.indices(group)]
    return p


def triples(count: int, seed: int, size: int) -> Iterator[Triple]:
    """``count`` triples at ``size`` px (at most ``LARGEST``); the first ones do not depend on ``count``.

    Raises BadRequest for a count below 1 or a negative seed.
    """
    checked(count, seed, "pairs")
    side = min(size, LARGEST)
    return (
        Triple(*(render(p, side) for p in (a, b, c, edited(a, b, c)))) for a, b, c in held_out(count, 3, TRIPLES + seed)
    )
