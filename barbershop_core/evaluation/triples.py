"""Held-out triples of the portrait world and the rendered truth of their transfer."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ..editing.regions import FACE, REGIONS, region_index, region_table
from ..errors import BadRequest
from ..world import params
from ..world.render import Rendering, render

FIRST_SEED = 700_000
"""Training pools are drawn from seeds below it and from 900,000 on."""

LARGEST = 256  # px of a render; larger packs read it enlarged, as they would a small photo


@dataclass(frozen=True)
class Triple:
    """A (the person), B (the hair's shape), C (its colour), and A with both."""

    face: Rendering
    shape: Rendering
    colour: Rendering
    truth: Rendering

    @property
    def regions(self) -> np.ndarray:
        """The truth's regions, uint8 [R,R], indices into ``barbershop.regions.REGIONS``."""
        return np.asarray(region_table("celebamask19"), np.uint8)[self.truth.labels]

    @property
    def hair(self) -> np.ndarray:
        """bool [R,R]: the truth's hair."""
        return self.regions == region_index("hair")

    @property
    def face_area(self) -> np.ndarray:
        """bool [R,R]: where the truth shows skin, brows, eyes, glasses, nose or mouth."""
        return np.isin(self.regions, [REGIONS.index(name) for name in FACE])


def png(picture: np.ndarray) -> bytes:
    """uint8 [H,W,3] as a file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def edited(face: np.ndarray, shape: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Parameters [P] of ``face`` with the hair's shape and colour of the others."""
    p = face.copy()
    for group, source in (("hair_shape", shape), ("hair_color", colour)):
        p[params.indices(group)] = source[params.indices(group)]
    return p


def triples(count: int, seed: int, size: int) -> Iterator[Triple]:
    """``count`` triples at ``size`` px (at most ``LARGEST``); a longer list begins with a shorter one's.

    Raises BadRequest for a count below 1 or a negative seed.
    """
    if count < 1 or seed < 0:
        raise BadRequest(
            f"{count} pairs with seed {seed} cannot be drawn.", "Give at least one pair and a seed from 0 on."
        )
    drawn = params.sample(3 * count, FIRST_SEED + seed).reshape(count, 3, -1)
    side = min(size, LARGEST)
    return (Triple(*(render(p, side) for p in (a, b, c, edited(a, b, c)))) for a, b, c in drawn)


def contact_sheet(rows: Sequence[Mapping[str, np.ndarray]], side: int = 160) -> np.ndarray:
    """Pictures of several pairs under their names: rows of uint8 [H,W,3] -> uint8 [H,W,3]."""
    names = list(rows[0])
    sheet = Image.new("RGB", (side * len(names), 16 + side * len(rows)), "white")
    pen = ImageDraw.Draw(sheet)
    for x, name in enumerate(names):
        pen.text((x * side + 4, 2), name, fill="black")
        for y, row in enumerate(rows):
            picture = Image.fromarray(row[name]).resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(picture, (x * side, 16 + y * side))
    return np.asarray(sheet)
