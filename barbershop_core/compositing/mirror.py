"""A photograph seen in a mirror: a reference that looks the other way shows its hair from the wrong side."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from .motion import EARS
from .photograph import Photograph

SIDES = ("Left", "Right")


def yaw(photograph: Photograph) -> float:
    """Degrees by which the head is turned to the picture's left, from the depths of its two sides."""
    left, right = photograph.mesh[EARS[0]], photograph.mesh[EARS[1]]
    return float(np.degrees(np.arctan2(left[2] - right[2], np.hypot(*(right - left)[:2]))))


def mirrored(photograph: Photograph) -> Photograph:
    """Left and right exchanged, also in the points, so that each keeps its meaning on the face."""
    mesh, matrix = photograph.mesh, photograph.matrix
    if mesh is not None:
        mesh = (mesh * [-1, 1, 1] + [photograph.size - 1, 0, 0])[_partners(mesh)].astype(np.float32)
    if matrix is not None:
        flip = np.diag([-1, 1, 1, 1])
        matrix = flip @ matrix @ flip
    return Photograph(
        cv2.flip(photograph.image, 1),
        cv2.flip(photograph.known, 1),
        {name: cv2.flip(plane, 1) for name, plane in photograph.parts.items()},
        mesh,
        matrix,
        {_other_side(name): value for name, value in photograph.blendshapes.items()},
    )


def _partners(mesh: np.ndarray) -> np.ndarray:
    """For each point the one that is its image on the face's other half: a permutation [478].

    The points are nearly symmetrical about the plane between the ears, so partners are nearest there.
    """
    across = mesh[EARS[1]] - mesh[EARS[0]]
    across = across / np.linalg.norm(across)
    middle = mesh[[10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 2, 164, 0, 17, 152]].mean(0)
    image = mesh - 2 * ((mesh - middle) @ across)[:, None] * across
    partners = np.arange(len(mesh))
    for _ in range(3):  # the plane is not quite right on a turned face: what is left over is fitted away
        skin = _assigned(image[:468], mesh[:468])
        partners = np.concatenate([skin, 468 + _assigned(image[468:], mesh[468:])])
        lifted = np.concatenate([image, np.ones((len(image), 1))], 1)
        image = lifted @ np.linalg.lstsq(lifted, mesh[partners], rcond=None)[0]
    return partners


def _assigned(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return linear_sum_assignment(((a[:, None] - b[None]) ** 2).sum(-1))[1]


def _other_side(name: str) -> str:
    for own, other in (SIDES, SIDES[::-1]):
        if name.endswith(own):
            return name.removesuffix(own) + other
    return name
