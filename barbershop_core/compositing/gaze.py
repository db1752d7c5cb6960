"""Where the eyes look: each iris is moved within its eye's opening, and what it uncovers is filled with white.

The eyeball is a ball of known proportions, so that an angle says how far its iris moves and how much narrower it is
seen.  Lids, lashes and everything outside of the openings keep their pixels.  Points of MediaPipe's mesh say where
irises and lids are; the iris's outline is then laid on the picture's own edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ..photo.ramp import smoothstep
from .continuation import harmonic
from .face_points import EYES
from .photograph import Photograph
from .planes import enclosed

IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))
"""Points of each iris, its middle first, in the order of `EYES`."""
CORNERS = ((33, 133), (263, 362))
"""Outer and inner corner of each eye."""
EYEBALL = 1.75
"""From the eyeball's middle to the plane of the iris, in radii of the iris (about 10.3 and 5.9 mm)."""
WORKING = 28.0
"""Radius of the iris, px, at which eyes are drawn."""
EDGE = 0.12
"""Softness of the iris's outline, in its radii."""
LID = 0.1
"""How far inside of the lids' points the change begins, likewise: lashes and the lids' edges stay."""
CLOSED = 0.62
"""MediaPipe's blink from which an eye counts as closed ..."""
NARROW = 0.13
"""... and the height of its opening as a share of its width."""
FAINT = 9.0
"""Least difference in L of Lab between iris and white; less is seen through dark glasses, or not at all."""
SEARCH = (0.15, 0.05)
"""How far the iris's outline is searched for beside MediaPipe's, and in which steps, in radii."""


@dataclass(frozen=True, eq=False)
class Eye:
    """One eye, ready to be moved; coordinates are pixels of an enlarged patch.

    corner: (x, y) px of the patch in the picture, which is `scale` times smaller; shape: (height, width) px there.
    image: float32 [H,W,3].  opening: float32 [H,W] in 0..1, where the eyeball is seen.  ball: float32 [H,W,3], the
    eyeball without its iris.  iris: float32 [H,W,3], the iris, whole.  middle: (x, y), radius: of the iris.
    """

    corner: tuple[int, int]
    shape: tuple[int, int]
    scale: float
    image: np.ndarray
    opening: np.ndarray
    ball: np.ndarray
    iris: np.ndarray
    middle: np.ndarray
    radius: float


def eyes(photograph: Photograph) -> tuple[Eye, ...]:
    """The eyes of a photograph that can be moved: those that are open and seen clearly; none without a mesh."""
    if photograph.mesh is None or len(photograph.mesh) < 478:
        return ()
    return tuple(_found(photograph))


def looking(image: np.ndarray, seen: tuple[Eye, ...], sideways: float, up: float) -> tuple[np.ndarray, np.ndarray]:
    """The picture with its eyes turned, and where it changed: float32 [S,S,3] in 0..1, [S,S].

    image: float32 [S,S,3], the picture that ``seen`` was made of, perhaps in other tones.
    sideways, up: degrees from where they look now, to the picture's right and upwards.
    """
    image, changed = image.copy(), np.zeros(image.shape[:2], np.float32)
    for eye in seen if sideways or up else ():
        new, where = _turned(eye, sideways, up)
        (x, y), (height, width) = eye.corner, eye.shape
        window = np.s_[y : y + height, x : x + width]
        step = cv2.resize(where[..., None] * (new - eye.image), (width, height), interpolation=cv2.INTER_AREA)
        image[window] = np.clip(image[window] + step, 0, 1)
        changed[window] = np.maximum(changed[window], np.clip(np.abs(step).max(2) * 255 - 0.5, 0, 1))
    return image, changed


# --- the eyes ---------------------------------------------------------------------------------


def _found(photograph: Photograph) -> Iterator[Eye]:
    for lids, iris, corners, side in zip(EYES, IRISES, CORNERS, ("Right", "Left")):  # the person's right is seen left
        outline, points = photograph.mesh[list(lids), :2], photograph.mesh[list(iris), :2]
        width = float(np.linalg.norm(np.subtract(*photograph.mesh[list(corners), :2])))
        across = np.subtract(*photograph.mesh[list(corners), :2]) / max(width, 1e-6)
        height = np.ptp(outline @ np.array([-across[1], across[0]]))
        if photograph.blendshapes.get(f"eyeBlink{side}", 0.0) > CLOSED or height < NARROW * width:
            continue
        radius = float(np.linalg.norm(points[1:] - points[0], axis=1).mean())
        eye = _eye(photograph, outline, points[0], radius)
        if eye is not None:
            yield eye


def _eye(photograph: Photograph, outline: np.ndarray, middle: np.ndarray, radius: float) -> Eye | None:
    """An eye by its points in pixels; None where its iris and its white are not told apart."""
    low = np.floor(np.minimum(outline.min(0), middle - radius) - radius).astype(int).clip(0)
    high = np.ceil(np.maximum(outline.max(0), middle + radius) + radius).astype(int) + 1
    high = np.minimum(high, photograph.size)
    (width, height), scale = high - low, max(WORKING / max(radius, 1e-3), 1.0)
    if radius < 1.5 or min(width, height) < 4:
        return None
    shape = round(height * scale), round(width * scale)
    patch = photograph.image[low[1] : high[1], low[0] : high[0]]
    patch = cv2.resize(patch, shape[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)
    outline, middle = ((points - low + 0.5) * scale - 0.5 for points in (outline, middle))
    radius *= scale
    hull = cv2.convexHull(outline.astype(np.float32))[:, 0]
    lids = enclosed(hull, shape)
    middle, radius = _fitted(cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY), lids, middle, radius)
    inside = cv2.distanceTransform(np.uint8(lids > 0.5), cv2.DIST_L2, 5) / radius
    opening = smoothstep(inside, LID, LID + 2 * EDGE)
    away = _away(shape, middle) / radius
    white = (away > 1 + 1.5 * EDGE) & (inside > LID + EDGE)
    coloured = (away < 1 - EDGE) & (inside > LID)
    lab = cv2.cvtColor(patch, cv2.COLOR_RGB2LAB)
    if white.sum() < 0.05 * radius**2 or coloured.sum() < 0.5 * radius**2:
        return None
    bright = lab[..., 0] > np.quantile(lab[white][:, 0], 0.25)  # not the lashes' shadows
    if np.median(lab[white & bright][:, 0]) - np.median(lab[coloured][:, 0]) < FAINT:
        return None
    ball = _ball(patch, white, bright, coloured, inside, radius)
    return Eye(tuple(low), (height, width), scale, patch, opening, ball, _iris(patch, away, inside), middle, radius)


def _away(shape: tuple[int, int], middle: np.ndarray) -> np.ndarray:
    """Distance of each pixel from a point, [H,W]."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return np.hypot(x - middle[0], y - middle[1])


def _fitted(grey: np.ndarray, lids: np.ndarray, middle: np.ndarray, radius: float) -> tuple[np.ndarray, float]:
    """Middle and radius of the iris where brightness rises most across its outline, near MediaPipe's."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.06 * radius)
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    around = np.stack([np.cos(angles), np.sin(angles)], 1)
    around = around[np.abs(around[:, 1]) < 0.8]  # above and below are the lids
    steps = np.arange(-SEARCH[0], SEARCH[0] + 1e-6, SEARCH[1]) * radius
    best, found = -np.inf, (middle, radius)

    def along(planes: np.ndarray, points: np.ndarray) -> np.ndarray:
        return cv2.remap(planes, points[None].astype(np.float32), None, cv2.INTER_LINEAR)[0]

    for size in radius * np.array([0.88, 0.94, 1.0, 1.06, 1.12]):
        for right in steps:
            for down in steps:
                at = middle + (right, down)
                within, beyond = (at + share * size * around for share in (0.88, 1.12))
                seen = along(lids, beyond) > 0.5
                if seen.sum() < 4:
                    continue
                rise = float((along(smooth, beyond) - along(smooth, within))[seen].mean())
                # MediaPipe is believed where edges do not say much else
                rise -= 0.1 * float(np.hypot(right, down) + abs(size - radius)) / radius
                if rise > best:
                    best, found = rise, (at, float(size))
    return found


def _ball(
    patch: np.ndarray, white: np.ndarray, bright: np.ndarray, iris: np.ndarray, inside: np.ndarray, radius: float
) -> np.ndarray:
    """The eyeball without its iris, [H,W,3]: its white continued, with the upper lid's shadow and the grain it has."""
    base = harmonic(patch, white & bright if (white & bright).sum() > 20 else white)
    smooth = cv2.GaussianBlur(patch, (0, 0), 0.15 * radius)
    grain = np.zeros_like(patch)
    if white.sum() > 20:
        noise = np.random.default_rng(0).standard_normal(patch.shape[:2] + (1,)).astype(np.float32)
        grain = noise * float((patch - smooth)[white].std()) * 0.3
    shadow = 0.78 + 0.22 * smoothstep(inside, LID, 0.45)  # the lids shade what is just under them
    filled = base * shadow[..., None] + grain
    share = cv2.GaussianBlur(white.astype(np.float32), (0, 0), 0.05 * radius)[..., None]
    return np.clip(filled + share * (patch - filled), 0, 1)


def _iris(patch: np.ndarray, away: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The iris with what the lids hide of it, [H,W,3]: there it is as elsewhere at the same distance from its
    middle."""
    seen = (inside > LID + EDGE) & (away < 1.1)
    rings = np.linspace(0, 1.3, 27)
    levels = []
    for low, high in zip(rings, rings[1:]):
        ring = seen & (away >= low) & (away < high)
        levels.append(np.median(patch[ring], 0) if ring.sum() > 3 else (levels[-1] if levels else np.zeros(3)))
    middles = (rings[:-1] + rings[1:]) / 2
    alike = np.stack([np.interp(away, middles, np.array(levels)[:, k]) for k in range(3)], 2).astype(np.float32)
    share = cv2.GaussianBlur(smoothstep(inside, LID, LID + 2 * EDGE), (0, 0), 1.0)[..., None]
    return alike + share * (patch - alike)


# --- turning ----------------------------------------------------------------------------------


def _turned(eye: Eye, sideways: float, up: float) -> tuple[np.ndarray, np.ndarray]:
    """The patch with the eye turned, [H,W,3], and how much of it shows, [H,W]."""
    angles = np.radians([sideways, -up])
    move, narrow = EYEBALL * eye.radius * np.sin(angles), np.cos(angles)
    shape = eye.opening.shape
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    right, down = ((plane - eye.middle[k] - move[k]) / narrow[k] for k, plane in enumerate((x, y)))
    at = (np.float32(plane + eye.middle[k]) for k, plane in enumerate((right, down)))
    iris = cv2.remap(eye.iris, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    share = 1 - smoothstep(np.hypot(right, down) / eye.radius, 1 - EDGE / 2, 1 + EDGE)
    made = eye.ball + share[..., None].astype(np.float32) * (iris - eye.ball)
    return np.clip(made, 0, 1), eye.opening.astype(np.float32)
