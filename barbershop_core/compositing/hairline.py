"""Roots of hair along the forehead, where an outline that was cut out looks like a wig's."""

from __future__ import annotations

import cv2
import numpy as np

from ..photo.ramp import smoothstep
from .face_points import EYE_CORNERS, FOREHEAD
from .photograph import Photograph

WIDTH, LENGTH = 0.004, 0.07
"""Of the roots that are drawn, in eye distances."""
FINEST = 1.2
"""px that they are wide at least."""
LEAN = (-0.5, 0.1, 0.6)
"""To which side they lean, as the tangent of an angle."""
REACH = 0.022
"""Softness of the border in which they are drawn, in the same unit."""
AMOUNT = 0.24
"""Standard deviation of what they add to alpha in the middle of that border."""
UPWARDS = (0.5, 0.8)
"""Cosine between the way up the forehead and the way from the eyes' middle from which on there are any, and all:
further aside long hair lies along its border."""


def with_roots(alpha: np.ndarray, head: np.ndarray, photograph: Photograph, seed: int = 0) -> np.ndarray:
    """Hair's alpha [S,S] with single roots along its border over the forehead; elsewhere it stays.

    head: float32 [S,S] in 0..1, the person's head.  photograph: whose mesh says where the forehead is.
    """
    unit = photograph.eye_distance
    eyes, forehead = photograph.mesh[EYE_CORNERS, :2].mean(0), photograph.mesh[FOREHEAD, :2]
    up = np.float32((forehead - eyes) / max(float(np.linalg.norm(forehead - eyes)), 1e-6))
    soft = cv2.GaussianBlur(alpha, (0, 0), max(REACH * unit, 0.5))
    border = 4 * soft * (1 - soft) * head
    if border.max() <= 0.02:
        return alpha
    left, top, width, height = cv2.boundingRect(np.uint8(border > 0.02))
    box = np.s_[top : top + height, left : left + width]
    y, x = np.mgrid[box].astype(np.float32)
    x, y = x - np.float32(eyes[0]), y - np.float32(eyes[1])
    # Hair grows away from the face's middle: noise that is fine around it and coarse outwards.
    along, across = x * up[0] + y * up[1], x * up[1] - y * up[0]
    angle, away = np.arctan2(across, along), np.hypot(x, y)
    width = max(WIDTH * unit, FINEST)
    drawn = np.zeros_like(away)
    for k, lean in enumerate(LEAN):
        noise = np.random.default_rng(seed + k).standard_normal((64, 1024), np.float32)
        around = angle * unit / width + lean * away / width
        drawn += cv2.remap(noise, around, away / (LENGTH * unit), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    drawn /= np.float32(np.sqrt(len(LEAN)))
    rooted = alpha.copy()
    rooted[box] += AMOUNT * border[box] * smoothstep(along / np.maximum(away, 1), *UPWARDS) * drawn
    return np.clip(rooted, 0, 1)
