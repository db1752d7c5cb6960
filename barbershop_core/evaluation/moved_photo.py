"""The same photo taken again: turned in plane, scaled, shifted and brightened, with the motion known."""

from __future__ import annotations

import cv2
import numpy as np

from ..photo import Portrait
from ..photo.crop import crop_grid
from . import texture

TURN, ZOOM, SHIFT, GAIN = 15.0, (0.8, 1.2), 0.06, (0.8, 1.25)
"""Of the moved photo: degrees, factors, share of the crop's side, factors of the sRGB values."""


def moved_photo(portrait: Portrait, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A portrait's whole photo turned about the crop's middle, scaled, shifted and brightened.

    Returns uint8 [H,W,3], its edge repeated where it shows more than the photo, and the matrix [2,3] from the
    photo's pixel centres to its own.
    """
    centre = portrait.quad.mean(0) - 0.5
    side = np.linalg.norm(portrait.quad[3] - portrait.quad[0])
    matrix = cv2.getRotationMatrix2D(tuple(centre), rng.uniform(-TURN, TURN), rng.uniform(*ZOOM))
    matrix[:, 2] += rng.uniform(-SHIFT, SHIFT, 2) * side
    size = portrait.source.shape[1::-1]
    pixels = cv2.warpAffine(portrait.source, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.clip(pixels.astype(np.float32) * rng.uniform(*GAIN), 0, 255).round().astype(np.uint8), matrix


def still_seen(portrait: Portrait, matrix: np.ndarray, shape: tuple[int, int], size: int = texture.SIZE) -> np.ndarray:
    """bool [size,size]: the pixels of the crop that a moved photo of this shape shows."""
    places = crop_grid(portrait.quad, size) - 0.5
    x, y = np.moveaxis(places @ matrix[:, :2].T + matrix[:, 2], -1, 0)
    return (x >= 0) & (y >= 0) & (x <= shape[1] - 1) & (y <= shape[0] - 1)  # between centres: nothing is repeated
