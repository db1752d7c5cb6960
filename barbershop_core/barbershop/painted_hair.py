"""Carried hair within a painted outline: cut off where the mask shows none, continued where it shows more."""

from __future__ import annotations

import cv2
import numpy as np

from ..compositing.frame import reflected
from ..compositing.planes import resized

SOFT = 0.006
"""Softness of a painted outline, as a share of the picture's side."""
REACH = 10
"""px of `SIDE` by which a repainted area takes in the strands around it."""
SIDE = 512
"""px at which hair is continued into what was painted."""


def within(colours: np.ndarray, alpha: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hair as a layer, colours [S,S,3] and alpha [S,S], within the painted area ``wanted``, bool [h,w].

    Where mask and hair agree, its alpha stays; elsewhere the painted outline, softened, is the hair's.  Returns the
    colours, the alpha, and where they are new, all float32, the last [S,S] in 0..1.
    """
    size = len(alpha)
    area = cv2.resize(np.float32(wanted), (size, size), interpolation=cv2.INTER_LINEAR)  # the mask need not be square
    area = cv2.GaussianBlur(area, (0, 0), max(SOFT * size, size / len(wanted) / 2))
    small = min(size, SIDE)
    solid = resized(alpha, small) > 0.5
    # The mask's pixels are coarse: along the hair's own edge both agree.
    edge = cv2.morphologyEx(np.uint8(solid), cv2.MORPH_GRADIENT, np.ones((5, 5)))
    inside = resized(area, small) > 0.5
    other = np.uint8((inside != solid) & (edge == 0))
    other = cv2.dilate(other, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * REACH + 1,) * 2)).astype(np.float32)
    other = resized(cv2.GaussianBlur(other, (0, 0), small / 200), size)
    if solid.any():
        (further,) = reflected(solid, resized(colours, small))
        further = resized(further, size, cv2.INTER_CUBIC)
        colours = colours + ((1 - alpha) * other)[..., None] * (further - colours)
    else:
        area = np.zeros_like(area)  # there is no hair to paint with
    return np.float32(colours), np.float32(alpha + other * (area - alpha)), np.float32(other)
