"""Pictures and masks: at other sizes, grown and closed, and what an outline encloses."""

from __future__ import annotations

import cv2
import numpy as np

SUBPIXEL = 4
"""Bits after the point in the coordinates that OpenCV draws with: sixteenths of a pixel."""


def resized(plane: np.ndarray, size: int, enlarge: int = cv2.INTER_LINEAR) -> np.ndarray:
    """A square picture or mask at [size,size], float32; averaged where it becomes smaller.

    enlarge: OpenCV's interpolation where it becomes larger; cubic overshoots at edges.
    """
    plane = np.asarray(plane, np.float32)
    if len(plane) == size:
        return plane
    way = cv2.INTER_AREA if len(plane) > size else enlarge
    return cv2.resize(plane, (size, size), interpolation=way)


def widened(mask: np.ndarray, radius: float) -> np.ndarray:
    """Where ``mask`` is above a half, grown by ``radius`` pixels or shrunk by ``-radius``: float32, 0 or 1."""
    inside = np.asarray(mask) > 0.5
    if inside.all() or not inside.any():
        return inside.astype(np.float32)
    far = cv2.distanceTransform((inside if radius < 0 else ~inside).astype(np.uint8), cv2.DIST_L2, 5)
    return (far > -radius if radius < 0 else far <= radius).astype(np.float32)


def closed(mask: np.ndarray, radius: float) -> np.ndarray:
    """Where ``mask`` is above a half, with all that a disc of ``radius`` px cannot enter: float32, 0 or 1."""
    return widened(widened(mask, radius), -radius)


def enclosed(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """float32 [H,W] = shape: 1 inside of the outline through points [N,2], (x, y) px, with an edge of about a pixel."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(points * 2**SUBPIXEL).astype(np.int32)], 255, cv2.LINE_AA, SUBPIXEL)
    return mask.astype(np.float32) / 255


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected piece of a mask, bool [H,W]."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(np.uint8(mask))
    return pieces == 1 + stats[1:, cv2.CC_STAT_AREA].argmax() if len(stats) > 1 else np.zeros(mask.shape, bool)
