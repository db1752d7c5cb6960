"""What comes into view when hair goes: background, forehead and brows, neck and clothes.

Every region is continued from its own visible part of the same photo: low frequencies smoothly, texture and grain
anew.  What stands behind is filled first: background, then clothes and neck, then the face.
"""

from __future__ import annotations

import cv2
import numpy as np

from .continuation import blurred, continue_colours, harmonic, resized, widened
from .photograph import Photograph
from .skull import Skull, skull
from .texture import grain

WORKING = 192
"""px at which colours are continued."""
LEAST = 0.02
"""Alpha from which a pixel counts as touched by hair."""
FRINGE = 0.006
"""How far hair's traces reach beyond its alpha, as a share of the crop's side."""
SHADOW = 0.02
"""How far hair shades the skin beside it, in the same unit."""
LIMITS = (0.55, 1.1)
"""Darkest and brightest filled skin, relative to the visible skin's 5th and 95th percentile."""


def without_hair(
    photograph: Photograph, alpha: np.ndarray, keep: np.ndarray | None = None, donor: Photograph | None = None
) -> np.ndarray:
    """The photo with everything that hair covered filled in: float32 [S,S,3] in 0..1.

    alpha: float32 [S,S], the hair's.  keep: float32 [S,S], 1 where the photo stays although alpha touches it.
    donor: another photograph, carried into this frame.
    """
    image, size = photograph.image, photograph.size
    hole = widened((alpha > LEAST).astype(np.float32), FRINGE * size)
    if keep is not None:
        hole = hole * (1 - keep)
    known = (1 - hole) * photograph.known
    person = photograph.part(*(name for name in photograph.parts if name != "background"), size=size)
    wall = known * (widened(person, SHADOW * size) < 0.3)
    result = continue_into(image, np.maximum(hole, person), wall)
    work = min(size, WORKING)
    if photograph.mesh is not None:
        head = skull(photograph)
        for cover, colours in (_body(photograph, head, resized(hole, work)), _face(photograph, head, hole)):
            cover = resized(cover, size)[..., None]
            result = result + cover * (colours - result)
    soft = cv2.GaussianBlur(hole, (0, 0), max(0.5, FRINGE * size / 2))[..., None]
    soft = np.clip(soft * 2, 0, 1) if keep is None else np.clip(soft * 2, 0, 1) * (1 - keep[..., None])
    return np.clip(image + soft * (result - image), 0, 1).astype(np.float32)


def continue_into(image: np.ndarray, hole: np.ndarray, known: np.ndarray, seed: int = 0) -> np.ndarray:
    """``image`` [S,S,3] with ``hole`` [S,S] filled from where ``known`` [S,S] is 1, with the grain of that: float32."""
    size = len(image)
    work = min(size, WORKING)
    known = known * (1 - np.clip(hole, 0, 1))
    if known.max() < 0.5:
        known = 1 - np.clip(hole, 0, 1)
    sure = resized(known, work)
    colours = resized(image * known[..., None], work) / np.maximum(sure, 1e-3)[..., None]
    base = harmonic(colours, (sure > 0.5).astype(np.float32))
    base = cv2.resize(base, (size, size), interpolation=cv2.INTER_CUBIC)
    filled = base + grain(image, known, size / 100, seed)
    return (image + hole[..., None] * (filled - image)).astype(np.float32)


def _face(photograph: Photograph, head: Skull, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The head's mask [W,W] and its skin everywhere, [S,S,3]."""
    size = photograph.size
    work = min(size, WORKING)
    cover, normals = head.surface((work, work), work / size)
    covered = resized(hole, work)
    features = photograph.part("brows", "eyes", "glasses", "mouth", size=work)
    skin = photograph.part("skin", "nose", size=work) * (widened(features, 0.012 * work) < 0.3)
    skin = (skin > 0.6) * (widened(covered, SHADOW * work) < 0.1) * (cover > 0.5)
    colours = resized(photograph.image, work)
    low = _skin(colours, skin.astype(np.float32), normals, cover)
    sure = resized(skin.astype(np.float32), size)
    textured = cv2.resize(low, (size, size), interpolation=cv2.INTER_CUBIC)
    textured += grain(photograph.image, sure, size / 100, seed=1)
    return resized(cover, min(size, 512)), textured


def _skin(colours: np.ndarray, known: np.ndarray, normals: np.ndarray, domain: np.ndarray) -> np.ndarray:
    """Low frequencies of skin over ``domain``: light on a rounded head, and what the visible skin differs from it."""
    if known.sum() < 20:
        return continue_colours(colours, domain)
    low = blurred(colours, known, len(colours) / 60)
    at = known > 0.5
    basis = np.concatenate([np.ones_like(normals[..., :1]), normals], 2)
    rows, values = basis[at], low[at]
    ridge = 0.02 * len(rows) * np.diag([0, 1, 1, 1])
    weights = np.linalg.solve(rows.T @ rows + ridge, rows.T @ values)
    darkest, brightest = np.percentile(values, (5, 95), axis=0)
    light = np.clip(basis @ weights, LIMITS[0] * darkest, LIMITS[1] * brightest)
    rest = harmonic(low - light, known, domain, decay=0.0005)
    return (light + rest).astype(np.float32)


def _body(photograph: Photograph, head: Skull, hole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mask [W,W] of neck and clothes, and their colours [S,S,3]."""
    size, work = photograph.size, len(hole)
    planes = np.stack([photograph.part(*names, size=work) for names in (("neck",), ("clothes",), ("background",))], 2)
    other = photograph.part("skin", "nose", "brows", "eyes", "glasses", "mouth", "ears", "hat", size=work)
    seen = (1 - hole) * (other < 0.5) * (planes.sum(2) > 0.5)
    prior = _torso(head, work, work / size)
    belief = np.where(seen > 0.5, 1, 0.03).astype(np.float32)
    labels = harmonic(np.where(seen[..., None] > 0.5, planes, prior), belief)
    neck, clothes = (labels[..., k] >= labels.max(2) for k in (0, 1))
    result, cover = photograph.image, np.zeros((work, work), np.float32)
    for k, (region, mask) in enumerate((("neck", neck), ("clothes", clothes))):
        own = (photograph.part(region, size=size) > 0.6) * (1 - resized(hole, size))
        if own.sum() < 0.002 * size**2:
            if region == "clothes":
                continue
            own = (photograph.part("skin", size=size) > 0.6) * (1 - resized(hole, size))
        filled = continue_into(photograph.image, np.ones((size, size), np.float32) - own, own, seed=2 + k)
        here = resized(mask.astype(np.float32), size)[..., None]
        result = result + here * (filled - result)
        cover = np.maximum(cover, mask)
    return cv2.GaussianBlur(cover, (0, 0), 0.8), result


def _torso(head: Skull, size: int, scale: float) -> np.ndarray:
    """Where neck, clothes and background would be expected under a head: float32 [size,size,3]."""
    x, top, _ = head.at((0, -5, -4))[0] * scale
    unit = head.centimetre * scale
    across, below = np.mgrid[:size, :size][::-1].astype(np.float32)
    across, below = np.abs(across - x) / unit, (below - top) / unit
    neck = (across < 5.5 + 0.03 * np.maximum(below, 0) ** 2) & (below > -1)
    shoulders = (below > 9 + 0.35 * (across - 6)) & (across > 5)
    torso = neck | shoulders
    return np.stack([torso, np.zeros_like(torso), ~torso], 2).astype(np.float32)
