"""Gaps between carried hair and another head, which is narrower or wider than the one the hair grew on."""

from __future__ import annotations

import cv2
import numpy as np

from ..compositing.continuation import continue_colours
from ..compositing.face_points import CHIN, EARS, FOREHEAD, MIDLINE
from ..compositing.frame import reflected
from ..compositing.photograph import Photograph
from ..compositing.planes import closed, resized, widened
from ..compositing.skull import Skull
from ..photo.ramp import smoothstep
from .hair_layer import HairLayer

GAP = 0.25
"""Gaps between head and hair up to twice this width show the hair's depth, not the background; in eye distances."""
WIDER = 0.06
"""How much wider than it seemed a head may be, in the same unit."""
ROUNDING = 0.05
"""To which the outline of a gap is rounded, in the same unit."""
DEPTH, FALL = 0.45, 0.06
"""Brightness of that depth relative to the hair's, and within which distance it falls to that."""


def with_gaps_filled(
    base: np.ndarray,
    person: Photograph,
    alpha: np.ndarray,
    hair: HairLayer,
    shape: Skull,
    ears: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """What lies behind the carried hair, with its own dark depth in the gaps between it and the head: [S,S,3].

    base: the person without their hair, whose alpha was ``alpha``.  shape: of their head.  ears: bool [S,S] each, the
    person's own in view, and those that ``base`` has of the hair's donor.
    """
    size = min(person.size, 512)
    scale = size / person.size
    unit = person.eye_distance * scale
    old, new = (resized(plane, size) for plane in (alpha, hair.alpha))
    solid = new > 0.5
    head, _ = shape.surface((size, size), scale)
    right = np.arange(size)[None] > person.mesh[MIDLINE, 0].mean() * scale
    # What lay beside the old hair has been filled in: it is not certain to be the person.
    seen = person.part("skin", "neck", "nose", "mouth", "eyes", "brows", "glasses", size=size)
    free = widened(old > 0.02, 0.03 * unit) < 0.5
    seen = seen * free
    head = head * (1 - free * person.part("background", size=size))
    mine, theirs = ears
    mine = mine & (np.abs(base - person.image).max(2) < 0.1)  # what went with the hair is no ear
    mine, theirs = (resized(ears, size) for ears in (mine, theirs))
    seen = np.max([seen, mine, theirs], 0)
    body = np.maximum(head, seen) > 0.5
    # A gap is what a disc cannot enter between the two; it has hair on its outer side and the head on its inner side.
    across = np.where(right, _since(solid, -1) + _since(body), _since(solid) + _since(body, -1)) < 2.5 * GAP * unit
    whole, *each = (closed(mask, GAP * unit) > 0.5 for mask in (solid | body, solid, body))
    apart = np.logical_or(*each)
    middle, down = person.mesh[EARS, :2].mean(0) * scale, person.mesh[CHIN, :2] - person.mesh[FOREHEAD, :2]
    y, x = np.mgrid[:size, :size]
    below = ((x - middle[0]) * down[0] + (y - middle[1]) * down[1]) / np.linalg.norm(down) / unit
    near = whole & (across | ~apart)
    near &= cv2.distanceTransform(np.uint8(~solid), cv2.DIST_L2, 5) < GAP * unit
    reach = 0.7 + 0.8 * smoothstep(below, -0.4, 0.4)
    near &= cv2.distanceTransform(np.uint8(~body), cv2.DIST_L2, 5) < reach * GAP * unit
    # Where the reference shows skin there, the head is wider than it seemed.
    skin = near & ~body & (hair.donor.part("skin", size=size) > 0.5) & hair.faces
    skin &= cv2.distanceTransform(np.uint8(~body), cv2.DIST_L2, 5) < WIDER * unit
    skin &= below < 0  # there it may be a hand or a shoulder
    _, pieces = cv2.connectedComponents(np.uint8(near & (widened(body, 1.5) < 0.5) & ~skin))
    # the hair's depth begins at the hair
    apart = ~np.isin(pieces, pieces[widened(solid, max(1.5, ROUNDING * unit)) > 0.5])
    near &= widened(apart, 2) < 0.5
    # cuts and steps are rounded; over the hair and the head it goes on, where it is not seen
    inner = np.float32((near | body | solid) & ~skin)
    inner = smoothstep(cv2.GaussianBlur(inner, (0, 0), ROUNDING * unit), 0.35, 0.65)
    gap = inner * widened(near & ~body & ~skin, ROUNDING * unit)
    gap = cv2.GaussianBlur(gap, (0, 0), max(0.01 * unit, 0.5))
    gap *= np.clip((0.95 - cv2.GaussianBlur(np.maximum(head, seen), (0, 0), 0.7)) / 0.5, 0, 1)
    (deep,) = reflected(solid, resized(hair.colours, size))
    away = cv2.distanceTransform(np.uint8(~solid), cv2.DIST_L2, 5) / unit
    deep = deep * (DEPTH + (1 - DEPTH) * np.exp(-away / FALL))[..., None]
    skin = cv2.GaussianBlur(widened(skin, 0.03 * unit), (0, 0), max(0.5, 0.02 * unit)) * (seen < 0.5)
    low = cv2.GaussianBlur(resized(base, size), (0, 0), size / 200)
    side = 2 * round(0.03 * unit) + 1
    low = continue_colours(low, cv2.erode(np.float32(head > 0.9), np.ones((side, side))))
    for cover, colours in ((gap, deep), (skin, low)):
        cover, colours = (resized(plane, len(base)) for plane in (cover, colours))
        base = base + cover[..., None] * (colours - base)
    return base


def _since(mask: np.ndarray, step: int = 1) -> np.ndarray:
    """Pixels since the mask's last one along each row, from the left (step 1) or from the right (-1): float32."""
    columns = np.arange(mask.shape[1])[None]
    last = np.maximum.accumulate(np.where(mask[:, ::step], columns, -mask.shape[1]), axis=1)
    return np.float32(columns - last)[:, ::step]
