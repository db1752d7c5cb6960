"""The soft shadow that hair throws onto what it lies on."""

from __future__ import annotations

import cv2
import numpy as np

from .face_points import EYE_CORNERS
from .photograph import Photograph
from .planes import resized, widened

WORKING = 384
"""px at which shadows are drawn."""
NEAR, WIDE = 0.035, 0.11
"""Softness of the shadow at the hairline and of the one around it, in eye distances."""
HALO = 0.45
"""Share of the wide one."""
DROP = 0.04
"""How far below the hair the shadow lies, in the same unit: light comes from above."""
WARM = np.float32([0.8, 1.04, 1.16])
"""How much of a shadow each channel shows on skin, within which red light spreads furthest."""
STRENGTH = (0.3, 0.7)
"""Least and most of the logarithm of the light that a surface wholly among hair lacks."""
APART = 0.25
"""Distance from the hair, in eye distances, from which on skin is not in its shadow."""


def contact_shadow(alpha: np.ndarray, body: np.ndarray, photograph: Photograph, strength: float) -> np.ndarray:
    """What to multiply the picture beneath the hair with: float32 [S,S,3], at most 1.

    alpha: float32 [S,S], the hair's.  body: float32 [S,S] in 0..1, skin and clothes, on which shadows are seen.
    photograph: whose mesh says how large the head is and how it is tilted.  strength: of `shadow_strength`.
    """
    size = photograph.size
    work = min(size, WORKING)
    shadow = strength * resized(body, work) * _closeness(resized(alpha, work), photograph, work / size)
    return resized(np.exp(-shadow[..., None] * WARM), size)


def shadow_strength(reference: Photograph, alpha: np.ndarray) -> float:
    """How deep the shadow of a reference's hair is, by its own skin beside the hair and further off.

    alpha: float32 [S,S], that hair's.
    """
    work = min(reference.size, WORKING)
    scale = work / reference.size
    hair = resized(alpha, work)
    features = reference.part("brows", "eyes", "glasses", "mouth", "ears", size=work)
    skin = (reference.part("skin", size=work) > 0.8) & (widened(features, 0.02 * work) < 0.5) & (hair < 0.02)
    light = np.log(np.maximum(resized(reference.image, work).mean(2), 0.02))
    closeness, unit = _closeness(hair, reference, scale), reference.eye_distance * scale
    beside = skin & (closeness > 0.15)
    off = skin & (widened(hair, APART * unit) < 0.5) & (widened(hair, 2 * APART * unit) > 0.5)
    if min(beside.sum(), off.sum()) < 50:
        return sum(STRENGTH) / 2
    missing = (np.median(light[off]) - np.median(light[beside])) / float(closeness[beside].mean())
    return float(np.clip(missing, *STRENGTH))


def _closeness(alpha: np.ndarray, photograph: Photograph, scale: float) -> np.ndarray:
    """How much of what a pixel faces is hair, [W,W] in 0..1: about half beside a straight edge of it."""
    unit = photograph.eye_distance * scale
    return (1 - HALO) * _below(alpha, photograph, NEAR * unit, DROP / 2 * unit) + HALO * _below(
        alpha, photograph, WIDE * unit, DROP * unit
    )


def _below(alpha: np.ndarray, photograph: Photograph, sigma: float, drop: float) -> np.ndarray:
    """``alpha`` blurred by ``sigma`` px and moved ``drop`` px down the face."""
    eyes = np.subtract(*photograph.mesh[EYE_CORNERS[::-1], :2])
    down = drop * np.array([-eyes[1], eyes[0]]) / np.linalg.norm(eyes)
    moved = cv2.warpAffine(
        alpha, np.float32([[1, 0, down[0]], [0, 1, down[1]]]), alpha.shape[::-1], borderMode=cv2.BORDER_REPLICATE
    )
    return cv2.GaussianBlur(moved, (0, 0), max(sigma, 0.5), borderType=cv2.BORDER_REPLICATE)
