"""Finer strands for hair from a smaller photo, so that it is as sharp as the photo it comes into."""

from __future__ import annotations

import cv2
import numpy as np

ANGLES = 12
"""Directions that strands are drawn in; those between are mixed."""
LENGTH = 31
"""px of a drawn strand."""
BANDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Sigmas, px, between which detail is compared; the last band is what both pictures are taken to have."""
LEAST = 0.5
"""Share of an octave's detail that has to be missing for strands to be drawn in it."""
FINEST = 2
"""Octaves that strands are drawn in; coarser detail is the hair's own shape."""
DRAWN = 0.6
"""Share of the missing detail that is drawn."""
CONTRAST = 2.0
"""Largest ratio of the two pictures' coarsest bands that is believed."""


def with_finer_strands(
    image: np.ndarray, mask: np.ndarray, like: np.ndarray, like_mask: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Hair with the fine detail that it lacks beside other hair, drawn along its strands: float32 [H,W,3].

    image: float32 [H,W,3] in 0..1; mask: float32 [H,W], its hair.  like, like_mask: a picture of the same resolution
    with hair as sharp as wanted.  Detail is compared by octaves, relative to the coarsest; where nothing is missing,
    or a mask is too small to tell, the image comes back.
    """
    if min((mask > 0.9).sum(), (like_mask > 0.9).sum()) < 256:
        return image
    grey, other = (cv2.cvtColor(np.float32(x), cv2.COLOR_RGB2GRAY) for x in (image, like))
    own, wanted = _levels(grey, mask > 0.9), _levels(other, like_mask > 0.9)
    wanted = wanted * np.clip(own[-1] / max(wanted[-1], 1e-6), 1 / CONTRAST, CONTRAST)
    missing = np.sqrt(np.maximum(wanted**2 - own**2, 0))
    missing[FINEST:] = 0
    missing[own > (1 - LEAST) * wanted] = 0
    if not missing.any():
        return image
    y, x, height, width = _box(mask)
    part = np.s_[y : y + height, x : x + width]
    drawn = _drawn(grey[part], seed)
    detail = np.zeros_like(drawn)
    for level, band in zip(missing, _bands(drawn)):
        detail += DRAWN * band * level / max(float(band.std()), 1e-6)
    # in proportion to the light: shadows between strands stay dark
    light = cv2.GaussianBlur(grey[part], (0, 0), BANDS[-1])
    relative = detail / max(float(light[mask[part] > 0.9].mean()), 0.02)
    result = image.copy()
    result[part] *= 1 + (mask[part] * np.clip(relative, -0.6, 0.8))[..., None]
    return np.clip(result, 0, 1).astype(np.float32)


def _bands(grey: np.ndarray) -> list[np.ndarray]:
    """Octaves of detail, from fine to coarse."""
    blurs = [grey, *(cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in BANDS)]
    return [fine - coarse for fine, coarse in zip(blurs, blurs[1:])]


def _levels(grey: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Standard deviation of each octave."""
    return np.array([band[at].std() for band in _bands(grey)])


def _drawn(grey: np.ndarray, seed: int) -> np.ndarray:
    """Noise drawn out along the strands of ``grey``: float32 [H,W]."""
    across, down = (cv2.Sobel(cv2.GaussianBlur(grey, (0, 0), 2), cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    xx, yy, xy = (cv2.GaussianBlur(plane, (0, 0), LENGTH / 2) for plane in (across**2, down**2, across * down))
    angle = (0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2) % np.pi * ANGLES / np.pi  # of the strand, in kernels
    noise = np.random.default_rng(seed).standard_normal(grey.shape, np.float32)
    result, weight = np.zeros_like(grey), np.zeros_like(grey)
    for k in range(ANGLES):
        apart = np.abs((angle - k + ANGLES / 2) % ANGLES - ANGLES / 2)
        share = np.maximum(1 - apart, 0)
        result += share * cv2.filter2D(noise, -1, _line(k * np.pi / ANGLES), borderType=cv2.BORDER_REFLECT)
        weight += share**2
    return result / np.sqrt(np.maximum(weight, 1e-6))


def _line(angle: float) -> np.ndarray:
    """A soft line through the middle of [LENGTH,LENGTH], unit norm."""
    reach = LENGTH // 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, away = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    line = np.exp(-((along / (0.45 * reach)) ** 2) - (away / 0.7) ** 2).astype(np.float32)
    return line / np.linalg.norm(line)


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """y, x, height and width of what the mask covers."""
    rows, columns = (np.flatnonzero(mask.max(axis) > 0.02) for axis in (1, 0))
    return rows[0], columns[0], rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
