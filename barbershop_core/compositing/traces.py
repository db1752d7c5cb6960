"""Where hair and its traces are in a photograph: all that has to go with it."""

from __future__ import annotations

import cv2
import numpy as np

from .continuation import blurred
from .face_points import EYES, LIPS, SURFACE
from .matting import colours_under, unlike
from .photograph import FACE, Photograph, polygon
from .planes import largest, resized, widened
from .skull import Skull

LEAST = 0.04
"""Alpha from which a pixel counts as touched by hair."""
STRANDS = 512
"""px at which loose strands are looked for."""
FRINGE = 0.006
"""How far hair's traces reach beyond its alpha, as a share of the crop's side."""
ROOTS = 0.02
"""The same over the face, where hair is fine and short at the hairline."""
SHRED = 0.02
"""Radius of the largest piece of background or face that is not worth keeping between strands, in the same unit."""
SURROUNDED = 0.3
"""Share of its border that hair is from which on an island of skin is taken for hair."""
LOOSE = 0.08
"""How far from the hair loose strands are looked for, in the same unit."""
THIN = 0.012
"""Half the width up to which a mark on skin may be a strand, in the same unit."""
BUSY = 0.06
"""Detail far from the hair, in 0..1, from which a background hides strands, and its own could be taken for them."""


def hair_and_traces(photograph: Photograph, alpha: np.ndarray, head: Skull | None) -> np.ndarray:
    """Hair with its fringe, its roots on the face, loose strands, what the parser mistakes for other things, and
    shreds of background between them: float32 [S,S] in 0..1.

    alpha: float32 [S,S], the hair's.  head: the person's, None where no face was found.
    """
    image, size = photograph.image, photograph.size
    person = photograph.part(*(name for name in photograph.parts if name != "background"), size=size)
    covered = _touched(alpha)
    face = photograph.part("skin", "nose", "neck", size=size) > 0.5
    hole = np.maximum(widened(covered, max(FRINGE * size, 1.5)), widened(covered, ROOTS * size) * face)
    hole = np.maximum(hole, _loose_strands(image, hole, (person < 0.3) & (photograph.known > 0.5), 0.97, BUSY))
    hole = np.maximum(hole, _mistaken(photograph, alpha, head))
    behind = (1 - hole) * (photograph.part("background", "hair", "ears", "earrings", size=size) > 0.5)
    beside = widened(covered, LOOSE * size)  # elsewhere they are clothes that the parser mistakes
    hole = np.maximum(hole, _shreds(behind) * beside)
    if head is not None:
        shown = (1 - hole) * head.mask(size)
        hole = np.maximum(
            hole, np.maximum(_shreds(shown), _islands(shown)) * (photograph.part("skin", "hair", size=size) > 0.5)
        )
    features = photograph.part("brows", "eyes", "glasses", "mouth", size=size)
    # Nostrils and the jaw's edge are as sharp as strands, which they would hide.
    calm = widened(photograph.part("skin", size=size) > 0.5, -ROOTS * size) * (1 - widened(features, 2 * ROOTS * size))
    return np.maximum(hole, _loose_strands(image, hole, calm, 0.99, thin=True))


def _shreds(visible: np.ndarray) -> np.ndarray:
    """Pieces of what is visible, [S,S], that are too small or too thin to be worth keeping."""
    radius = SHRED * len(visible)
    return (visible > 0.5) * (1 - widened(widened(visible, -radius), 1.3 * radius))


def _islands(visible: np.ndarray) -> np.ndarray:
    """What is visible, [S,S], but its largest connected piece."""
    shown = widened(visible, -FRINGE * len(visible)).astype(np.uint8) > 0
    return widened(shown & ~largest(shown), 1.5 * FRINGE * len(visible))


def _touched(alpha: np.ndarray) -> np.ndarray:
    """Where there is hair, bool [S,S], without faint patches that do not belong to any hair that is surely there."""
    covered = (alpha > LEAST).astype(np.uint8)
    count, labels = cv2.connectedComponents(covered)
    surely = np.zeros(count, bool)
    surely[np.unique(labels[widened(alpha, -FRINGE * len(alpha)) > 0])] = True
    surely[0] = False
    return surely[labels]


def irreplaceable(photograph: Photograph, head: Skull | None) -> np.ndarray:
    """Eyes, lips, glasses and the profile of a turned face, which no filling could give back: float32 [S,S] in 0..1.

    head: the person's, None where no face was found.
    """
    size = photograph.size
    if head is None:
        return (photograph.part("eyes", "mouth", "glasses", size=size) > 0.5).astype(np.float32)
    mask = np.max([polygon(photograph, outline, 0.05) for outline in (*EYES, LIPS)], 0)
    mask = np.maximum(mask, photograph.part("glasses", size=size) > 0.7)
    within = head.mask(size) > 0.5
    profile = polygon(photograph, SURFACE) * (photograph.part(*FACE, size=size) > 0.5)
    mask = np.maximum(mask, profile * ~within)  # nose and brow of a turned face lie beyond the head's outline
    return cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.025 * photograph.eye_distance))


def _mistaken(photograph: Photograph, alpha: np.ndarray, head: Skull | None) -> np.ndarray:
    """What the parser takes for ears or skin beside the head although it is hair: float32 [S,S].

    It has the hair's colours, or lies in the hair, apart from the rest of the person.
    """
    size = photograph.size
    work = min(size, STRANDS)
    hair, skin = resized(alpha, work) > 0.95, photograph.part("skin", "nose", size=work) > 0.8
    face = None if head is None else head.outline((work, work), work / size) > 0.5
    if face is None or min(hair.sum(), (skin & face).sum()) < 50:
        return np.zeros((size, size), np.float32)
    named = photograph.part("skin", "ears", "earrings", "mouth", "brows", "eyes", "nose", size=work) > 0.3
    named &= widened(face, 2) < 0.5
    lab = cv2.cvtColor(resized(photograph.image, work), cv2.COLOR_RGB2LAB)
    nearer = unlike(lab, colours_under(lab, hair)) < unlike(lab, colours_under(lab, skin & face))
    mistaken = named & (widened(hair, LOOSE * work) > 0.5) & nearer
    around = resized(alpha, work) > 0.5
    person = widened(face | (photograph.part("neck", "clothes", size=work) > 0.5), 4) > 0.5
    _, islands = cv2.connectedComponents(named.astype(np.uint8))
    for island in np.setdiff1d(islands, islands[person]):
        border = (widened(islands == island, 6) > 0.5) & (islands != island)
        if island and around[border].mean() > SURROUNDED:
            mistaken |= islands == island
    return resized(widened(mistaken, 2), size)


def _loose_strands(
    image: np.ndarray, hole: np.ndarray, region: np.ndarray, unusual: float, busy: float = np.inf, thin: bool = False
) -> np.ndarray:
    """Fine marks of a region near the hair that stand out from its grain and texture: float32 [S,S].

    unusual: quantile of the region's marks far from the hair from which on one is taken for a strand.  busy: strength
    of such marks from which on there are none to be told from them.  thin: only lines and tips, and not what a
    shadow's edge or a rounded cheek shows.
    """
    size, work = len(image), min(len(image), STRANDS)
    hole = resized(hole, work)
    wall = (1 - hole) * resized(region, work)
    grey = cv2.cvtColor(resized(image, work), cv2.COLOR_RGB2GRAY)
    if thin:
        hair, skin = (np.median(grey[mask > 0.5]) if (mask > 0.5).any() else 0.0 for mask in (hole, wall))
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(THIN * work) + 1,) * 2)
        fine = cv2.morphologyEx(grey if hair < skin else 1 - grey, cv2.MORPH_BLACKHAT, disc)
    else:
        fine = np.abs(grey - blurred(grey, wall, max(1.5, work / 80)))
    near = (widened(hole, LOOSE * work) > 0.5) & (wall > 0.5)
    far = (wall > 0.5) & ~near
    if far.sum() < 100 or not near.any():
        return np.zeros(image.shape[:2], np.float32)
    usual = max(5 * float(np.median(fine[far])), float(np.quantile(fine[far], unusual)))
    if usual > busy:
        return np.zeros(image.shape[:2], np.float32)
    marked = widened((fine > max(0.015, usual)) & near, 2)
    if thin:  # freckles are apart from the hair
        _, pieces = cv2.connectedComponents(marked.astype(np.uint8))
        marked = marked * np.isin(pieces, pieces[(widened(hole, 2) > 0.5) & (marked > 0.5)])
    return resized(marked, size)
