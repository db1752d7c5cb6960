"""Texture where there is none: a photo's grain anew, and patches of its structure."""

from __future__ import annotations

import cv2
import numpy as np
import scipy.fft

PATCH = 64
"""px of the patches whose spectra are averaged."""
MOST = 64
"""Patches that are looked at."""
TILE = 512
"""px of the new texture at the most; larger pictures repeat it."""


def grain(image: np.ndarray, mask: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    """New texture like what is finer than ``sigma`` px in ``image`` under ``mask``: float32 [H,W,3], mean 0.

    Gaussian noise with the averaged spectrum and the colours' covariance of patches (Galerne, Gousseau, Morel, "Random
    phase textures", 2011): right for grain, pores and canvas.  0 where too little is known to say.
    """
    height, width = image.shape[:2]
    patches = _patches(image, (mask > 0.9).astype(np.float32), sigma)
    if len(patches) == 0:
        return np.zeros((height, width, 3), np.float32)
    side = patches.shape[1]
    values = patches.reshape(-1, 3)
    covariance = values.T @ values / len(values)
    spectrum = (np.abs(scipy.fft.rfft2(patches, axes=(1, 2))) ** 2).mean((0, 3))
    spot = scipy.fft.fftshift(scipy.fft.irfft2(np.sqrt(spectrum), (side, side)))
    spot *= np.outer(np.hanning(side), np.hanning(side))
    spot /= max(float(np.linalg.norm(spot)), 1e-12)
    tile = min(max(height, width), TILE)
    shape = np.zeros((tile, tile), np.float32)
    shape[: min(side, tile), : min(side, tile)] = spot[:tile, :tile]
    noise = np.random.default_rng(seed).standard_normal((tile, tile, 3), np.float32)
    noise = scipy.fft.irfft2(
        scipy.fft.rfft2(noise, axes=(0, 1)) * scipy.fft.rfft2(shape)[..., None], (tile, tile), axes=(0, 1)
    )
    root = np.linalg.cholesky(covariance + (1e-10 + 1e-5 * np.trace(covariance)) * np.eye(3))
    copies = (-(-height // tile), -(-width // tile), 1)
    return np.tile((noise @ root.T).astype(np.float32), copies)[:height, :width]


def _patches(image: np.ndarray, sure: np.ndarray, sigma: float) -> np.ndarray:
    """Detail of the calmer half of the patches wholly under ``sure``, smaller ones if there are none:
    [N,side,side,3]."""
    side = min(PATCH, *sure.shape)
    while side >= 8:
        share = cv2.boxFilter(sure, -1, (side, side), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
        corners = np.argwhere(share[: -side + 1 or None : side // 2, : -side + 1 or None : side // 2] > 0.995)
        if len(corners) >= 4 or (len(corners) and side <= 16):
            corners = corners[:: -(-len(corners) // MOST)] * (side // 2)
            cut = [image[y : y + side, x : x + side] for y, x in corners]
            cut = np.stack([patch - cv2.GaussianBlur(patch, (0, 0), sigma) for patch in cut])
            cut = cut - cut.mean((1, 2), keepdims=True)
            energy = (cut**2).mean((1, 2, 3))
            return cut[np.argsort(energy, kind="stable")[: max(2, len(cut) // 2)]].astype(np.float32)
        side //= 2
    return np.zeros((0, 8, 8, 3), np.float32)
