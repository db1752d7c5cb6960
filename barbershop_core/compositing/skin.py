"""Skin under a fringe: forehead, temples and skull in the person's own tones, light and texture, and the brows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..photo.ramp import smoothstep
from .continuation import blurred, continue_colours, harmonic
from .face_points import BROWS
from .frame import around
from .photograph import Photograph
from .planes import enclosed, resized, widened
from .skull import Skull
from .texture import grain

WORKING = 192
"""px at which light and tones are continued."""
SHADOW = 0.03
"""How far hair shades the skin beside it, as a share of the crop's side."""
PORES = 0.8
"""Strength of the skin's texture under hair, relative to the face's: foreheads are smoother than cheeks."""
FROM_ABOVE = 0.5
"""Least light from above, relative to that from the viewer: faces tell the two apart poorly, foreheads well."""
LIMITS = (0.6, 1.06)
"""Darkest and brightest filled skin, relative to the visible skin's 5th and 95th percentile."""
SOCKETS = ((*BROWS[0], 33, 133, 145, 153, 168), (*BROWS[1], 263, 362, 374, 380, 168))
"""Points around each eye and its brow."""
BESIDE_BROW = 0.2
"""How far around the brows the picture is looked at and changed, in eye distances."""
HIDDEN = 0.04
"""Share of a brow from which on it is rebuilt."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A part of the person that hair covered.

    mask: float32 [S,S], where it is, under the hair too.  colours: float32 [S,S,3], right at least there.
    light: float32 [S,S,3], what the visible photo near the hair lacks because hair shades it.
    """

    mask: np.ndarray
    colours: np.ndarray
    light: np.ndarray


def face_under_hair(photograph: Photograph, head: Skull, hole: np.ndarray) -> Layer:
    """The head, its skin and brows."""
    size = photograph.size
    work = min(size, WORKING)
    cover, normals = head.surface((work, work), work / size)
    covered, colours = resized(hole, work), resized(photograph.image, work)
    features = photograph.part("brows", "eyes", "glasses", "mouth", size=work)
    skin = photograph.part("skin", "nose", size=work) > 0.6
    skin &= (widened(features, 0.012 * work) < 0.3) & (cover > 0.5)
    lit = (skin & (widened(covered, SHADOW * work) < 0.1)).astype(np.float32)
    sockets = _sockets(photograph, work)
    low = _skin(colours, lit, (skin & (covered < 0.02)) * sockets, normals, cover)
    full = resized(low, size, cv2.INTER_CUBIC)
    seen = (photograph.part("skin", "nose", size=work) > 0.5) * cover * (widened(features, 0.006 * work) < 0.5)
    here = cover * (1 - sockets) * (1 - cv2.GaussianBlur(widened(features, 1), (0, 0), 1.5))
    light = resized(shaded_by_hair(colours, low, seen, covered) * here[..., None], size)
    filled = full + PORES * grain(photograph.image, resized(lit, size), size / 150, seed=1)
    filled = _brows(photograph, filled, full, hole)
    return Layer(head.mask(size), filled, light)


def shaded_by_hair(colours: np.ndarray, low: np.ndarray, seen: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """What ``colours`` lack of ``low`` beside the hair: [W,W,3], fading out with the distance from it.

    seen: [W,W], where the two show the same.  covered: [W,W], the hair.
    """
    free = covered < 0.02
    seen = np.float32((seen > 0.5) & free)
    missing = continue_colours(low - blurred(colours, seen, max(1.0, len(colours) / 90)), seen)
    far = cv2.distanceTransform(free.astype(np.uint8), cv2.DIST_L2, 5) / (SHADOW * len(colours))
    return missing * (1 - smoothstep(far, 0.2, 1.3))[..., None]


def _skin(
    colours: np.ndarray, known: np.ndarray, sockets: np.ndarray, normals: np.ndarray, domain: np.ndarray
) -> np.ndarray:
    """Low frequencies of skin over ``domain``: light on a rounded head, and what the visible skin differs from it.

    known: skin in the head's light.  sockets: visible skin around the eyes, whose shadows are the face's own.
    """
    if known.sum() < 20:
        return continue_colours(colours, domain)
    low = blurred(colours, known, len(colours) / 60)
    at = known > 0.5
    basis = np.concatenate([np.ones_like(normals[..., :1]), normals], 2)
    rows, values = basis[at], low[at]
    trust = np.ones(len(rows), np.float32)
    for _ in range(4):  # shadows of hair and nose, and highlights, are not the light on the head
        ridge = 0.02 * trust.sum() * np.diag([0, 1, 1, 1])
        weights = np.linalg.solve((rows.T * trust) @ rows + ridge, (rows.T * trust) @ values)
        weights[2] = np.minimum(weights[2], FROM_ABOVE * np.minimum(weights[3], 0))
        weights[0] = (trust[:, None] * (values - rows[:, 1:] @ weights[1:])).sum(0) / trust.sum()
        error = (values - rows @ weights).mean(1)
        scale = 1.4826 * np.median(np.abs(error)) + 1e-3
        trust = 1 / (1 + (error / np.where(error < 0, 0.7 * scale, 2.5 * scale)) ** 2)
    darkest, brightest = np.percentile(values[trust > 0.4], (5, 95), axis=0)
    light = np.clip(basis @ weights, LIMITS[0] * darkest, LIMITS[1] * brightest)
    known = known.copy()
    known[at] *= trust
    known = np.maximum(known, sockets)
    low = blurred(colours, np.maximum(known, 1e-3 * at), len(colours) / 90)
    rest = harmonic(low - light, known, domain, decay=0.001)
    return (light + rest).astype(np.float32)


def _sockets(photograph: Photograph, size: int) -> np.ndarray:
    """Around the eyes up to the brows, where skin is dark without any hair: float32 [size,size], soft."""
    scale = size / photograph.size
    mask = np.zeros((size, size), np.uint8)
    for outline in SOCKETS:
        hull = cv2.convexHull(np.float32((photograph.mesh[list(outline), :2] + 0.5) * scale - 0.5))
        cv2.fillConvexPoly(mask, np.round(hull).astype(np.int32), 1)
    unit = photograph.eye_distance * scale
    return cv2.GaussianBlur(widened(mask, 0.02 * unit), (0, 0), max(0.5, 0.04 * unit))


def _brows(photograph: Photograph, filled: np.ndarray, low: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The filled skin with the brows that hair covers: mirrored from the other one, or drawn where both are covered."""
    unit = photograph.eye_distance
    photograph, part = around(photograph, photograph.mesh[[k for brow in BROWS for k in brow], :2], BESIDE_BROW * unit)
    low, hole, whole, filled = low[part], hole[part], filled, filled[part]
    outlines = [photograph.mesh[list(points), :2] for points in BROWS]
    masks = [enclosed(outline, low.shape[:2]) for outline in outlines]
    hidden = [float((mask * hole).sum() / max(mask.sum(), 1)) for mask in masks]
    ratio = photograph.image / np.maximum(low, 0.02)  # what a brow takes away from the light of the skin
    near = cv2.GaussianBlur(widened(hole, 0.06 * unit), (0, 0), 0.03 * unit)
    bare = ratio + near[..., None] * (1 - ratio)
    for k, (outline, mask) in enumerate(zip(outlines, masks)):
        if hidden[k] < HIDDEN:
            continue
        beside = cv2.GaussianBlur(widened(mask, 0.03 * unit), (0, 0), 0.03 * unit)
        matrix, _ = cv2.estimateAffine2D(outlines[1 - k], outline)
        if matrix is not None and hidden[1 - k] < min(HIDDEN * 3, hidden[k]):
            taken = cv2.warpAffine(
                bare, matrix, mask.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            )
            taken = np.clip(taken, 0.05, 1.1)
        else:
            taken = _drawn(photograph, ratio, mask, masks, hole, seed=k)
        filled = filled * (1 + beside[..., None] * (taken - 1))
    whole = whole.copy()
    whole[part] = filled
    return whole


def _drawn(
    photograph: Photograph, ratio: np.ndarray, mask: np.ndarray, masks: list[np.ndarray], hole: np.ndarray, seed: int
) -> np.ndarray:
    """A soft brow, as a factor of the skin's colour [S,S,3]; as dark as what is seen of brows, or as the hair."""
    unit = photograph.eye_distance
    seen = np.maximum(*masks) * (1 - hole) > 0.5
    if seen.sum() > 0.02 * unit:
        tone = np.median(ratio[seen], 0)
    else:
        hair = photograph.part("hair", size=photograph.size) * hole > 0.5
        tone = np.median(ratio[hair], 0) if hair.any() else np.full(3, 0.5)
    tone = np.clip(tone, 0.25, 0.8)
    noise = np.random.default_rng(seed).standard_normal(mask.shape, np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=max(0.6, 0.02 * unit), sigmaY=max(0.4, 0.004 * unit))
    noise = 1 + 0.35 * noise / noise.std()
    shape = cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.022 * unit)) * np.clip(noise, 0.2, 1.6)
    return (1 + shape[..., None] * (tone - 1)).astype(np.float32)
