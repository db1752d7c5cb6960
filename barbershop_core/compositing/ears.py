"""Ears that hair covered, from another photograph carried into the person's frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .continuation import continue_colours
from .photograph import Photograph
from .planes import widened
from .skull import Skull
from .traces import FRINGE
from .traces import LEAST as LEAST_ALPHA

LEAST_AREA = 2.0
"""cm² of an ear from which on a photograph shows one."""
LEAST_HEIGHT = 4.5
"""cm from the top to the lobe from which on it is whole; what is shorter is partly covered."""
SOLID = 0.75
"""Share of its convex hull that a whole ear fills."""
ONE = 0.7
"""Share of what the parser takes for this ear that is one piece."""
BLOWN = 0.97, 0.4
"""Brightness of clipped colours, and the share of an ear that may have them."""
APART = 0.5
"""cm up to which an ear may lie beside the head to be joined to it."""
TOUCHED = 0.1
"""Share of an ear that may be hidden by hair for a small one to stay."""
NEAR = 4.0
"""cm up to which the cheek beside an ear gives its tone."""
ROUNDING = 0.12
"""Softness of its outline, cm."""
EAR = (0.88, 0.79, 0.78)
"""An ear's colour relative to the cheek's, in light."""
SHADE = 0.75
"""Lightness of the darkest folds of an ear relative to the darker skin of the face."""
TINT = 5.0
"""Most that a and b of CIELAB differ from their mean within an ear."""


@dataclass(frozen=True, eq=False)
class Ears:
    """alpha: float32 [S,S]; image: float32 [S,S,3], toned to the person; replaced: bool [S,S], what is left of own
    ears on these sides."""

    alpha: np.ndarray
    image: np.ndarray
    replaced: np.ndarray


def borrowed_ears(
    photograph: Photograph,
    head: Skull,
    donor: Photograph,
    alpha: np.ndarray,
    in_view: tuple[np.ndarray, np.ndarray] | None = None,
) -> Ears | None:
    """The donor's ears on the sides where the person's are covered; None where nothing changes.

    donor: another photograph, carried into this frame.  alpha: float32 [S,S], the person's hair.  in_view: what
    `ears_in_view` says of them, if it is known.  An ear that the hair covers partly goes where the donor has no whole
    one: a smooth head is better than a torn ear.
    """
    size = photograph.size
    own, free = photograph.part("ears", size=size) > 0.5, _free(alpha)
    mine, theirs = in_view or ears_in_view(photograph, head, donor, alpha)
    toned, replaced = donor.image.copy(), np.zeros((size, size), bool)
    for side in _sides(head, size):
        if (theirs & side).any():
            near = free & (widened(theirs & side, NEAR * head.centimetre) > 0.5)
            toned[side] = _toned(photograph, theirs & side, near, donor.image)[side]
            replaced |= own & side
        elif not (mine & side).any() and (own & ~free & side).sum() > TOUCHED * (own & side).sum():
            replaced |= own & side
    if not (theirs.any() or replaced.any()):
        return None
    soft = cv2.GaussianBlur(np.float32(theirs), (0, 0), max(0.6, ROUNDING * head.centimetre))
    return Ears(soft, toned, replaced)


def ears_in_view(
    photograph: Photograph, head: Skull, donor: Photograph, alpha: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whole ears of the person, and those that the donor has instead, joined to the head: bool [S,S] each."""
    mine = whole_ears((photograph.part("ears", size=photograph.size) > 0.5) & _free(alpha), head)
    outline, reach = head.mask(photograph.size), APART * head.centimetre
    theirs = donors_ears(donor, head, outline)
    for side in _sides(head, photograph.size):
        if (mine & side).any():
            theirs &= ~side
    outline = outline > 0.5
    joined = widened(widened(theirs | outline, reach), -reach) * widened(theirs, reach) > 0.5
    return mine, theirs | (joined & ~outline)


def _free(alpha: np.ndarray) -> np.ndarray:
    """Where hair does not touch the photograph: bool [S,S]."""
    return widened(alpha > LEAST_ALPHA, FRINGE * len(alpha)) < 0.5


def donors_ears(donor: Photograph, head: Skull, outline: np.ndarray) -> np.ndarray:
    """The donor's ears that are whole, well exposed and beside the head, whose outline is [S,S]: bool [S,S]."""
    size = donor.size
    shown = donor.part("ears", size=size) * donor.known * (donor.part("hair", size=size) < 0.5) > 0.5
    near = widened(outline, APART * head.centimetre) > 0.5
    found = whole_ears(shown, head)
    for side in _sides(head, size):
        ear = found & side
        if not (ear & near).any() or (donor.image[ear].max(1) > BLOWN[0]).mean() > BLOWN[1]:
            found &= ~side
    return found


def whole_ears(shown: np.ndarray, head: Skull) -> np.ndarray:
    """The pieces of ``shown``, bool [S,S], one on a side at the most, with an ear's size and shape."""
    found = np.zeros_like(shown)
    for side in _sides(head, len(shown)):
        part = shown & side
        _, pieces, stats, _ = cv2.connectedComponentsWithStats(part.astype(np.uint8))
        if len(stats) < 2:
            continue
        largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        piece, area = pieces == largest, stats[largest, cv2.CC_STAT_AREA]
        hull = cv2.convexHull(np.argwhere(piece)[:, None].astype(np.float32))
        if (
            area >= max(LEAST_AREA * head.centimetre**2, ONE * part.sum(), SOLID * cv2.contourArea(hull))
            and stats[largest, cv2.CC_STAT_HEIGHT] >= LEAST_HEIGHT * head.centimetre
        ):
            found |= piece
    return found


def _sides(head: Skull, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture's halves left and right of the head's middle, bool [size,size]."""
    top, middle = head.at((0, 8, 0), (0, 0, 0))[:, :2]
    y, x = np.ogrid[:size, :size]
    left = (x - middle[0]) * (middle[1] - top[1]) - (y - middle[1]) * (middle[0] - top[0]) < 0
    return left, ~left


def _toned(photograph: Photograph, ear: np.ndarray, near: np.ndarray, image: np.ndarray) -> np.ndarray:
    """``image`` with the colours under ``ear`` around those of the person's skin ``near`` it, a little redder, and
    never brighter than the person's own skin; the ear's colours go on beyond its outline."""
    skin = (photograph.part("skin", size=photograph.size) > 0.7) & near
    if skin.sum() < 20:
        return image
    core = widened(ear, -1)
    image = continue_colours(image, core if core.any() else np.float32(ear))
    cheek = photograph.image[skin]
    aim = (np.median(cheek, 0) ** 2.2 * EAR) ** (1 / 2.2)
    aim = cv2.cvtColor(np.float32(aim)[None, None], cv2.COLOR_RGB2LAB)[0, 0]
    darker, brighter = np.percentile(cv2.cvtColor(cheek[None], cv2.COLOR_RGB2LAB)[..., 0], (10, 80))
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    off = lab - np.median(lab[ear], 0)
    up, down = max(brighter - aim[0], 1), max(aim[0] - SHADE * darker, 1)
    lightness = np.where(off[..., 0] > 0, up * np.tanh(off[..., 0] / up), down * np.tanh(off[..., 0] / down))
    off = np.dstack([lightness, TINT * np.tanh(off[..., 1:] / TINT)])
    return np.clip(cv2.cvtColor(np.float32(aim + off), cv2.COLOR_LAB2RGB), 0, 1)
