"""What comes into view when hair goes: background, clothes and neck, forehead and brows.

Every region is continued from its own visible part of the same photo: low frequencies smoothly, structure by patches,
grain anew.  What stands behind is filled first: background, then clothes and neck, then the face.
"""

from __future__ import annotations

import cv2
import numpy as np

from .continuation import blurred, harmonic, resized, widened
from .ears import borrowed_ears
from .exemplar import structure
from .photograph import Photograph
from .skin import face_under_hair
from .skull import Skull, skull
from .texture import grain
from .torso import torso_under_hair

WORKING = 192
"""px at which colours are continued."""
LEAST = 0.04
"""Alpha from which a pixel counts as touched by hair."""
STRANDS = 512
"""px at which loose strands are looked for."""
FRINGE = 0.006
"""How far hair's traces reach beyond its alpha, as a share of the crop's side."""
ROOTS = 0.02
"""The same over the face, where hair is fine and short at the hairline."""
SHRED = 0.02
"""Radius of the largest piece of background that is not worth keeping between strands, in the same unit."""
LOOSE = 0.08
"""How far from the hair loose strands are looked for, in the same unit."""
APART = 0.025
"""How far from the person the background is surely itself, in the same unit."""
BEHIND = 0.06
"""How far behind the person's outline the background is continued, in the same unit."""
PLAIN = 0.025
"""Deviation of finer detail up to which a background is plain or out of focus, without structure to be continued."""


def without_hair(
    photograph: Photograph, alpha: np.ndarray, keep: np.ndarray | None = None, donor: Photograph | None = None
) -> np.ndarray:
    """The photo with everything that hair covered filled in: float32 [S,S,3] in 0..1.

    alpha: float32 [S,S], the hair's.  keep: float32 [S,S], 1 where the photo stays although alpha touches it.
    donor: another photograph, carried into this frame; its ears are taken where this person's are covered.
    """
    image, size = photograph.image, photograph.size
    person = photograph.part(*(name for name in photograph.parts if name != "background"), size=size)
    head = None if photograph.mesh is None else skull(photograph)
    covered = _touched(alpha)
    face = photograph.part("skin", "nose", "neck", size=size) > 0.5
    hole = np.maximum(widened(covered, FRINGE * size), widened(covered, ROOTS * size) * face)
    hole = np.maximum(hole, _loose_strands(image, hole, (person < 0.3) & (photograph.known > 0.5), 0.97))
    hole = np.maximum(hole, _mistaken(photograph, alpha, head) * (1 - hole))
    behind = (1 - hole) * (photograph.part("background", size=size) > 0.5)
    hole = np.maximum(hole, behind - widened(widened(behind, -SHRED * size), SHRED * size))
    features = photograph.part("brows", "eyes", "glasses", "mouth", size=size)
    calm = widened(face, -ROOTS * size) * (1 - widened(features, 2 * ROOTS * size))
    hole = np.maximum(hole, _loose_strands(image, hole, calm, 0.995))
    ears = borrowed_ears(photograph, head, donor, hole) if donor is not None and head is not None else None
    if ears is not None:
        hole = np.maximum(hole, widened(ears.replaced, FRINGE * size))
    kept = _features(photograph)
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
    soft += np.maximum(face, person < 0.3) * (softer - soft)
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
    base = cv2.resize(base, (size, size), interpolation=cv2.INTER_CUBIC)
    filled = None if plain else structure(image - base, hole, known, base, seed)
    filled = grain(image, known, size / 100, seed) if filled is None else filled
    return (image + hole[..., None] * (base + filled - image)).astype(np.float32)


def _touched(alpha: np.ndarray) -> np.ndarray:
    """Where there is hair, bool [S,S], without faint patches that do not belong to any hair that is surely there."""
    covered = (alpha > LEAST).astype(np.uint8)
    count, labels = cv2.connectedComponents(covered)
    surely = np.zeros(count, bool)
    surely[np.unique(labels[widened(alpha, -FRINGE * len(alpha)) > 0])] = True
    surely[0] = False
    return surely[labels]


def _features(photograph: Photograph) -> np.ndarray:
    """Eyes and lips, which no filling could give back: float32 [S,S]."""
    size = photograph.size
    result = photograph.part("eyes", "mouth", "glasses", size=size) > 0.5
    if photograph.mesh is None:
        return result.astype(np.float32)
    mask = np.zeros((size, size), np.uint8)
    for outline in (RIGHT_EYE, LEFT_EYE, LIPS):
        cv2.fillPoly(mask, [np.round(photograph.mesh[list(outline), :2]).astype(np.int32)], 1)
    grown = widened(mask, 0.05 * photograph.eye_distance)
    return cv2.GaussianBlur(grown, (0, 0), max(0.5, 0.025 * photograph.eye_distance))


RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
LEFT_EYE = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)


def _mistaken(photograph: Photograph, alpha: np.ndarray, head: Skull | None) -> np.ndarray:
    """What the parser takes for ears or skin beside the head although it has the hair's colours: float32 [S,S]."""
    size = photograph.size
    work = min(size, STRANDS)
    if head is None:
        return np.zeros((size, size), np.float32)
    lab = cv2.cvtColor(resized(photograph.image, work), cv2.COLOR_RGB2LAB)
    named = photograph.part("skin", "ears", "earrings", "mouth", "brows", "eyes", "nose", size=work) > 0.3
    face = head.outline((work, work), work / size) > 0.5
    hair, skin = resized(alpha, work) > 0.95, photograph.part("skin", "nose", size=work) > 0.8
    near = widened(hair, LOOSE * work) > 0.5
    if min(hair.sum(), (skin & face).sum()) < 50:
        return np.zeros((size, size), np.float32)
    unlike = []
    for known in (hair, skin & face):
        spread = lab[known].std(0) + 3
        unlike.append((((lab - np.median(lab[known], 0)) / spread) ** 2).sum(2))
    return resized(widened(named & ~widened(face, 2).astype(bool) & near & (unlike[0] < unlike[1]), 2), size)


def _loose_strands(image: np.ndarray, hole: np.ndarray, region: np.ndarray, unusual: float) -> np.ndarray:
    """Fine marks of a region near the hair that stand out from its grain and texture: float32 [S,S].

    unusual: quantile of the region's marks far from the hair from which on one is taken for a strand.
    """
    size, work = len(image), min(len(image), STRANDS)
    hole = resized(hole, work)
    wall = (1 - hole) * resized(region, work)
    grey = cv2.cvtColor(resized(image, work), cv2.COLOR_RGB2GRAY)
    fine = np.abs(grey - blurred(grey, wall, max(1.5, work / 80)))
    near = (widened(hole, LOOSE * work) > 0.5) & (wall > 0.5)
    far = (wall > 0.5) & ~near
    if far.sum() < 100 or not near.any():
        return np.zeros(image.shape[:2], np.float32)
    usual = max(5 * float(np.median(fine[far])), float(np.quantile(fine[far], unusual)))
    marked = (fine > max(0.015, usual)) & near
    return resized(widened(marked, 2), size)
