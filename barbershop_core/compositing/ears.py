"""Ears that hair covered, from another photograph carried into the person's frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .continuation import widened
from .photograph import Photograph
from .skull import Skull

LEAST_AREA = 2.0
"""cm² of an ear from which on a photograph shows one."""
OWN = 0.5
"""Share of the other photograph's ear that of the person's own must be visible for it to stay."""
EAR = (1.0, 0.9, 0.88)
"""An ear's colour relative to the cheek's, in light."""
GAINS = (0.25, 4.0)
"""Limits of the change of tone, in light."""


@dataclass(frozen=True, eq=False)
class Ears:
    """alpha: float32 [S,S]; image: float32 [S,S,3], toned to the person; replaced: bool [S,S], what is left of own
    ears on these sides."""

    alpha: np.ndarray
    image: np.ndarray
    replaced: np.ndarray


def borrowed_ears(photograph: Photograph, head: Skull, donor: Photograph, hole: np.ndarray) -> Ears | None:
    """The donor's ears on the sides where the person's are covered; None where there are none."""
    size = photograph.size
    unit = head.centimetre**2
    own = photograph.part("ears", size=size) > 0.5
    visible = own & (hole < 0.5)
    theirs = donor.part("ears", size=size) * donor.known * (donor.part("hair", size=size) < 0.5)
    alpha, replaced = np.zeros((size, size), np.float32), np.zeros((size, size), bool)
    image = donor.image.copy()
    for side in _sides(head, size):
        area = float((theirs * side).sum())
        if area < LEAST_AREA * unit or (visible & side).sum() > OWN * area:
            continue
        alpha += theirs * side
        replaced |= own & side
        image[side] = _toned(photograph, theirs * side, side, hole, donor.image)[side]
    if not alpha.any():
        return None
    soft = cv2.ximgproc.guidedFilter(255 * donor.image, alpha, max(2, size // 200), 20)
    return Ears(np.clip((soft - 0.35) / 0.55, 0, 1) * widened(alpha > 0.1, size / 200), image, replaced)


def _sides(head: Skull, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture's halves left and right of the head's middle, bool [size,size]."""
    top, middle = head.at((0, 8, 0), (0, 0, 0))[:, :2]
    y, x = np.mgrid[:size, :size]
    left = (x - middle[0]) * (middle[1] - top[1]) - (y - middle[1]) * (middle[0] - top[0]) < 0
    return left, ~left


def _toned(
    photograph: Photograph, ear: np.ndarray, side: np.ndarray, hole: np.ndarray, image: np.ndarray
) -> np.ndarray:
    """``image`` with the mean colour under ``ear`` that of the person's cheek on this side, a little redder."""
    cheek = photograph.image[(photograph.part("skin", size=photograph.size) > 0.7) & side & (hole < 0.5)]
    if len(cheek) < 20:
        return image
    theirs = (image**2.2 * ear[..., None]).sum((0, 1)) / ear.sum()
    gain = np.clip(np.median(cheek, 0) ** 2.2 * EAR / np.maximum(theirs, 1e-4), *GAINS)
    return np.clip(image * gain ** (1 / 2.2), 0, 1).astype(np.float32)
