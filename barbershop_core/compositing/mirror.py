"""A photograph seen in a mirror: a reference that looks the other way shows its hair from the wrong side."""

from __future__ import annotations

import cv2
import numpy as np

from .face_motion import face_motion, other_side
from .face_points import EARS
from .photograph import Photograph


def yaw(photograph: Photograph) -> float:
    """Degrees by which the head is turned to the picture's left, from the depths of its two sides."""
    left, right = photograph.mesh[EARS, :]
    return float(np.degrees(np.arctan2(left[2] - right[2], np.hypot(*(right - left)[:2]))))


def mirrored(photograph: Photograph) -> Photograph:
    """Left and right exchanged, also in the points, so that each keeps its meaning on the face."""
    mesh, matrix = photograph.mesh, photograph.matrix
    if mesh is not None:
        mesh = (mesh * [-1, 1, 1] + [photograph.size - 1, 0, 0])[face_motion().mirror].astype(np.float32)
    if matrix is not None:
        flip = np.diag([-1, 1, 1, 1])
        matrix = flip @ matrix @ flip
    return Photograph(
        cv2.flip(photograph.image, 1),
        cv2.flip(photograph.known, 1),
        {name: cv2.flip(plane, 1) for name, plane in photograph.parts.items()},
        mesh,
        matrix,
        {other_side(name): value for name, value in photograph.blendshapes.items()},
    )
