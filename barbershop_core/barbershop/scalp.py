"""The scalp that carried hair leaves bare on a head which faces another way than the one it grew on."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ..compositing.frame import reflected
from ..compositing.mirror import mirrored
from ..compositing.photograph import Photograph
from ..compositing.planes import enclosed, resized, widened
from ..compositing.skull import LOWEST, Skull, skull
from .hair_layer import HairLayer

WORKING = 512
"""px at which the scalp is looked for."""
BEYOND = 0.14
"""How far beyond the face's outline the scalp begins, in eye distances."""
JOINED = 0.12
"""How near carried hair has to be for bare scalp to be its gap, in the same unit."""
EDGE = -0.1
"""What of the head a picture shows only edge-on, or not at all: where its surface looks towards the viewer by less
than this cosine, which is negative for what faces the viewer."""
TURNED = 0.2
"""How much further than in the person's photo it has to look away, in the same cosine."""
SEAM = 0.04
"""How far the added hair lies over the carried one, in the same unit."""
DEEPER = 0.9
"""Brightness of the added hair relative to the carried."""


def over_scalp(
    person: Photograph,
    alpha: np.ndarray,
    hair: HairLayer,
    head: Skull,
    ears: tuple[np.ndarray, np.ndarray],
    reference: Photograph,
) -> HairLayer:
    """The carried hair, continued over the scalp beside it that the person's own hair covered.

    A reference that faces the camera shows nothing of the hair at the side of a turned head, and the crown of a higher
    head would rise above its hair.  Where it shows the head, and no hair there, nothing is added: a high forehead stays
    one.

    alpha: of the person's own hair, [S,S].  head: the person's.  ears: those in view, bool [S,S] each.
    reference: whose hair it is.
    """
    size = min(person.size, WORKING)
    scale, shape = size / person.size, (size, size)
    unit = person.eye_distance * scale
    old, new = (resized(plane, size) for plane in (alpha, hair.alpha))
    face = enclosed((head.oval + 0.5) * scale - 0.5, shape)
    seen = np.max([resized(ear, size) for ear in ears], 0)
    bare = (head.outline(shape, scale) > 0.5) & _above_the_ears(head, shape, scale) & (new < 0.5)
    behind = _apart(bare, face) & (old > 0.5)
    bare &= (old > 0.5) & (widened(face, BEYOND * unit) < 0.5) & (widened(seen, SEAM * unit) < 0.5)
    bare &= _turned_away(head, reference, shape, scale)
    bare |= behind
    _, pieces = cv2.connectedComponents(np.uint8(bare))
    bare &= np.isin(pieces, pieces[bare & (widened(new, JOINED * unit) > 0.5)])
    if not bare.any():
        return hair
    cover = widened(bare, SEAM * unit) * (widened(seen, SEAM * unit / 2) < 0.5)
    cover = resized(cv2.GaussianBlur(cover, (0, 0), max(SEAM / 2 * unit, 0.5)), person.size)
    (more,) = reflected(new > 0.9, resized(hair.colours, size))
    more = DEEPER * resized(more, person.size, cv2.INTER_CUBIC)
    share = (cover * (1 - hair.alpha))[..., None]
    colours = np.clip(hair.colours + share * (more - hair.colours), 0, 1)
    return replace(hair, colours=colours, alpha=np.maximum(hair.alpha, cover))


def _apart(bare: np.ndarray, face: np.ndarray) -> np.ndarray:
    """bool [H,W]: bare scalp between which and the face there is hair: a crown that rises above the hair on it."""
    _, pieces = cv2.connectedComponents(np.uint8(bare | (face > 0.5)))
    return bare & ~np.isin(pieces, pieces[face > 0.5])


def _turned_away(head: Skull, reference: Photograph, shape: tuple[int, int], scale: float) -> np.ndarray:
    """bool [H,W]: the part of the head that the reference turns away, seen from either side, but not the person."""
    normals = head.surface(shape, scale)[1]  # z looks away from the viewer
    away = np.ones(shape, bool)
    for side in (reference, mirrored(reference)):
        there = skull(side)
        turn = (there.matrix / there.centimetre) @ np.linalg.inv(head.matrix / head.centimetre)
        facing = normals @ turn[2].astype(np.float32)
        away &= (facing > EDGE) & (facing - normals[..., 2] > TURNED)
    return away


def _above_the_ears(head: Skull, shape: tuple[int, int], scale: float) -> np.ndarray:
    """bool [H,W]: the side of the ears on which the top of the head is."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    ear = (head.at((0, LOWEST, 0))[0] + 0.5) * scale - 0.5
    up = head.matrix[:2, 1]
    return (x - np.float32(ear[0])) * up[0] + (y - np.float32(ear[1])) * up[1] > 0
