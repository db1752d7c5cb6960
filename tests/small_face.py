"""A painted photograph whose face is the mean face of the motion model."""

from __future__ import annotations

import cv2
import numpy as np

from barbershop_core.compositing.face_motion import face_motion
from barbershop_core.compositing.head import rotation
from barbershop_core.compositing.photograph import Photograph

SIDE = 160


def painted(turn=(0.0, 0.0, 0.0), side: int = SIDE, tone=(0.75, 0.55, 0.45), blendshapes=None) -> Photograph:
    """Dots on skin in front of stripes.  turn: yaw, pitch, roll, degrees.  tone: of the skin, RGB."""
    model = face_motion()
    mesh = 0.24 * side * model.mean @ rotation(turn).T + [0.5 * side, 0.42 * side, 0]
    y, x = np.mgrid[:side, :side].astype(np.float32)
    image = np.repeat((0.4 + 0.2 * np.sin(x / 3))[..., None], 3, 2)
    outline = mesh[model.rings["oval"], :2]
    middle = outline.mean(0)

    def mask(points: np.ndarray) -> np.ndarray:
        return cv2.fillPoly(np.zeros((side, side), np.float32), [np.round(points).astype(np.int32)], 1)

    hair, skin = mask(middle + 1.3 * (outline - middle)), mask(outline)
    dots = 0.85 + 0.15 * np.sin(x * 1.3) * np.sin(y * 1.1)
    image += hair[..., None] * (0.25 - image)
    image += skin[..., None] * (dots[..., None] * np.float32(tone) - image)
    parts = {"skin": skin, "hair": hair - skin * hair, "background": 1 - np.maximum(hair, skin)}
    flip = np.diag([1.0, -1.0, -1.0])
    matrix = np.eye(4)
    matrix[:3, :3] = flip @ rotation(turn) @ flip
    known = np.ones((side, side), np.float32)
    return Photograph(image.astype(np.float32), known, parts, mesh.astype(np.float32), matrix, blendshapes or {})
