"""Neck, shoulders and clothes under long hair."""

from __future__ import annotations

import cv2
import numpy as np

from .contact import WARM
from .continuation import blurred, harmonic
from .photograph import Photograph
from .planes import largest, resized, widened
from .skin import SHADOW, Layer, shaded_by_hair
from .skull import OUTLINE, Skull
from .texture import grain

WORKING = 192
"""px at which outlines and colours are continued."""
WIDTH = 10.0
"""Of a neck, cm."""
FLARE = 0.02, 2.0
"""By how much its half width grows with the square of the cm below the jaw, and how far below that begins."""
ROUND = 0.3
"""How much darker a neck is at its sides."""
NECK = 0.85
"""How bright a neck usually is below the chin's shadow, relative to the face above it."""
CHIN = 0.6
"""Logarithm of the light that a neck lacks right under the head."""
REACH = 2.2
"""How softly that shadow ends, cm."""
ASIDE = 0.25
"""Most by which the logarithm of light falling on the neck differs from its middle to a side."""
DOUBT = 0.03
"""Weight of what is expected under a head beside what is seen."""
LEAST = 0.002
"""Share of the picture from which on a region is known well enough to be continued."""


def torso_under_hair(photograph: Photograph, head: Skull, hole: np.ndarray) -> Layer:
    """Neck and clothes."""
    size = photograph.size
    work = min(size, WORKING)
    covered = widened(resized(hole, work), 1.5)
    planes = np.stack([photograph.part(name, size=work) for name in ("neck", "clothes", "background")], 2)
    other = photograph.part("skin", "nose", "brows", "eyes", "glasses", "mouth", "ears", "hat", size=work)
    seen = ((covered < 0.1) & (other < 0.5) & (planes.sum(2) > 0.6))[..., None]
    belief = np.where(seen[..., 0], 1, DOUBT).astype(np.float32)
    expected, across = _expected(head, work, work / size)
    labels = harmonic(np.where(seen, planes, expected), belief)
    labels = cv2.GaussianBlur(labels, (0, 0), 1.2)
    colours, result = resized(photograph.image, work), photograph.image.copy()
    masks, light = [], np.zeros_like(colours)
    for k, name in enumerate(("neck", "clothes")):
        own = photograph.part(name, size=work) > 0.6
        own = largest(own) if name == "neck" else own  # what else is called so is hands and cloth
        any_neck = (own & (covered < 0.1)).mean() >= LEAST
        if not any_neck:
            labels[..., 0] += labels[..., k] * (k > 0)
            labels[..., k] *= k == 0
            own = photograph.part("neck", "skin", size=work) > 0.6
        mask = resized(_sharp(labels, k, min(size, OUTLINE)), size)
        masks.append(mask)
        if not (own & (covered < 0.1)).any() or not (mask * hole).any():
            continue
        lit = _lit(own, covered)
        domain = np.maximum(widened(resized(mask, work), 2), own)
        if name == "neck":
            usual = _usual(photograph, colours, lit, covered) * _shading(photograph, head, colours, covered, across)
            low = usual
            if any_neck:
                low = low + harmonic(blurred(colours, lit, 1.5) - usual, lit, domain, decay=0.003)
                shade = shaded_by_hair(colours, low, own, covered)
                light += shade * cv2.GaussianBlur(np.float32(own), (0, 0), 1)[..., None]
        else:
            low = harmonic(blurred(colours, lit, 1.5), lit, domain)
        filled = resized(low, size, cv2.INTER_CUBIC)
        filled += grain(photograph.image, resized(lit, size), size / 150, seed=2 + k)
        result += mask[..., None] * (filled - result)
    return Layer(np.maximum(*masks), result, resized(light, size))


def _lit(own: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """What is visible of a region as far from the hair's shadow as it goes: float32 [W,W]."""
    for share in (SHADOW, SHADOW / 2, 0):
        lit = own & (widened(covered, share * len(own)) < 0.1)
        if lit.mean() > LEAST:
            break
    return lit.astype(np.float32)


def _usual(photograph: Photograph, colours: np.ndarray, lit: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Colour [3] of a neck in the light: that of the brighter half of what is seen of it, between as bright as that
    and as it usually is under this face."""
    seen = colours[lit > 0]
    own = np.median(seen[seen.sum(1) >= np.median(seen.sum(1))], 0)
    face = (photograph.part("skin", size=len(colours)) > 0.6) & (covered < 0.1)
    return own * (1 + NECK * np.median(colours[face].mean(1)) / own.mean()) / 2 if face.any() else own


def _shading(
    photograph: Photograph, head: Skull, colours: np.ndarray, covered: np.ndarray, across: np.ndarray
) -> np.ndarray:
    """Light on a neck: darker towards its sides and under the chin, [W,W,3].

    Its two sides differ as the face's do.
    """
    work = len(colours)
    scale = work / photograph.size
    above = head.outline((work, work), scale)
    reach = REACH * head.centimetre * scale
    down = -head.matrix[:2, 1] / np.linalg.norm(head.matrix[:2, 1]) * reach / 2
    moved = cv2.warpAffine(above, np.float32([[1, 0, down[0]], [0, 1, down[1]]]), (work, work))
    under = cv2.GaussianBlur(np.maximum(moved, above), (0, 0), max(reach, 0.5))
    seen = (photograph.part("skin", size=work) > 0.6) & (covered < 0.1) & (above > 0.5)
    aside = 0.0
    if seen.sum() > 50:
        slope = np.polyfit(np.clip(across[seen], -1.5, 1.5), np.log(np.maximum(colours[seen].mean(1), 0.02)), 1)[0]
        aside = float(np.clip(slope, -ASIDE, ASIDE))
    x = np.clip(across, -1, 1)
    light = (1 - ROUND * np.abs(x) ** 3) * np.exp(aside * x)
    return np.float32(light[..., None] * np.exp(-CHIN * under[..., None] * WARM))


def _sharp(labels: np.ndarray, k: int, size: int) -> np.ndarray:
    """Where label ``k`` is the likeliest, with a soft edge of a few pixels: float32 [size,size]."""
    full = resized(labels, size, cv2.INTER_CUBIC)
    others = np.delete(full, k, 2).max(2)
    lead = full[..., k] - others
    steepness = np.maximum(np.hypot(*np.gradient(lead)), 1e-4)
    return np.clip(lead / steepness / 2 + 0.5, 0, 1).astype(np.float32)


def _expected(head: Skull, size: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Where neck, clothes and background would be expected under a head, float32 [size,size,3]; and how far from the
    neck's middle a pixel is to the right, in half its width, [size,size]."""
    x, top, _ = head.at((0, -5, -4))[0] * scale
    unit = head.centimetre * scale
    across, below = np.mgrid[:size, :size][::-1].astype(np.float32)
    across, below = (across - x) / unit, (below - top) / unit
    half = WIDTH / 2 + FLARE[0] * np.maximum(below - FLARE[1], 0) ** 2
    neck = (np.abs(across) < half) & (below > -1)
    shoulders = (below > 9 + 0.35 * (np.abs(across) - 6)) & (np.abs(across) > 5)
    torso = neck | shoulders
    return np.stack([torso, np.zeros_like(torso), ~torso], 2).astype(np.float32), across / half
