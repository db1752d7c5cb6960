"""The far side of a head that is turned further than its hair's: hair there lies behind the face, close to its outline.

A turn makes the far half of a face narrow, and the hair that was seen beside it from the front would hang in the air.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..compositing.face_points import CHIN
from ..compositing.mirror import yaw
from ..compositing.motion import Field
from ..compositing.photograph import Photograph
from ..compositing.planes import enclosed
from ..compositing.skull import skull
from ..photo.ramp import smoothstep

WORKING = 256
"""px at which outlines are compared."""
TURNED = (12.0, 20.0)
"""Degrees of turn between the two heads over which hair is drawn to the outline."""
SMOOTH = 0.12
"""Deviation over which the shift is smoothed along the head, in eye distances."""
INSIDE = 2.5
"""Over how many times its length the shift begins, inside of the outline."""


def drawn_close(field: Field, person: Photograph, reference: Photograph) -> Field:
    """The field with which the far outline of the reference's head lies on the person's, where it lay outside."""
    apart = yaw(person) - yaw(reference)
    strength = smoothstep(abs(apart), *TURNED) * (abs(yaw(person)) > abs(yaw(reference)))
    if not strength:
        return field
    work, size = min(person.size, WORKING), person.size
    own = _head(person, work)
    side = min(reference.size, 2 * WORKING)
    small = field.resized((work, work), side / reference.size)
    other = small.sample(np.float32(_head(reference, side)), "linear", "zero") > 0.5
    if apart < 0:
        own, other = own[:, ::-1], other[:, ::-1]
    edge, beyond = _edge(own), _edge(other)
    both = own.any(1) & other.any(1) & (np.arange(work) < person.mesh[CHIN, 1] * work / size)
    if not both.any():
        return field
    unit = person.eye_distance * work / size
    rows = np.arange(work, dtype=np.float32)
    shift = np.interp(rows, rows[both], np.maximum(edge - beyond, 0)[both])
    shift *= np.interp(rows, (rows[both][-1], rows[both][-1] + unit), (1, 0))  # shoulders stay
    shift, edge = (_smoothed(x, SMOOTH * unit) for x in (strength * shift, np.interp(rows, rows[both], edge[both])))
    within = (rows[None] - edge[:, None]) / np.maximum(INSIDE * shift, 1)[:, None]
    moved = shift[:, None] * (1 - smoothstep(within, 0, 1))
    moved = cv2.resize(np.float32(moved), (size, size), interpolation=cv2.INTER_CUBIC) * (size / work)
    x, y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    x = x - moved if apart > 0 else x + moved[:, ::-1]
    pad = round(float(np.abs(moved).max())) + 1  # continued linearly, where the picture ends
    wide = np.pad(field.at, ((0, 0), (pad, pad), (0, 0)), mode="reflect", reflect_type="odd")
    return Field(cv2.remap(wide, x + pad, y, cv2.INTER_LINEAR))


def _head(photograph: Photograph, size: int) -> np.ndarray:
    """bool [size,size]: the head, with the profile of a turned face, which lies beyond its outline."""
    scale = size / photograph.size
    profile = cv2.convexHull(np.float32((photograph.mesh[:468, :2] + 0.5) * scale - 0.5))
    return np.maximum(skull(photograph).outline((size, size), scale), enclosed(profile, (size, size))) > 0.5


def _edge(mask: np.ndarray) -> np.ndarray:
    """The first column of each row in which the mask [H,W] is True."""
    return mask.argmax(1).astype(np.float32)


def _smoothed(values: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(np.float32(values)[:, None], (0, 0), max(sigma, 0.5), borderType=cv2.BORDER_REPLICATE)[:, 0]
