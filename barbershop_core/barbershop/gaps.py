"""Gaps between carried hair and another head, which is narrower or wider than the one the hair grew on."""

from __future__ import annotations

import cv2
import numpy as np

from ..compositing.continuation import continue_colours
from ..compositing.ears import LEAST_AREA
from ..compositing.frame import reflected
from ..compositing.motion import CHIN, EARS, FOREHEAD
from ..compositing.photograph import Photograph
from ..compositing.skull import skull
from .hair_layer import MIDLINE, HairLayer

GAP = 0.25
"""Gaps between head and hair up to twice this width show the hair's depth, not the background; in eye distances."""
DEPTH, FALL = 0.45, 0.06
"""Brightness of that depth relative to the hair's, and within which distance it falls to that."""


def with_gaps_filled(base: np.ndarray, person: Photograph, alpha: np.ndarray, hair: HairLayer) -> np.ndarray:
    """What lies behind the carried hair, with its own dark depth in the gaps between it and the head: [S,S,3].

    base: the person without their hair, whose alpha was ``alpha``.
    """
    size = min(person.size, 512)
    scale = size / person.size
    unit = person.eye_distance * scale
    old, new = (cv2.resize(plane, (size, size), interpolation=cv2.INTER_AREA) for plane in (alpha, hair.alpha))
    solid = new > 0.5
    shape = skull(person)
    head, _ = shape.surface((size, size), scale)
    right = np.arange(size)[None] > person.mesh[MIDLINE, 0].mean() * scale
    # What lay beside the old hair has been filled in: it is not certain to be the person.
    seen = person.part("skin", "neck", "nose", "ears", size=size) * (cv2.dilate(old, np.ones((9, 9))) < 0.02)
    ears = (hair.donor.part("ears", size=size) > 0.7) * (hair.donor.part("hair", size=size) < 0.5)
    for side in (right, ~right):  # slivers of ears are not borrowed
        seen = np.maximum(seen, ears * side * ((ears * side).sum() > LEAST_AREA * (shape.centimetre * scale) ** 2))
    body = np.maximum(head, seen) > 0.5
    # A gap has hair on its outer side and the head on its inner side, both near.
    near = np.where(right, _since(solid, -1) + _since(body), _since(solid) + _since(body, -1)) < 2.5 * GAP * unit
    ears, down = person.mesh[list(EARS), :2].mean(0) * scale, person.mesh[CHIN, :2] - person.mesh[FOREHEAD, :2]
    y, x = np.mgrid[:size, :size]
    below = (x - ears[0]) * down[0] + (y - ears[1]) * down[1] > 0
    near &= cv2.distanceTransform(np.uint8(~solid), cv2.DIST_L2, 5) < GAP * unit
    near &= cv2.distanceTransform(np.uint8(~body), cv2.DIST_L2, 5) < np.where(below, 1.5, 0.7) * GAP * unit
    # Where the reference shows skin there, the head is wider than it seemed.
    skin = near & ~body & (hair.donor.part("skin", size=size) > 0.5) & hair.faces
    skin &= ~below  # there it may be a hand or a shoulder
    gap = cv2.dilate(np.float32(near & ~body & ~skin), np.ones((7, 7)))
    gap = cv2.GaussianBlur(gap, (0, 0), max(0.02 * unit, 0.5))
    gap *= np.clip((0.95 - cv2.GaussianBlur(np.maximum(head, seen), (0, 0), 0.7)) / 0.5, 0, 1)
    (deep,) = reflected(solid, cv2.resize(hair.colours, (size, size), interpolation=cv2.INTER_AREA))
    away = cv2.distanceTransform(np.uint8(~solid), cv2.DIST_L2, 5) / unit
    deep = deep * (DEPTH + (1 - DEPTH) * np.exp(-away / FALL))[..., None]
    skin = cv2.GaussianBlur(cv2.dilate(np.float32(skin), np.ones((9, 9))), (0, 0), size / 300) * (seen < 0.5)
    low = cv2.GaussianBlur(cv2.resize(base, (size, size), interpolation=cv2.INTER_AREA), (0, 0), size / 200)
    side = 2 * round(0.03 * unit) + 1
    low = continue_colours(low, cv2.erode(np.float32(head > 0.9), np.ones((side, side))))
    for cover, colours in ((gap, deep), (skin, low)):
        cover, colours = (cv2.resize(plane, base.shape[1::-1]) for plane in (cover, colours))
        base = base + cover[..., None] * (colours - base)
    return base


def _since(mask: np.ndarray, step: int = 1) -> np.ndarray:
    """Pixels since the mask's last one along each row, from the left (step 1) or from the right (-1): float32."""
    columns = np.arange(mask.shape[1])[None]
    last = np.maximum.accumulate(np.where(mask[:, ::step], columns, -mask.shape[1]), axis=1)
    return np.float32(columns - last)[:, ::step]
