"""Two photographs of the very same head, as when a face is given its own hair back: how sure, and to a fraction of a
pixel how they lie and how their exposures differ.

Landmarks are right to a pixel or two, which loses fine texture; pixels that agree are right to a twentieth.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .motion import Field, head_similarity
from .photograph import FACE, Photograph
from .planes import resized
from .similarity import similarity

WORKING = (192, 448)
"""px of the person's crop at which the pictures are laid on each other, coarse and fine."""
UNLIKE, ALIKE = 0.6, 0.85
"""Correlation of two faces' fine features below which they are two, and above which one."""


@dataclass(frozen=True, eq=False)
class SameHead:
    """How a reference shows the person's own head.

    matrix: [2,3] from the person's pixels to the reference's.
    evidence: 0..1, 0 for another head: then nothing else should be used.
    gain, offset: [3], exposure and white balance: person = gain * reference + offset in sRGB values.
    """

    matrix: np.ndarray
    evidence: float
    gain: np.ndarray
    offset: np.ndarray


def same_head(person: Photograph, reference: Photograph) -> SameHead:
    """Compares the two faces pixel by pixel.  Both photographs need a mesh."""
    matrix = head_similarity(person, reference)
    for work in WORKING:
        work = min(work, person.size)
        matrix, own, other, face = _laid_on(person, reference, matrix, work)
        alike = _correlation(_features(own), _features(other), face)
        if alike < UNLIKE - 0.15:
            break
    evidence = float(np.clip((alike - UNLIKE) / (ALIKE - UNLIKE), 0, 1))
    gain, offset = _exposure(other[face > 0.5], own[face > 0.5]) if evidence else (np.ones(3), np.zeros(3))
    return SameHead(matrix, evidence, gain, offset)


def _laid_on(
    person: Photograph, reference: Photograph, matrix: np.ndarray, work: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The matrix refined by pixels (ECC: Evangelidis and Psarakis, 2008); both pictures and the face's mask [W,W]."""
    scale = person.size / work
    up = np.array([[scale, 0, 0.5 * scale - 0.5], [0, scale, 0.5 * scale - 0.5], [0, 0, 1]])
    own = resized(person.image, work)
    head = person.part(*FACE, "hair", size=work)
    for _ in range(2):  # again from where the first one led, as the field shrinks and blurs a little differently
        field = Field.affine((np.vstack([matrix, [0, 0, 1]]) @ up)[:2], (work, work))
        other, known = field.sample(reference.image), field.sample(reference.known, "linear", "zero")
        face = cv2.erode(np.float32((person.part(*FACE, size=work) > 0.5) & (known > 0.99)), np.ones((3, 3)))
        agree = np.minimum(head, field.sample(reference.part(*FACE, "hair"), "linear", "zero")) > 0.5
        mask = np.uint8(agree & (known > 0.99)) * 255
        step = np.eye(2, 3, dtype=np.float32)
        stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-5)
        try:
            gray = [cv2.cvtColor(rgb.clip(0, 1), cv2.COLOR_RGB2GRAY) for rgb in (own, other)]
            _, step = cv2.findTransformECC(*gray, step, cv2.MOTION_AFFINE, stop, mask, 5)
        except cv2.error:  # the two have nothing in common
            break
        # Of the affine the similarity alone: it is safe far from the face.
        y, x = np.nonzero(mask)
        points = np.stack([x, y], 1)[:: max(1, len(x) // 500)].astype(np.float64)
        closer = similarity(points, points @ step[:, :2].T + step[:, 2]).matrix
        if np.abs(points @ closer[:, :2].T + closer[:, 2] - points).max() > 0.08 * work:
            break
        matrix = (np.vstack([matrix, [0, 0, 1]]) @ up @ np.vstack([closer, [0, 0, 1]]) @ np.linalg.inv(up))[:2]
    field = Field.affine((np.vstack([matrix, [0, 0, 1]]) @ up)[:2], (work, work))
    return matrix, own, field.sample(reference.image).clip(0, 1), face


def _features(image: np.ndarray) -> np.ndarray:
    """Eyes, lips, freckles: what is finer than a fiftieth of the picture, coarser than its noise."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    size = len(gray)
    return cv2.GaussianBlur(gray, (0, 0), size / 300) - cv2.GaussianBlur(gray, (0, 0), size / 60)


def _correlation(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> float:
    if weight.sum() < 50:
        return 0.0
    a, b = (plane - (plane * weight).sum() / weight.sum() for plane in (a, b))
    spread = np.sqrt((weight * a**2).sum() * (weight * b**2).sum())
    return float((weight * a * b).sum() / max(spread, 1e-9))


def _exposure(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gain and offset [3] of each channel in least squares over pixels [N,3], without those at the range's ends."""
    gain, offset = np.ones(3), np.zeros(3)
    for channel in range(3):
        a, b = source[:, channel], target[:, channel]
        good = (a > 0.02) & (a < 0.98) & (b > 0.02) & (b < 0.98)
        if good.sum() < 50 or a[good].std() < 0.01:
            continue
        for _ in range(3):  # glints and what moved do not count
            gain[channel], offset[channel] = np.polyfit(a[good], b[good], 1)
            off = np.abs(gain[channel] * a + offset[channel] - b)
            good &= off < max(3 * np.median(off[good]), 0.01)
            if good.sum() < 50:
                break
    return gain, offset
