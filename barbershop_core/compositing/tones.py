"""Tones of what is brought into a photograph: colours, contrast, sharpness and grain like the photo's own.

Pictures are sRGB, float32 [H,W,3] in 0..1; masks float32 [H,W] in 0..1; Lab is CIE 1976 under D65, L in 0..100.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

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
STEPS = 10
"""Of a palette: as many shades, each of the same number of pixels."""
STRANDS_GAIN = 1.5
"""Most that the strands' contrast grows towards the other hair's where they turn darker."""
SHARPNESS_GAIN = (0.75, 1.4)
"""Limits of how far the finest detail is softened or sharpened."""
FLAT = 0.3
"""Share of the least busy pixels that show a photo's grain."""


@dataclass(frozen=True)
class LabStatistics:
    """mean, spread: [3], of L, a and b; spread is the standard deviation at scales coarser than strands.

    strands: standard deviation of L at finer ones.  palette: [K,3], the usual colour at each lightness, from black to
    white, L increasing.
    """

    mean: np.ndarray
    spread: np.ndarray
    strands: float
    palette: np.ndarray

    def tint(self, lightness: np.ndarray) -> np.ndarray:
        """The usual a and b where L is ``lightness``, [H,W] -> float32 [H,W,2]."""
        shades = self.palette
        return np.stack([np.interp(lightness, shades[:, 0], shades[:, k]) for k in (1, 2)], -1).astype(np.float32)


def split(image: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Low and high frequencies, which add up to the image; ``sigma`` px of the Gaussian between them."""
    low = cv2.GaussianBlur(image, (0, 0), sigma)
    return low, image - low


def lab_statistics(image: np.ndarray, mask: np.ndarray) -> LabStatistics:
    """Colours under a mask.  Raises ValueError where the mask is empty."""
    weight = _sure(mask)
    return _statistics(*_tones(image, weight), weight)


def recolour(image: np.ndarray, mask: np.ndarray, towards: LabStatistics) -> np.ndarray:
    """The image with the colours under ``mask`` moved towards other hair's; strands and speculars stay.

    Large-scale lightness moves by a straight line, so that what was lighter stays lighter; the strands' contrast
    follows as it does in light.  Each pixel then takes the tint which the other hair has where it is as light: shadows
    and highlights of blond hair are not tinted as its middle tones are.
    Raises ValueError where the mask is empty.
    """
    weight = _sure(mask)
    hair = foreground(image, mask)  # at soft edges the hair's share of the mixture, so that none of the old is left
    low, fine = _tones(hair, weight)
    own = _statistics(low, fine, weight)
    tone, strands = low[..., 0], fine[..., 0]
    gain = np.clip(towards.spread[0] / max(own.spread[0], 0.5), *SPREAD_GAIN)
    moved = _soft_limit(towards.mean[0] + (tone - own.mean[0]) * gain, 2, 97)
    # L* falls off like a cube root: in proportion to light, contrast grows with L + 16
    contrast = (moved + 16) / (tone + 16)
    # what turns darker keeps more of it where the other hair's strands show more; noise is not made more of
    usual = max(own.strands * (towards.mean[0] + 16) / (own.mean[0] + 16), 1e-3)
    more = np.minimum(contrast * np.clip(np.sqrt(towards.strands / usual), 1, STRANDS_GAIN), 1)
    contrast = np.clip(np.maximum(contrast, more), *CONTRAST_GAIN)
    contrast = np.minimum(contrast, np.maximum(100 - moved, 4) / (HEADROOM * max(own.strands, 1e-3)))
    light = _soft_limit(moved + strands * contrast, 0, 100)
    light += towards.mean[0] - _mean(light[..., None], weight)[0]  # the limits above bend the mean away
    # what is nearly grey has nearly grey lights and shadows, too
    chroma = (np.hypot(*towards.mean[1:]) + GREY) / (np.hypot(*own.mean[1:]) + GREY)
    tint = towards.tint(light) + min(chroma, 1) * ((low + fine)[..., 1:] - own.tint(tone + strands))
    fade = np.clip(light / max(towards.mean[0], 1), 0, 1)[..., None]
    tint += fade / max(float(_mean(fade, weight)[0]), 1e-3) * (towards.mean[1:] - _mean(tint, weight))
    lab = np.concatenate([light[..., None], tint], 2)
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


def _statistics(low: np.ndarray, fine: np.ndarray, weight: np.ndarray) -> LabStatistics:
    mean = _mean(low, weight)
    spread = np.sqrt(_mean((low - mean) ** 2, weight))
    return LabStatistics(mean, spread, float(_deviation(fine[..., 0], weight)), _palette((low + fine)[weight > 0]))


def _palette(lab: np.ndarray) -> np.ndarray:
    """The usual colours of pixels [N,3] by lightness, from black to white: [STEPS + 2, 3]."""
    shades = np.array_split(lab[np.argsort(lab[:, 0], kind="stable")], STEPS)
    shades = np.array([np.zeros(3), *(shade.mean(0) for shade in shades if len(shade)), [100, 0, 0]])
    shades[:, 0] += 1e-3 * np.arange(len(shades))  # uniform ones have an order, too
    return shades


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
