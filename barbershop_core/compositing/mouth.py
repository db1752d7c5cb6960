"""The inside of a mouth that the photograph does not show: dark, with a tongue and a row of upper teeth."""

from __future__ import annotations

import cv2
import numpy as np

from .planes import enclosed

TOOTH = 0.075
"""Height of the row of teeth below the upper lip, in distances between the eyes."""
TEETH = 8


def mouth_inside(
    image: np.ndarray, shown: np.ndarray, before: np.ndarray, still: np.ndarray, now: np.ndarray, eyes: float
) -> np.ndarray:
    """What is between the lips, float32 [h,w,3].

    image: float32 [S,S,3], the photograph; before: [20,2], the lips' inner edge in it, px.
    shown: float32 [h,w,3], a window of the photograph carried along with the skull; still, now: the lips' inner edge
    in this window, carried along with the skull, and where it has moved to.  eyes: distance between the eyes, px.
    """
    y, x = np.mgrid[: shown.shape[0], : shown.shape[1]].astype(np.float32)
    left, right = now[0], now[10]
    along = (right - left) / max(np.linalg.norm(right - left), 1e-6)
    down = np.array([-along[1], along[0]])
    u = ((x - left[0]) * along[0] + (y - left[1]) * along[1]) / max(np.linalg.norm(right - left), 1e-6)
    below = (x - left[0]) * down[0] + (y - left[1]) * down[1]
    upper, lower, skull = (
        _edge(edge, left, along, down, u) for edge in (now[:11], now[[0, *range(19, 9, -1)]], still[:11])
    )
    open_ = np.maximum(lower - upper, 1e-3)
    v = np.clip((below - upper) / open_, 0, 1)
    skin, teeth = _tones(image, before, eyes)
    inside = _cavity(u, v, skin)
    gap = float(np.percentile(open_, 90)) / eyes
    tooth = np.clip((gap - 0.05) / 0.12, 0, 1)
    between = np.abs((u * TEETH) % 1 - 0.5) * 2
    row = TOOTH * eyes * tooth * (1 - 0.45 * np.square(2 * u - 1)) * (1 - 0.12 * between**4)
    edge = (below - np.minimum(skull, upper + 0.35 * TOOTH * eyes)) - row
    softness = max(0.008 * eyes, 0.7)
    cover = 1 / (1 + np.exp(np.clip(edge / softness, -30, 30)))
    cover *= np.clip((0.42 - np.abs(u - 0.5)) / 0.08, 0, 1) * tooth
    shade = (1 - 0.35 * np.square(2 * u - 1)) * (1 - 0.16 * np.exp(-np.square((1 - between) / 0.12)))
    shade *= 0.72 + 0.28 * np.clip((below - upper) / (0.06 * eyes), 0, 1)
    inside = inside + cover[..., None] * (teeth * shade[..., None] - inside)
    inside = cv2.GaussianBlur(inside, (0, 0), max(0.006 * eyes, 0.5))
    within = still.copy()
    within[11:] += 0.3 * (still[9:0:-1] - still[11:])  # well away from the lower lip, which has moved
    known = cv2.GaussianBlur(enclosed(within, shown.shape[:2]), (0, 0), max(0.012 * eyes, 0.7))
    known = np.clip(2 * known - 1, 0, 1)[..., None]
    return inside + known * (shown - inside)


def _edge(points: np.ndarray, left: np.ndarray, along: np.ndarray, down: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Height of a lip's edge [11,2] below the line between the corners, px, at each u."""
    width = max(float(np.ptp((points - left) @ along)), 1e-6)
    at, height = (points - left) @ along / width, (points - left) @ down
    order = np.argsort(at)
    return np.interp(u, at[order], height[order]).astype(np.float32)


def _tones(image: np.ndarray, before: np.ndarray, eyes: float) -> tuple[np.ndarray, np.ndarray]:
    """Colours [3] of the skin around the mouth, and of teeth in the same light."""
    size, middle = len(image), before.mean(0)
    y, x = np.ogrid[:size, :size]
    near = np.hypot(x - middle[0], y - middle[1]) / eyes
    skin = np.median(image[(near > 0.3) & (near < 0.5)], axis=0)
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(before).astype(np.int32)], 1)
    between = image[mask > 0]
    bright = between[between.mean(1) > 0.75 * skin.mean()] if len(between) else between
    if len(bright) > 0.004 * eyes * eyes:  # the photo shows teeth
        return skin, np.percentile(bright, 60, axis=0)
    level = float(skin @ np.array([0.3, 0.6, 0.1]))
    return skin, np.clip(1.08 * level * (0.55 + 0.45 * skin / max(level, 1e-3)), 0, 0.92)


def _cavity(u: np.ndarray, v: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Darkness with a tongue at the bottom, float32 [h,w,3]."""
    dark = skin * np.array([0.22, 0.12, 0.11])
    tongue = skin * np.array([0.62, 0.38, 0.38])
    round_ = np.square((u - 0.5) / 0.36) + np.square((v - 1.05) / 0.48)
    share = 1 / (1 + np.exp(np.clip((round_ - 0.8) * 5, -30, 30)))
    light = 0.35 + 0.65 * np.clip(v, 0, 1)
    corner = np.clip(1.25 - np.square(2 * u - 1), 0.35, 1)
    return ((dark + share[..., None] * (tongue * light[..., None] - dark)) * corner[..., None]).astype(np.float32)
