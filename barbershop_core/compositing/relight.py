"""The light of a photograph changed by the shading of its fitted head: a smooth factor on each pixel, in linear light.

Texture stays as it is because the factor is smooth; the skin keeps its tone because the factor's mean over the face is
chosen so that the face's lightness stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .face_motion import face_motion
from .head import Head, raster
from .photograph import Photograph
from .planes import enclosed, resized

WORKING = 192
"""px at which shading is computed."""
SMOOTH = 0.07
"""Sigma by which the head's shape is smoothed (eye distances): light over each wrinkle is the photo's own."""
RIDGE = (0.0, 0.003, 0.003, 0.003, 0.05, 0.05, 0.05, 0.05, 0.05)
"""Of the own light's coefficients: faces show few directions, so the second order is held near 0."""
DEPTH = 2.8
"""Faces are flatter in MediaPipe's points than they are: a lamp's light, to this power, is what it does to a face."""
BRIGHTER, DARKER = 0.75, 1.0
"""Largest logarithms of the factor: shadows have little to brighten but noise."""
REACH = 1.1
"""How far from the face its light reaches over hair and neck (eye distances)."""


@dataclass(frozen=True, eq=False)
class Shading:
    """What light needs to know of a photograph.

    normals: float32 [W,W,3], to the right, up and towards the camera.  skin: float32 [W,W], where the skin is.
    share: float32 [W,W], how much a pixel takes part.  eyes: float32 [W,W], 1 in the eyes.
    own: float32 [9], the skin's brightness by orthonormal harmonics of the normal (see :mod:`..face3d.harmonics`), 1
    on average.  lamp: float32 [9], the irradiance that explains it, see `DEPTH`.
    pixels: float32 [W,W,3], the photograph in linear light.
    """

    normals: np.ndarray
    skin: np.ndarray
    share: np.ndarray
    eyes: np.ndarray
    own: np.ndarray
    lamp: np.ndarray
    pixels: np.ndarray


def linear(image: np.ndarray) -> np.ndarray:
    """sRGB 0..1 -> linear light, by a power."""
    return np.power(np.clip(image, 0, 1), 2.2)


def shading(photograph: Photograph, head: Head, person: np.ndarray) -> Shading:
    """The shading of a photograph.  person: float32 [S,S], alpha of the person."""
    scale = WORKING / photograph.size
    eyes_apart = head.pose.scale * scale
    shape = head.points[:, 2].copy()
    shape[:478] = photograph.mesh[:, 2]
    depth = raster(head, shape * scale, WORKING)
    depth = cv2.GaussianBlur(depth, (0, 0), SMOOTH * eyes_apart)
    down, right = np.gradient(depth)
    normals = np.stack([right, -down, np.ones_like(depth)], 2)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    pixels = linear(resized(photograph.image, WORKING))
    outline, *lids = (
        enclosed((head.points[face_motion().rings[ring], :2] + 0.5) * scale - 0.5, (WORKING, WORKING))
        for ring in ("oval", "left_eye", "right_eye")
    )
    eyes = cv2.GaussianBlur(np.maximum(*lids), (0, 0), 0.02 * eyes_apart)
    skin = photograph.part("skin", "nose", size=WORKING) * outline * (1 - eyes)
    if (skin > 0.5).sum() < 50:
        skin = outline * (1 - eyes)
    away = cv2.distanceTransform((outline < 0.5).astype(np.uint8), cv2.DIST_L2, 5) / eyes_apart
    body = resized(person, WORKING)
    share = cv2.GaussianBlur(body, (0, 0), 0.02 * eyes_apart) * np.exp(-np.square(away / REACH))
    own, lamp = (_fitted(normals, skin, np.power(pixels.mean(2), power)) for power in (1, 1 / DEPTH))
    return Shading(normals, skin, share, eyes, own, lamp, pixels)


def _fitted(normals: np.ndarray, skin: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Harmonics [9] nearest to a brightness [W,W] on the skin, whose mean there becomes 1."""
    chosen = skin > 0.5
    level = level[chosen]
    low, high = np.percentile(level, [4, 97])
    kept = (level > low) & (level < high)
    functions = basis(normals[chosen][kept])
    level = level[kept] / level[kept].mean()
    ridge = np.diag(RIDGE) * len(level)
    return np.linalg.solve(functions.T @ functions + ridge, functions.T @ level).astype(np.float32)


def basis(normals: np.ndarray) -> np.ndarray:
    """Orthonormal harmonics at unit normals, [...,3] -> [...,9]."""
    import torch

    from ..face3d import harmonics

    return harmonics.basis(torch.from_numpy(np.ascontiguousarray(normals, np.float32))).numpy()


def factor(shading: Shading, coefficients: np.ndarray, turn: np.ndarray | None = None) -> np.ndarray:
    """What each pixel's light is multiplied by for another light: float32 [W,W,3].

    coefficients: float32 [9,3], irradiance of red, green and blue.  turn: rotation [3,3] of the head in pictures'
    coordinates (y down, z away), if the head turns as well.
    """
    normals = shading.normals
    before = basis(normals) @ shading.own
    if turn is not None:
        flip = np.array([1, -1, -1])
        normals = normals @ (turn * flip[:, None] * flip[None]).T.astype(np.float32)
    after = basis(normals) @ np.asarray(coefficients, np.float32)
    weight = shading.skin / max(float(shading.skin.sum()), 1e-6)
    before = np.maximum(before / (before * weight).sum(), 0.3)
    after = np.maximum(after / (after.mean(2) * weight).sum(), 0.2)
    change = DEPTH * np.log(after) - np.log(before[..., None])
    for _ in range(3):  # the face's mean lightness stays
        limited = _limited(change)
        lightness = _lightness(shading.pixels * np.exp(limited)), _lightness(shading.pixels)
        change -= 2.2 * np.log(max((lightness[0] * weight).sum(), 1e-4) / max((lightness[1] * weight).sum(), 1e-4))
    limited = _limited(change)
    limited = np.where(shading.eyes[..., None] > 0, np.minimum(limited, 0.35 * (1 - shading.eyes[..., None])), limited)
    return np.exp(limited * shading.share[..., None]).astype(np.float32)


def _limited(change: np.ndarray) -> np.ndarray:
    most = np.where(change > 0, BRIGHTER, DARKER)
    return most * np.tanh(change / most)


def _lightness(pixels: np.ndarray) -> np.ndarray:
    return np.cbrt(pixels @ np.array([0.2126, 0.7152, 0.0722], np.float32))


def relit(image: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """The image float32 [S,S,3] with its light multiplied, in 0..1; bright parts roll off instead of clipping."""
    size = len(image)
    gain = np.power(resized(factor, size, cv2.INTER_CUBIC), 1 / 2.2)
    lit = image * gain
    knee = 0.9
    rolled = knee + (1 - knee) * np.tanh((lit - knee) / (1 - knee))
    return np.where((lit > knee) & (gain > 1), np.maximum(rolled, np.minimum(image, lit)), lit).astype(np.float32)
