"""Texture where there is none: a photo's grain anew, and patches of its structure."""

from __future__ import annotations

import numpy as np

from .continuation import blurred

PATCH = 64
"""px of the patches whose spectra are averaged."""
TILE = 512
"""px of the new texture at the most; larger pictures repeat it."""


def grain(image: np.ndarray, mask: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    """New texture like what is finer than ``sigma`` px in ``image`` under ``mask``: float32 [H,W,3], mean 0.

    Gaussian noise with the averaged spectrum and the colours' covariance of patches (Galerne, Gousseau, Morel, "Random
    phase textures", 2011): right for grain, pores and canvas.  0 where too little is known to say.
    """
    height, width = image.shape[:2]
    sure = (mask > 0.9).astype(np.float32)
    fine = (image - blurred(image, sure, sigma)) * sure[..., None]
    patches = _patches(fine, sure, min(PATCH, height, width))
    if len(patches) == 0:
        return np.zeros((height, width, 3), np.float32)
    side = patches.shape[1]
    values = patches.reshape(-1, 3)
    covariance = values.T @ values / len(values)
    spectrum = (np.abs(np.fft.rfft2(patches, axes=(1, 2))) ** 2).mean((0, 3))
    spot = np.fft.fftshift(np.fft.irfft2(np.sqrt(spectrum), (side, side)))
    spot *= np.outer(np.hanning(side), np.hanning(side))
    spot /= max(float(np.linalg.norm(spot)), 1e-12)
    tile = min(max(height, width), TILE)
    shape = np.zeros((tile, tile), np.float32)
    shape[: min(side, tile), : min(side, tile)] = spot[:tile, :tile]
    noise = np.random.default_rng(seed).standard_normal((tile, tile, 3), np.float32)
    noise = np.fft.irfft2(np.fft.rfft2(noise, axes=(0, 1)) * np.fft.rfft2(shape)[..., None], (tile, tile), axes=(0, 1))
    root = np.linalg.cholesky(covariance + 1e-12 * np.eye(3))
    copies = (-(-height // tile), -(-width // tile), 1)
    return np.tile((noise @ root.T).astype(np.float32), copies)[:height, :width]


def _patches(fine: np.ndarray, sure: np.ndarray, side: int) -> np.ndarray:
    """The calmer half of the patches wholly under ``sure``, smaller ones if there are none: [N,side,side,3]."""
    while side >= 8:
        step = side // 2
        corners = [
            (y, x)
            for y in range(0, len(sure) - side + 1, step)
            for x in range(0, sure.shape[1] - side + 1, step)
            if sure[y : y + side : 2, x : x + side : 2].mean() > 0.995
        ]
        if len(corners) >= 4 or (corners and side <= 16):
            cut = np.stack([fine[y : y + side, x : x + side] for y, x in corners])
            cut = cut - cut.mean((1, 2), keepdims=True)
            energy = (cut**2).mean((1, 2, 3))
            return cut[np.argsort(energy, kind="stable")[: max(2, len(cut) // 2)]][:64]
        side //= 2
    return np.zeros((0, 8, 8, 3), np.float32)
