"""What a photo's frame cuts off: drawn out a little to where it is wanted, then continued by reflection, never by
repeating the border, which gives streaks."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from .motion import Field
from .photograph import Photograph

ZONE = 2.0
"""Depth of the border that is drawn out, in widths of what is missing: there it becomes 1 to 3 times as wide."""
CUT = 0.1
"""Share of a border that the thing has to cross to count as cut off there."""


def beyond(known: np.ndarray) -> np.ndarray:
    """How far each pixel lies beyond what is known, float32 [H,W] px; 0 where ``known`` [H,W] is 1."""
    unknown = np.uint8(known < 0.5)
    return cv2.distanceTransform(unknown, cv2.DIST_L2, 5) if unknown.any() else np.zeros(known.shape, np.float32)


def drawn_in(field: Field, known: np.ndarray, alpha: np.ndarray, most: float) -> Field:
    """The field bent so that places up to ``most`` px beyond a border that cuts something off come to lie inside.

    known: [H,W] of the source, 1 in a convex region: the photo within its crop.  alpha: [H,W], the thing's.
    """
    contours, _ = cv2.findContours(np.uint8(known > 0.5), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return field
    hull = cv2.convexHull(max(contours, key=cv2.contourArea))
    corners = cv2.approxPolyDP(hull, 0.004 * len(known), True)[:, 0].astype(np.float32)
    middle, at = corners.mean(0), field.at
    for a, b in zip(corners, np.roll(corners, -1, axis=0)):
        inward = np.array([a[1] - b[1], b[0] - a[0]]) / max(np.linalg.norm(b - a), 1e-6)
        inward = np.float32(inward * np.sign((middle - a) @ inward))
        border = a + np.linspace(0, 1, 64)[:, None] * (b - a) + inward * 0.01 * len(known)
        crossing = cv2.remap(alpha, np.float32(border)[None], None, cv2.INTER_LINEAR)
        if crossing.mean() < CUT:
            continue
        depth = (at - a) @ inward
        missing = float(np.clip(-depth.min(), 0, most))
        if missing < 0.5:
            continue
        zone = ZONE * missing
        t = np.maximum((zone - depth) / (zone + missing), 0)
        at = at + (np.minimum(t, 1) ** 2 * missing + np.maximum(t - 1, 0) * 2 * missing)[..., None] * inward
    return Field(np.float32(at))


def reflected(known: np.ndarray, *planes: np.ndarray) -> list[np.ndarray]:
    """The planes [H,W] or [H,W,C], with what is not known replaced by its reflection over the border of what is."""
    unknown = known < 0.5
    if not unknown.any() or unknown.all():
        return list(planes)
    _, labels = cv2.distanceTransformWithLabels(np.uint8(unknown), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    height, width = known.shape
    # OpenCV numbers the known pixels from 1, row by row.
    places, here = np.flatnonzero(~unknown).astype(np.int32), np.flatnonzero(unknown).astype(np.int32)
    nearest = places[labels.ravel()[here] - 1]
    rows = np.clip(2 * (nearest // width) - here // width, 0, height - 1)
    source = rows * width + np.clip(2 * (nearest % width) - here % width, 0, width - 1)
    filled = [plane.reshape(height * width, -1).copy() for plane in planes]
    for plane in filled:
        plane[here] = plane[source]
    return [plane.reshape(like.shape) for plane, like in zip(filled, planes)]


def around(photograph: Photograph, points: np.ndarray, reach: float) -> tuple[Photograph, tuple[slice, slice]]:
    """The square part of a photograph that holds points [N,2] and ``reach`` px beside them, as far as it lies in the
    photograph; and where that is."""
    low, high = points.min(0) - reach, points.max(0) + reach
    side = min(int(np.ceil((high - low).max())) + 1, photograph.size)
    left, top = np.clip(np.floor(low).astype(int), 0, photograph.size - side)
    return cropped(photograph, left, top, side), np.s_[top : top + side, left : left + side]


def cropped(photograph: Photograph, left: int, top: int, side: int) -> Photograph:
    """A square of the photograph, which has to lie within it; its points and regions move along."""
    scale = len(next(iter(photograph.parts.values()))) / photograph.size
    small = max(1, round(side * scale))
    step = side / small * scale  # pixels of a region's plane per pixel of its crop
    corner = (np.array([left, top]) + 0.5 * side / small) * scale - 0.5
    matrix = np.array([[step, 0, corner[0]], [0, step, corner[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    part = {
        name: cv2.warpAffine(plane, matrix, (small, small), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        for name, plane in photograph.parts.items()
    }
    at = np.s_[top : top + side, left : left + side]
    mesh = None if photograph.mesh is None else photograph.mesh - np.float32([left, top, 0])
    return replace(photograph, image=photograph.image[at], known=photograph.known[at], parts=part, mesh=mesh)
