"""What comes into view when hair goes: background, clothes and neck, forehead and brows.

Every region is continued from its own visible part of the same photo: low frequencies smoothly, structure by patches,
grain anew.  What stands behind is filled first: background, then clothes and neck, then the face.
"""

from __future__ import annotations

import cv2
import numpy as np

from .continuation import blurred, harmonic
from .ears import Ears
from .exemplar import structure
from .photograph import Photograph
from .planes import resized, widened
from .skin import face_under_hair
from .skull import Skull, skull
from .texture import grain
from .torso import torso_under_hair
from .traces import FRINGE, ROOTS, hair_and_traces, irreplaceable

WORKING = 192
"""px at which colours are continued."""
APART = 0.025
"""How far from the person the background is surely itself, as a share of the crop's side."""
BEHIND = 0.06
"""How far behind the person's outline the background is continued, in the same unit."""
PLAIN = 0.025
"""Deviation of finer detail up to which a background is plain or out of focus, without structure to be continued."""


def without_hair(
    photograph: Photograph,
    alpha: np.ndarray,
    keep: np.ndarray | None = None,
    ears: Ears | None = None,
    head: Skull | None = None,
) -> np.ndarray:
    """The photo with everything that hair covered filled in: float32 [S,S,3] in 0..1.

    alpha: float32 [S,S], the hair's.  keep: float32 [S,S], 1 where the photo stays although alpha touches it.
    ears: of another photograph, which are laid on where the person's are covered.  head: the person's, if it is known.
    """
    image, size = photograph.image, photograph.size
    head = skull(photograph) if head is None and photograph.mesh is not None else head
    person = photograph.part(*(name for name in photograph.parts if name != "background"), size=size)
    hole = hair_and_traces(photograph, alpha, head)
    if ears is not None:
        hole = np.maximum(hole, widened(ears.replaced, 2 * FRINGE * size))
    kept = irreplaceable(photograph, head)
    if keep is not None:
        kept = np.maximum(kept, keep)
    hole *= 1 - kept
    wall = (1 - hole) * photograph.known * (widened(person > 0.3, APART * size) < 0.3)
    layers = [] if head is None else [make(photograph, head, hole) for make in (torso_under_hair, face_under_hair)]
    solid = np.max([widened(layer.mask, -BEHIND * size) for layer in layers] + [np.zeros_like(hole)], 0)
    result = continue_into(image, np.maximum(hole, person > 0.3) * (1 - solid), wall)
    shaded = image
    for layer in layers:
        result = result + layer.mask[..., None] * (layer.colours - result)
        shaded = shaded + layer.light
    if ears is not None:
        result = result + ears.alpha[..., None] * (ears.image - result)
    soft, softer = (cv2.GaussianBlur(hole, (0, 0), max(0.4, share * size)) for share in (FRINGE / 4, ROOTS / 3))
    sharp = (photograph.part("skin", "nose", "neck", size=size) < 0.5) & (person > 0.3)
    soft = np.where(sharp, soft, softer)
    soft = (np.clip(2 * soft, 0, 1) * (1 - kept))[..., None]
    return np.clip(shaded + soft * (result - shaded), 0, 1).astype(np.float32)


def continue_into(image: np.ndarray, hole: np.ndarray, known: np.ndarray, seed: int = 0) -> np.ndarray:
    """``image`` [S,S,3] with ``hole`` [S,S] filled from where ``known`` [S,S] is 1: float32.

    A plain surrounding is continued smoothly, with its grain; one with structure by patches of it.  Where nothing is
    known, all but the hole is.
    """
    size = len(image)
    work = min(size, WORKING)
    hole = np.clip(hole, 0, 1).astype(np.float32)
    known = known * (1 - hole)
    if known.max() < 0.5:
        known = 1 - hole
    sure = (resized(known, work) > 0.98).astype(np.float32)
    if not sure.any():
        sure = (resized(known, work) > 0).astype(np.float32)
    colours = resized(image * known[..., None], work) / np.maximum(resized(known, work), 1e-3)[..., None]
    fine = cv2.GaussianBlur((colours - blurred(colours, sure, work / 96)) * sure[..., None], (0, 0), work / 192)
    plain = not sure.any() or float(np.sqrt((fine[sure > 0] ** 2).sum(1).mean())) < PLAIN
    base = harmonic(blurred(colours, sure, 1.5 if plain else work / 24), sure)
    base = resized(base, size, cv2.INTER_CUBIC)
    filled = None if plain else structure(image - base, hole, known, base, seed)
    filled = grain(image, known, size / 100, seed) if filled is None else filled
    return (image + hole[..., None] * (base + filled - image)).astype(np.float32)
