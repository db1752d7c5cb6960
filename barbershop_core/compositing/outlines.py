"""What outlines enclose."""

from __future__ import annotations

import cv2
import numpy as np

SUBPIXEL = 4
"""Bits after the point of OpenCV's coordinates: a sixteenth of a pixel."""


def enclosed(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """float32 [H,W] = shape: 1 inside of the outline through points [N,2], (x, y) px, with an edge of about a pixel."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(points * 2**SUBPIXEL).astype(np.int32)], 255, cv2.LINE_AA, SUBPIXEL)
    return mask.astype(np.float32) / 255
