"""Measures of what makes a picture a photograph: its fine texture, and its colours' means.

Pictures are uint8 [H,H,3] sRGB of any size, masks bool [H,H] of any size; fine texture is compared at
``SIZE`` px, whatever the photo's resolution, so that figures of small and large photos are comparable.
"""

from __future__ import annotations

import cv2
import numpy as np

from .metrics import mean_colour

SIZE = 512
SIGMA = 2.0  # px at SIZE; strands, pores and grain are finer
EDGE = 4  # px by which masks are eroded: their edges are no texture
LEAST = 400  # px of a mask with texture at the least


def at(picture: np.ndarray, size: int = SIZE) -> np.ndarray:
    """A picture or mask at ``size`` px; masks are True where more than half is."""
    if len(picture) == size:
        return picture
    way = cv2.INTER_AREA if len(picture) > size else cv2.INTER_CUBIC
    if picture.dtype == bool:
        return cv2.resize(picture.astype(np.float32), (size, size), interpolation=way) > 0.5
    return cv2.resize(picture, (size, size), interpolation=way)


def fine(picture: np.ndarray) -> np.ndarray:
    """Fine texture: the luma (Rec. 709, of sRGB values 0..255) less its Gaussian blur, float32 [SIZE,SIZE]."""
    luma = at(picture).astype(np.float32) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    return luma - cv2.GaussianBlur(luma, (0, 0), SIGMA)


def inner(mask: np.ndarray) -> np.ndarray:
    """bool [SIZE,SIZE]: the mask without its edge; all of it where little would be left."""
    whole = at(mask)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * EDGE + 1, 2 * EDGE + 1))
    eroded = cv2.erode(whole.astype(np.uint8), disc) > 0
    return eroded if eroded.sum() >= LEAST else whole


def texture_share(
    result: np.ndarray, photo: np.ndarray, mask: np.ndarray, photo_mask: np.ndarray | None = None
) -> float | None:
    """Standard deviation of the result's fine texture, as a share of the photo's: 1 is as rough as the photo.

    mask: where the result is compared; photo_mask: where the photo is, by default at the same place.
    None where a mask is too small or the photo has no texture there.
    """
    here, there = inner(mask), inner(mask if photo_mask is None else photo_mask)
    if min(here.sum(), there.sum()) < LEAST:
        return None
    wanted = float(fine(photo)[there].std())
    return float(fine(result)[here].std()) / wanted if wanted > 1e-3 else None


def texture_correlation(result: np.ndarray, photo: np.ndarray, mask: np.ndarray) -> float | None:
    """Correlation of both pictures' fine texture inside a mask: 1 if every strand is in its place, about 0
    for texture from elsewhere.  None where the mask is too small, 0 where a picture has no texture there."""
    where = inner(mask)
    if where.sum() < LEAST:
        return None
    one, two = (fine(picture)[where].astype(np.float64) for picture in (result, photo))
    one, two = one - one.mean(), two - two.mean()
    size = float(np.sqrt((one * one).sum() * (two * two).sum()))
    return float((one * two).sum()) / size if size > 1e-6 else 0.0


def lab_distance(one: np.ndarray, mask: np.ndarray, two: np.ndarray, other_mask: np.ndarray) -> float | None:
    """Euclidean distance of the mean Lab colours inside two masks (CIE 1976); None where one is empty."""
    masks = at(mask, len(one)), at(other_mask, len(two))
    if not masks[0].any() or not masks[1].any():
        return None
    return float(np.linalg.norm(mean_colour(one, masks[0]) - mean_colour(two, masks[1])))
