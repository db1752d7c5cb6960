"""Neck, shoulders and clothes under long hair."""

from __future__ import annotations

import cv2
import numpy as np

from .continuation import blurred, harmonic, resized, widened
from .photograph import Photograph
from .skull import Skull
from .texture import grain

WORKING = 192
"""px at which outlines and colours are continued."""
OUTLINE = 512
"""px at which outlines are drawn."""
NECK = 0.82
"""How bright a neck usually is, relative to the face above it."""
DOUBT = 0.03
"""Weight of what is expected under a head beside what is seen."""
LEAST = 0.002
"""Share of the picture from which on a region is known well enough to be continued."""


def torso_under_hair(photograph: Photograph, head: Skull, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mask [S,S] of neck and clothes, under the hair too, and their colours [S,S,3]."""
    size = photograph.size
    work = min(size, WORKING)
    covered = widened(resized(hole, work), 1.5)
    planes = np.stack([photograph.part(name, size=work) for name in ("neck", "clothes", "background")], 2)
    other = photograph.part("skin", "nose", "brows", "eyes", "glasses", "mouth", "ears", "hat", size=work)
    seen = ((covered < 0.1) & (other < 0.5) & (planes.sum(2) > 0.6))[..., None]
    belief = np.where(seen[..., 0], 1, DOUBT).astype(np.float32)
    labels = harmonic(np.where(seen, planes, _expected(head, work, work / size)), belief)
    labels = cv2.GaussianBlur(labels, (0, 0), 1.2)
    result = photograph.image.copy()
    colours = resized(photograph.image, work)
    face = (photograph.part("skin", size=work) > 0.6) & (covered < 0.1)
    masks = []
    for k, name in enumerate(("neck", "clothes")):
        own = (photograph.part(name, size=work) > 0.6) & (covered < 0.1)
        if own.mean() < LEAST:
            labels[..., 0] += labels[..., k] * (k > 0)
            labels[..., k] *= k == 0
            own = (photograph.part("neck", "skin", size=work) > 0.6) & (covered < 0.1)
        mask = resized(_sharp(labels, k, min(size, OUTLINE)), size)
        masks.append(mask)
        if not own.any() or not (mask * hole).any():
            continue
        own = own.astype(np.float32)
        domain = np.maximum(widened(resized(mask, work), 2), own)
        low, usual = blurred(colours, own, 1.5), np.zeros((1, 3), np.float32)
        if name == "neck" and face.any():
            usual = NECK * np.median(colours[face], 0)
        low = usual + harmonic(low - usual, own, domain, decay=0.001 * (usual.max() > 0))
        filled = cv2.resize(low, (size, size), interpolation=cv2.INTER_CUBIC)
        filled += grain(photograph.image, resized(own, size), size / 150, seed=2 + k)
        result += mask[..., None] * (filled - result)
    return np.maximum(*masks), result


def _sharp(labels: np.ndarray, k: int, size: int) -> np.ndarray:
    """Where label ``k`` is the likeliest, with a soft edge of a few pixels: float32 [size,size]."""
    full = cv2.resize(labels, (size, size), interpolation=cv2.INTER_CUBIC)
    others = np.delete(full, k, 2).max(2)
    lead = full[..., k] - others
    steepness = np.maximum(np.hypot(*np.gradient(lead)), 1e-4)
    return np.clip(lead / steepness / 2 + 0.5, 0, 1).astype(np.float32)


def _expected(head: Skull, size: int, scale: float) -> np.ndarray:
    """Where neck, clothes and background would be expected under a head: float32 [size,size,3]."""
    x, top, _ = head.at((0, -5, -4))[0] * scale
    unit = head.centimetre * scale
    across, below = np.mgrid[:size, :size][::-1].astype(np.float32)
    across, below = np.abs(across - x) / unit, (below - top) / unit
    neck = (across < 5.5 + 0.03 * np.maximum(below, 0) ** 2) & (below > -1)
    shoulders = (below > 9 + 0.35 * (across - 6)) & (across > 5)
    torso = neck | shoulders
    return np.stack([torso, np.zeros_like(torso), ~torso], 2).astype(np.float32)
