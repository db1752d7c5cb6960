"""Tones of what is brought into a photograph: colours, contrast, sharpness and grain like the photo's own.

Pictures are sRGB, float32 [H,W,3] in 0..1; masks float32 [H,W] in 0..1; Lab is CIE 1976 under D65, L in 0..100.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..photo.ramp import smoothstep
from .continuation import blurred, continue_colours
from .matting import foreground
from .planes import widened
from .texture import grain

STRANDS = 96
"""Coarseness: what is finer than the picture's side divided by this is strands and speculars, not tone."""
SPREAD_GAIN = (0.5, 1.7)
"""Limits of how far the spread of large-scale tones changes."""
CONTRAST_GAIN = (0.35, 1.9)
"""Limits of how far the contrast of strands changes with their lightness."""
HEADROOM = 2.0
"""Deviations of the strands' lightness for which there has to be room below white."""
GREY = 4.0
"""Chroma, in Lab, below which a colour is nearly grey."""
SHARPNESS_GAIN = (0.75, 1.4)
"""Limits of how far the finest detail is softened or sharpened."""
FLAT = 0.3
"""Share of the least busy pixels that show a photo's grain."""


@dataclass(frozen=True)
class LabStatistics:
    """mean, spread: [3], of L, a and b; spread is the standard deviation at scales coarser than strands."""

    mean: np.ndarray
    spread: np.ndarray


def split(image: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Low and high frequencies, which add up to the image; ``sigma`` px of the Gaussian between them."""
    low = cv2.GaussianBlur(image, (0, 0), sigma)
    return low, image - low


def lab_statistics(image: np.ndarray, mask: np.ndarray) -> LabStatistics:
    """Colours under a mask.  Raises ValueError where the mask is empty."""
    weight = _sure(mask)
    low, _ = _tones(image, weight)
    return _statistics(low, weight)


def recolour(image: np.ndarray, mask: np.ndarray, towards: LabStatistics) -> np.ndarray:
    """The image with the colours under ``mask`` moved towards other hair's; strands and speculars stay.

    Only large-scale tones move, each of L, a and b by a straight line, so that what was lighter stays lighter; the
    strands' contrast follows their lightness as it does in light, and highlights keep their own tint.
    Raises ValueError where the mask is empty.
    """
    weight = _sure(mask)
    hair = foreground(image, mask)  # at soft edges the hair's share of the mixture, so that none of the old is left
    low, fine = _tones(hair, weight)
    own = _statistics(low, weight)
    gain = np.clip(towards.spread / np.maximum(own.spread, 0.5), *SPREAD_GAIN)
    # what is nearly grey has nearly grey lights and shadows, too
    chroma = (np.hypot(*towards.mean[1:]) + GREY) / (np.hypot(*own.mean[1:]) + GREY)
    gain[1:] = np.minimum(gain[1:], chroma)
    moved = towards.mean + (low - own.mean) * gain
    moved[..., 0] = _soft_limit(moved[..., 0], 2, 97)
    # L* falls off like a cube root: in proportion to light, contrast grows with L + 16
    contrast = np.clip((moved[..., :1] + 16) / (low[..., :1] + 16), *CONTRAST_GAIN)
    deviation = max(float(_deviation(fine[..., 0], weight)), 1e-3)
    contrast = np.minimum(contrast, np.maximum(100 - moved[..., :1], 4) / (HEADROOM * deviation))
    shine = smoothstep(fine[..., :1] / deviation, 1.5, 3.5)
    detail = fine * np.concatenate([contrast, *[np.clip(contrast, 0.6, 1.3) * min(chroma, 1)] * 2], 2)
    lab = moved + detail
    tint = lab[..., 1:] + shine * 0.5 * min(chroma, 1) * ((low + fine)[..., 1:] - lab[..., 1:])
    lab = np.concatenate([_soft_limit(lab[..., :1], 0, 100), tint], 2)
    lab += towards.mean - _mean(lab, weight)  # the limits above bend the mean away
    result = np.clip(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB), 0, 1)
    return np.clip(image + mask[..., None] * (result - hair), 0, 1)


def match_grain(
    image: np.ndarray, mask: np.ndarray, like: np.ndarray, like_mask: np.ndarray, seed: int = 0
) -> np.ndarray:
    """The image with sharpness and grain under ``mask`` as those of ``like`` under ``like_mask``: float32 [H,W,3].

    Sharpness is the share of the finest detail where there is detail, grain the finest detail where there is none.
    Nothing changes where a mask is too small to tell.
    """
    if min((mask > 0.9).sum(), (like_mask > 0.9).sum()) < 64:
        return image
    sharpness, noise = _fineness(image, mask)
    wanted, wanted_noise = _fineness(like, like_mask)
    gain = np.clip(wanted / max(sharpness, 1e-6), *SHARPNESS_GAIN)
    fine = split(image, 0.8)[1]
    changed = image + (gain - 1) * fine
    missing = max(0.0, wanted_noise**2 - (gain * noise) ** 2) ** 0.5
    if missing > 0.001:
        own = grain(like, like_mask, 2, seed)
        own = cv2.resize(own, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        level = _deviation(split(own, 0.8)[1].mean(2), np.ones(own.shape[:2], np.float32))
        changed = changed + own * min(missing / max(float(level), 1e-6), 3)
    return np.clip(image + mask[..., None] * (changed - image), 0, 1).astype(np.float32)


def _sure(mask: np.ndarray) -> np.ndarray:
    """Weights of the pixels that show nothing but what the mask names."""
    for least in (0.9, 0.5, 0.1):
        weight = np.where(mask > least, mask, 0).astype(np.float32)
        if weight.sum() > 16:
            return weight
    raise ValueError("The mask is empty: there are no colours to speak of.")


def _tones(image: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lab under the mask, coarser than strands, continued beyond it; and the rest, strands and speculars."""
    lab = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2LAB)
    sigma = max(1.0, max(weight.shape) / STRANDS)
    low = blurred(lab, weight, sigma)
    near = np.clip(cv2.GaussianBlur(weight, (0, 0), sigma) * 20, 0, 1)
    low = continue_colours(low, near)
    return low, lab - low


def _statistics(low: np.ndarray, weight: np.ndarray) -> LabStatistics:
    mean = _mean(low, weight)
    return LabStatistics(mean, np.sqrt(_mean((low - mean) ** 2, weight)))


def _mean(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return (values * weight[..., None]).sum((0, 1)) / weight.sum()


def _deviation(plane: np.ndarray, weight: np.ndarray) -> float:
    mean = (plane * weight).sum() / weight.sum()
    return np.sqrt(((plane - mean) ** 2 * weight).sum() / weight.sum())


def _fineness(image: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Sharpness and grain under a mask: finest against next finer detail in busy places, and its level in flat ones."""
    grey = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2GRAY)
    once = cv2.GaussianBlur(grey, (0, 0), 0.8)
    twice = cv2.GaussianBlur(once, (0, 0), 1.6)
    at = widened(mask, -3) > 0.9 if (widened(mask, -3) > 0.9).sum() > 64 else mask > 0.9
    finest, finer = (grey - once)[at], (once - twice)[at]
    busy = cv2.GaussianBlur((once - twice) ** 2, (0, 0), 4)[at]
    flat = busy <= np.quantile(busy, FLAT)
    noise = 1.4826 * np.median(np.abs(finest[flat]))
    detail = busy >= np.quantile(busy, 1 - FLAT)
    energy = np.maximum((finest[detail] ** 2).mean() - noise**2, 0)
    return float(np.sqrt(energy / max(float((finer[detail] ** 2).mean()), 1e-9))), float(noise)


def _soft_limit(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Monotone; unchanged in the middle, never beyond the limits."""
    knee = 0.12 * (high - low)
    value = np.where(
        value > high - knee, high - knee * np.exp(-(np.maximum(value, high - knee) - high + knee) / knee), value
    )
    return np.where(
        value < low + knee, low + knee * np.exp(-(low + knee - np.minimum(value, low + knee)) / knee), value
    )
