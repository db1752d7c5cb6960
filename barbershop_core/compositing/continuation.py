"""Smooth continuation of colours and masks from where they are known to where they are not."""

from __future__ import annotations

import cv2
import numpy as np

CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4
SMALLEST = 8
"""px of the coarsest grid."""


def continue_colours(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Colours where ``known`` [H,W] is 0 from where it is 1, by pulling and pushing: float32, ``image``'s shape.

    After Gortler and others, "The lumigraph" (1996).  Fast, at full resolution too; where nothing is known, all is 0.
    """
    weight = known.astype(np.float32)
    image = _times(image, weight)
    levels = [(image, weight)]
    while min(levels[-1][1].shape) > 2:
        image, weight = (_halved(plane) for plane in levels[-1])
        fuller = np.minimum(1, 4 * weight)  # one known pixel of four is enough
        levels.append((_times(image, fuller / np.maximum(weight, 1e-9)), fuller))
    total, weight = levels[-1]
    result = total.sum((0, 1)) / max(float(weight.sum()), 1e-9) * np.ones_like(total)
    for image, weight in reversed(levels):
        coarse = cv2.resize(result, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
        result = image + _times(coarse, 1 - weight)
    return result.astype(np.float32)


def harmonic(
    image: np.ndarray, known: np.ndarray, domain: np.ndarray | None = None, decay: float = 0.0, sweeps: int = 16
) -> np.ndarray:
    """Harmonic continuation (Laplace's equation) of ``image`` [H,W] or [H,W,C]: float32, the same shape.

    known: [H,W] in 0..1, how far the image is to be believed.  domain: [H,W] in 0..1; nothing flows through its
    border.  decay: share that is lost from pixel to pixel, at this resolution; values then fall to 0 away from what is
    known.  Solved from coarse to fine; meant for sizes up to about 256 px.
    """
    known = known.astype(np.float32)
    domain = np.ones_like(known) if domain is None else np.maximum(domain.astype(np.float32), 1e-4)
    return _relaxed(image.astype(np.float32), known * (domain > 0.01), domain, decay, sweeps)


def blurred(image: np.ndarray, mask: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of ``image`` [H,W] or [H,W,C] that sees only what is under ``mask`` [H,W]; 0 far from it."""
    total = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)
    return _times(cv2.GaussianBlur(_times(image, mask.astype(np.float32)), (0, 0), sigma), 1 / np.maximum(total, 1e-6))


def _relaxed(image: np.ndarray, known: np.ndarray, domain: np.ndarray, decay: float, sweeps: int) -> np.ndarray:
    if min(known.shape) > SMALLEST:
        weight = known * domain
        coarse = _halved(weight)
        belief = np.maximum(coarse, 1e-9)
        below = _relaxed(
            _times(_halved(_times(image, weight)), 1 / belief),
            np.minimum(1, 4 * coarse),
            _halved(domain),
            min(1.0, decay * 4),
            sweeps,
        )
        result = cv2.resize(below, known.shape[::-1], interpolation=cv2.INTER_LINEAR)
    else:
        weight = known * domain
        result = _times(image, weight).sum((0, 1)) / max(float(weight.sum()), 1e-9) * np.ones_like(image)
    own, free = _times(image, known), 1 - known
    share = (1 - decay) / np.maximum(cv2.filter2D(domain, -1, CROSS, borderType=cv2.BORDER_REPLICATE), 1e-6) * free
    for _ in range(sweeps):
        around = cv2.filter2D(_times(result, domain), -1, CROSS, borderType=cv2.BORDER_REPLICATE)
        result = own + _times(around, share)
    return result.astype(np.float32)


def _halved(plane: np.ndarray) -> np.ndarray:
    shape = (max(1, plane.shape[1] // 2), max(1, plane.shape[0] // 2))
    return cv2.resize(plane, shape, interpolation=cv2.INTER_AREA)


def _times(image: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return image * (weight[..., None] if image.ndim == 3 else weight)
