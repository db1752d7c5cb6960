"""A carried face in the tones, the light and the sharpness of the person it is laid on."""

from __future__ import annotations

import cv2
import numpy as np

from ..compositing.face_points import BROWS, EYES, INNER_LIPS, LIPS, OVAL
from ..compositing.photograph import Photograph, polygon
from ..photo.ramp import smoothstep

TONES = 0.22
"""Scale above which tones are the person's, in distances of the eyes (standard deviation of a Gaussian)."""
COLOUR = 0.6
"""How much of the differences in colour within the donor's skin is carried; all of those in brightness are."""
FILLED = 0.7
"""How much shallower shadows become on skin that is e times as light."""
DARKEST = 0.02
"""Brightness below which logarithms say nothing."""


def toned(person: Photograph, moved: Photograph, carried: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The carried face in the person's tones and light, [S,S,3]."""
    ours = person.part("skin", "nose") * person.known * polygon(person, OVAL)
    theirs = seen.copy()
    for points in (*EYES, *BROWS, LIPS):
        ours *= 1 - polygon(person, points, 0.05)
        theirs *= 1 - polygon(moved, points, 0.05)
    theirs *= polygon(moved, OVAL)
    sigma = TONES * person.eye_distance
    tone, donor_tone = _log_tone(person.image, ours, sigma), _log_tone(carried, theirs, sigma)
    detail = np.log(np.maximum(carried, DARKEST)) - donor_tone
    gain = tone - donor_tone
    coloured = np.maximum.reduce([polygon(moved, points) for points in (*EYES, LIPS)])
    coloured = blur(coloured, 0.03 * person.eye_distance)[..., None]
    # what a coloured light left of a colour is not to be trusted
    trusted = np.exp(-2 * gain.std(-1, keepdims=True)) * (COLOUR + (1 - COLOUR) * coloured)
    grey = detail.mean(-1, keepdims=True)
    rest = trusted * (detail - grey)
    lighter = np.maximum(gain.mean(-1, keepdims=True), 0)  # shadows on lighter skin are less deep
    detail = np.where(grey < 0, grey / (1 + FILLED * lighter), grey) + rest
    whites = _whites(person.image, person) - _whites(carried, moved)
    tint = whites - whites.mean()  # small ones are noise, large ones another light
    whites = np.clip(whites.mean(), -0.3, 0.15) + (0.3 + 0.3 * smoothstep(tint.std() / 0.3)) * tint
    lips = blur(polygon(moved, LIPS), 0.02 * person.eye_distance)[..., None]
    gain = gain + 0.5 * lips * (whites.mean() - gain.mean(-1, keepdims=True))
    for points in (*EYES, INNER_LIPS):
        here = blur(polygon(moved, points), 0.02 * person.eye_distance)[..., None]
        gain = gain + here * (whites - gain)
    made = donor_tone + gain + detail
    made, both = np.exp(made), (ours * theirs)[..., None]
    level = ((person.image * both).sum((0, 1)) + DARKEST) / ((np.minimum(made, 1) * both).sum((0, 1)) + DARKEST)
    return np.clip(made * level, 0, 1).astype(np.float32)


def _log_tone(image: np.ndarray, skin: np.ndarray, sigma: float) -> np.ndarray:
    """Logarithm of the skin's colour at low frequencies, continued where there is none, [S,S,3]."""
    tone = np.log(np.maximum(image, DARKEST))
    typical = np.median(tone[skin > 0.5], 0) if (skin > 0.5).any() else tone.mean((0, 1))
    weight = (skin * np.exp(-np.square((tone - typical).mean(-1)) / 0.5))[..., None].astype(np.float32)
    near, wide = ((blur(tone * weight, s), blur(weight[..., 0], s)[..., None]) for s in (sigma, 4 * sigma))
    far = (wide[0] + 1e-3 * typical) / (wide[1] + 1e-3)
    return (near[0] + 0.1 * far) / (near[1] + 0.1)


def _whites(image: np.ndarray, photo: Photograph) -> np.ndarray:
    """Logarithm of the colour of the eyes' whites, [3]; darker where eyes are shut."""
    eyes = np.maximum(polygon(photo, EYES[0]), polygon(photo, EYES[1])) > 0
    pixels = image[eyes]
    light = pixels.mean(-1)
    return np.log(np.maximum(np.median(pixels[light >= np.quantile(light, 0.7)], 0), DARKEST))


def blended(image: np.ndarray, carried: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Multi-band blending (Burt and Adelson 1983): coarse bands over wide borders; untouched where mask is 0."""
    bands = int(np.log2(len(image))) - 5
    made, plain, weight, total = image.copy(), image, mask, np.zeros_like(image)
    other = carried
    levels = []
    for _ in range(bands):
        small = [cv2.pyrDown(x) for x in (plain, other, weight)]
        up = [cv2.pyrUp(x, dstsize=plain.shape[1::-1]) for x in small[:2]]
        levels.append((plain - up[0], other - up[1], weight))
        plain, other, weight = small
    total = plain + weight[..., None] * (other - plain)
    for a, b, w in reversed(levels):
        total = cv2.pyrUp(total, dstsize=a.shape[1::-1]) + a + w[..., None] * (b - a)
    inside = smoothstep(mask / 0.1)[..., None]
    made = image + inside * (np.clip(total, 0, 1) - image)
    return np.where(mask[..., None] > 0, made, image).astype(np.float32)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian; wide ones at a fraction of the size."""
    shrink = int(max(sigma // 6, 1))
    if shrink == 1:
        return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(width // shrink, 1), max(height // shrink, 1)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / shrink, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
