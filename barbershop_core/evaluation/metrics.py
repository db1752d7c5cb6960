"""Metrics that torchmetrics lacks: colour difference, overlap, error inside a mask.

Pictures are uint8 [H,W,3] sRGB, masks bool [H,W].  Plain numpy in double precision.
"""

from __future__ import annotations

import numpy as np

_XYZ_OF_RGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_D65 = np.array([0.95047, 1.0, 1.08883])


def lab(pixels: np.ndarray) -> np.ndarray:
    """CIELAB (D65, 2 degrees) of sRGB: uint8 [...,3] -> float64 [...,3] (IEC 61966-2-1, CIE 15)."""
    c = np.asarray(pixels, np.float64) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    t = linear @ _XYZ_OF_RGB.T / _D65
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def rgb(values: np.ndarray) -> np.ndarray:
    """The inverse of :func:`lab`: float [...,3] -> uint8 [...,3], clipped into the gamut."""
    v = np.asarray(values, np.float64)
    fy = (v[..., 0] + 16) / 116
    f = np.stack([fy + v[..., 1] / 500, fy, fy - v[..., 2] / 200], -1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * _D65
    linear = np.clip(xyz @ np.linalg.inv(_XYZ_OF_RGB).T, 0, 1)
    c = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(c * 255).astype(np.uint8)


def ciede2000(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """CIEDE2000 colour difference, kL = kC = kH = 1: Lab [...,3], Lab [...,3] -> [...].

    Sharma, Wu & Dalal, "The CIEDE2000 Color-Difference Formula: Implementation Notes, Supplementary
    Test Data, and Mathematical Observations" (2005), equations 2 to 22.
    """
    l1, a1, b1 = np.moveaxis(np.asarray(one, np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(np.asarray(two, np.float64), -1, 0)
    chroma7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = 0.5 * (1 - np.sqrt(chroma7 / (chroma7 + 25.0**7)))
    c1, c2 = np.hypot((1 + g) * a1, b1), np.hypot((1 + g) * a2, b2)
    h1 = np.degrees(np.arctan2(b1, (1 + g) * a1)) % 360
    h2 = np.degrees(np.arctan2(b2, (1 + g) * a2)) % 360
    grey = c1 * c2 == 0  # hue is undefined
    dh = h2 - h1
    dh = np.where(grey, 0.0, np.where(dh > 180, dh - 360, np.where(dh < -180, dh + 360, dh)))
    d_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(dh) / 2)
    total = h1 + h2
    far = np.where(total < 360, total + 360, total - 360) / 2
    mean_h = np.where(grey, total, np.where(np.abs(h1 - h2) > 180, far, total / 2))
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * np.cos(np.radians(mean_h - 30))
        + 0.24 * np.cos(np.radians(2 * mean_h))
        + 0.32 * np.cos(np.radians(3 * mean_h + 6))
        - 0.20 * np.cos(np.radians(4 * mean_h - 63))
    )
    s_l = 1 + 0.015 * (mean_l - 50) ** 2 / np.sqrt(20 + (mean_l - 50) ** 2)
    s_c, s_h = 1 + 0.045 * mean_c, 1 + 0.015 * mean_c * t
    r_c = 2 * np.sqrt(mean_c**7 / (mean_c**7 + 25.0**7))
    r_t = -np.sin(np.radians(60 * np.exp(-(((mean_h - 275) / 25) ** 2)))) * r_c
    x, y, z = (l2 - l1) / s_l, (c2 - c1) / s_c, d_hue / s_h
    return np.sqrt(x * x + y * y + z * z + r_t * y * z)


def mean_colour(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean Lab colour [3] inside a mask that is not empty."""
    return lab(pixels[mask]).mean(0)


def iou(one: np.ndarray, two: np.ndarray) -> float | None:
    """Intersection over union of two masks; ``None`` where both are empty."""
    union = np.count_nonzero(one | two)
    return float(np.count_nonzero(one & two) / union) if union else None


def masked_psnr(one: np.ndarray, two: np.ndarray, mask: np.ndarray) -> float | None:
    """PSNR in dB (peak 255) over the pixels of a mask; ``None`` where it is empty, and at most 100."""
    if not mask.any():
        return None
    error = np.square(one[mask].astype(np.float64) - two[mask]).mean()
    return float(min(100.0, 10 * np.log10(255.0**2 / max(error, 1e-12))))


def colour_difference(image: np.ndarray, hair: np.ndarray, truth: np.ndarray, true_hair: np.ndarray) -> float | None:
    """CIEDE2000 between the mean Lab colours of hair in a picture and in the truth.

    Both means are over the pixels that are hair in both (so that light and shade are the same), or, where
    there are none, each over its own hair.  ``None`` where either picture shows no hair.
    """
    both = hair & true_hair
    if both.any():
        hair = true_hair = both
    if not hair.any() or not true_hair.any():
        return None
    return float(ciede2000(mean_colour(image, hair), mean_colour(truth, true_hair)))
