"""The generator's change of a picture as a change of the photograph."""

from __future__ import annotations

import cv2
import numpy as np

from .photograph import Photograph

NOISE, CHANGE = 0.03, 0.08  # difference of the generator's pictures: nothing below the first, all above the second


def retouch(
    photograph: Photograph, before: np.ndarray, after: np.ndarray, where: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Change a photograph as the generator's picture changes.

    before, after: float32 [R,R,3] in 0..1, the generator's pictures without and with the edit.  where: float32 [R,R]
    in 0..1, where it applies; None finds it from their difference.
    Returns the picture [S,S,3] in 0..1, and where it changed, float32 [S,S].
    """
    size = (photograph.size, photograph.size)
    difference = after - before
    if where is None:
        distance = cv2.GaussianBlur(np.abs(difference).max(2), (0, 0), max(len(before) / 200, 0.6))
        where = np.clip((distance - NOISE) / (CHANGE - NOISE), 0, 1)
    where = cv2.resize(where.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    shift = cv2.resize(difference, size, interpolation=cv2.INTER_CUBIC)
    return np.clip(photograph.image + where[..., None] * shift, 0, 1), where
