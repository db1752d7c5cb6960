"""A hand at the cheek: skin in front of the hair, which parsers take for hair, ears or neck."""

from __future__ import annotations

import cv2
import numpy as np

from .face_points import CHIN, LOWER_LIP, MIDLINE
from .matting import colours_under, unlike
from .mirror import yaw
from .photograph import Photograph
from .planes import closed, enclosed, resized, widened
from .skull import Skull

WORKING = 256
"""px at which hands are looked for."""
BRIDGE = 168
"""MediaPipe's point between the eyes."""
BESIDE = 0.2
"""How far beside the head, in eye distances, skin is surely no ear's."""
ALIKE = 8.0
"""Squared distance from the colours of the face's skin, in spreads, up to which something may be skin."""
APART = 15.0
"""The same from the hair's, from which it is surely no hair."""
STRANDS = 0.025
"""Radius of strands and gaps between them, which are not looked at; in eye distances."""
LEAST = (0.04, 0.2)
"""Of a hand beside the head between eyes and mouth, and above the chin: areas in squares of the eye distance."""
MISTAKEN, BEHIND = (0.4, 0.12), 0.25
"""Share of a hand at the most that the parser takes for an ear, on a head seen from the front and on a turned one, of
which more of an ear is seen; and for clothes and background."""
TURNED = 15.0
"""Degrees from which a head is turned."""
TAKEN = 0.38
"""Least probability of hair or skin that the parser gives a hand, which it does not know."""
HOLLOW = 0.17
"""Half the width of what lies between hand and cheek in their shadow, and is kept with it; in eye distances."""
CHEEK, ACROSS = 0.15, 0.35
"""How far over the cheek hair stays behind a hand, and how far beyond the middle of the face a hand may reach."""
EDGE = 0.01
"""How softly a hand ends, as a share of the crop's side."""


def hand_before_hair(photograph: Photograph, head: Skull) -> np.ndarray | None:
    """Skin beside the head, connected from its cheek outwards, of another colour than the hair: float32 [S,S] in
    0..1, or None where there is none.

    head: the photograph's.
    """
    size = min(photograph.size, WORKING)
    scale, shape = size / photograph.size, (size, size)
    unit = photograph.eye_distance * scale
    lab = cv2.cvtColor(resized(photograph.image, size), cv2.COLOR_RGB2LAB)
    points = np.concatenate([head.oval, photograph.mesh[:, :2]])  # a turned face's profile lies beyond its outline
    face = widened(enclosed((cv2.convexHull(np.float32(points)) + 0.5) * scale - 0.5, shape), 0.02 * unit) > 0.5
    skin, hair = (photograph.part(*names, size=size) for names in (("skin", "nose"), ("hair",)))
    other = photograph.part("background", "clothes", size=size)
    taken = skin + hair
    skin, surely = (skin > 0.8) & face, (hair > 0.9) & ~face
    if min(skin.sum(), surely.sum()) < 50:
        return None
    own = unlike(lab, colours_under(lab, surely))
    alike = (unlike(lab, colours_under(lab, skin)) < ALIKE) & (own > APART) & (other < 0.6) & ~face
    alike = widened(widened(alike, -STRANDS * unit), STRANDS * unit) > 0.5
    beside = widened(head.outline(shape, scale) > 0.5, BESIDE * unit) < 0.5
    above_eyes, above_mouth, above_chin = (
        _beyond(photograph.mesh[k, :2], head.matrix[:2, 1], shape, scale) > 0 for k in (BRIDGE, LOWER_LIP, CHIN)
    )
    beside &= above_mouth & ~above_eyes
    cheek, ears = widened(face, 0.06 * unit) > 0.5, photograph.part("ears", size=size)
    count, pieces = cv2.connectedComponents(np.uint8(alike))
    found, most_ear = np.zeros(shape, bool), MISTAKEN[abs(yaw(photograph)) > TURNED]
    for piece in (pieces == k for k in range(1, count)):
        above = piece & above_chin
        areas = np.array([(piece & beside).sum(), above.sum()]) / unit**2
        if (areas < LEAST).any() or not (piece & cheek).any() or taken[above].mean() < TAKEN:
            continue
        if ears[above].mean() < most_ear and other[above].mean() < BEHIND:
            middle, right = photograph.mesh[MIDLINE, :2].mean(0), head.matrix[:2, 0] / head.centimetre
            side = 1 if _beyond(middle, right, shape, scale)[piece & beside].mean() > 0 else -1
            found |= piece & (_beyond(middle, side * right, shape, scale) > -ACROSS * unit)  # on, it is the neck
    if not found.any():
        return None
    hollow = (closed(found | face, HOLLOW * unit) > 0.5) & (widened(found, HOLLOW * unit) > 0.5) & (other < 0.6)
    mask = resized(np.float32((found | hollow) & (widened(face, -CHEEK * unit) < 0.5)), photograph.size)
    # OpenCV gives up on covariances as small as those of colours in 0..1
    mask = cv2.ximgproc.guidedFilter(255 * photograph.image, mask, max(2, round(EDGE * photograph.size)), 10)
    return np.clip((mask - 0.2) / 0.6, 0, 1)


def _beyond(point: np.ndarray, way: np.ndarray, shape: tuple[int, int], scale: float) -> np.ndarray:
    """float32 [H,W]: how far each pixel lies beyond a point [2] of the photograph, along ``way`` [2]."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    at = np.float32((point + 0.5) * scale - 0.5)
    return (x - at[0]) * np.float32(way[0]) + (y - at[1]) * np.float32(way[1])
