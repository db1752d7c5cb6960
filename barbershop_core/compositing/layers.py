"""A photograph in layers, drawn after its head has moved: the background, the person, and what mouth and lids hide."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from . import matting
from .face_motion import face_motion
from .head import Backward, Head, backward, head
from .mouth import mouth_inside
from .photograph import Photograph

FIELD = 384
"""px at which motion is computed; larger pictures have it enlarged."""
DOME = (0.30, 0.62)
"""The face's outline grown by this much (of its width to the sides, of its height upwards) is head, whatever the
parser says."""


@dataclass(frozen=True, eq=False)
class Layers:
    """image: float32 [S,S,3], the photograph.  person: its colours without background, continued beyond the outline.
    alpha: float32 [S,S] of the person.  background: float32 [S,S,3], continued behind the person.
    """

    head: Head
    image: np.ndarray
    person: np.ndarray
    alpha: np.ndarray
    background: np.ndarray

    def at(self, size: int) -> Layers:
        """The same at another size."""
        if size == len(self.image):
            return self

        def resized(plane: np.ndarray) -> np.ndarray:
            way = cv2.INTER_AREA if size < len(self.image) else cv2.INTER_CUBIC
            return cv2.resize(plane, (size, size), interpolation=way)

        return Layers(self.head, *(resized(x) for x in (self.image, self.person, self.alpha, self.background)))


def layers(photograph: Photograph) -> Layers:
    """The layers of a photograph with a face."""
    regions = [name for name in photograph.parts if name != "background"]
    alpha = matting.alpha(photograph, *regions)
    alpha = _one_piece(np.maximum(alpha, _dome(photograph)))
    person = matting.foreground(photograph.image, alpha)
    apart = cv2.erode((alpha < 0.02).astype(np.float32), np.ones((3, 3), np.uint8))
    background = matting.continue_colours(photograph.image, apart)
    sheet = head(photograph, alpha)
    return Layers(sheet, photograph.image, person, alpha, background)


def _dome(photograph: Photograph) -> np.ndarray:
    """float32 [S,S]: 1 in the face and a little around it."""
    outline = photograph.mesh[face_motion().rings["oval"], :2]
    middle = outline.mean(0)
    wider = middle + (outline - middle) * (1.0 + np.array(DOME) * 0.15)
    wider[:, 1] = np.where(wider[:, 1] < middle[1], middle[1] + (wider[:, 1] - middle[1]) * 1.12, wider[:, 1])
    return polygon(wider, photograph.size)


def _one_piece(alpha: np.ndarray) -> np.ndarray:
    """Alpha without islands and lakes."""
    small = cv2.resize(alpha, (256, 256), interpolation=cv2.INTER_AREA)
    keep = np.ones_like(small)
    for solid, value in ((small > 0.5, 0.0), (small <= 0.5, 1.0)):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(solid.astype(np.uint8))
        for label in range(1, count):
            if stats[label, cv2.CC_STAT_AREA] < 0.02 * small.size:
                keep[labels == label] = -value
    size = alpha.shape[::-1]
    lakes = cv2.resize((keep == -1).astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    islands = cv2.resize((keep == 0).astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return np.clip(np.maximum(alpha, lakes) * (1 - islands), 0, 1)


def polygon(points: np.ndarray, size: int, softness: float = 0.0) -> np.ndarray:
    """float32 [size,size]: 1 inside of points [N,2], with a smooth edge.  softness: sigma, px."""
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    mask = mask.astype(np.float32) / 255
    return cv2.GaussianBlur(mask, (0, 0), softness) if softness else mask


def enlarged(field: np.ndarray, size: int) -> np.ndarray:
    """A field [W,W,2] for pictures of another size, [size,size,2]; its kinks are smoothed."""
    side = len(field)
    grid = np.stack(np.meshgrid(*[np.arange(side, dtype=np.float32)] * 2), -1)
    motion = cv2.GaussianBlur(field - grid, (0, 0), 0.8)
    if size != side:
        motion = cv2.resize(motion, (size, size), interpolation=cv2.INTER_CUBIC) * (size / side)
        grid = np.stack(np.meshgrid(*[np.arange(size, dtype=np.float32)] * 2), -1)
    return grid + motion


def sample(image: np.ndarray, at: np.ndarray) -> np.ndarray:
    return cv2.remap(image, at, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def draw(layers: Layers, target: np.ndarray, rigid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The photograph with its head's points moved.

    target: [V,3] of `Head.moved`.  rigid: the same without the expression, which eyeballs and teeth do not follow.
    Returns float32 [S,S,3] in 0..1, and float32 [S,S] in 0..1: where the picture has changed.
    """
    size = len(layers.image)
    fields = backward(layers.head, target, min(size, FIELD))
    fields = Backward(enlarged(fields.face, size), enlarged(fields.around, size))
    behind, alpha = sample(layers.person, fields.around), sample(layers.alpha, fields.around)
    picture = layers.background + np.clip(alpha, 0, 1)[..., None] * (behind - layers.background)
    grid = np.stack(np.meshgrid(*[np.arange(size, dtype=np.float32)] * 2), -1)
    factor = size / layers.head.size
    outline = target[face_motion().rings["oval"], :2]
    cover = polygon((outline + 0.5) * factor - 0.5, size, softness=size / 700)[..., None]
    picture += cover * (sample(layers.person, fields.face) - picture)
    motion = np.linalg.norm(np.where(cover > 0.5, fields.face, fields.around) - grid, axis=2)
    moved = cv2.GaussianBlur(np.clip(motion / 0.5 - 0.2, 0, 1), (0, 0), size / 300)
    picture = layers.image + moved[..., None] * (picture - layers.image)
    for ring in ("right_eye", "left_eye", "mouth"):
        picture, opened = _hole(layers, picture, ring, target, rigid)
        moved = np.maximum(moved, opened)
    return np.clip(picture, 0, 1), moved


def _hole(
    layers: Layers, picture: np.ndarray, ring: str, target: np.ndarray, rigid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What is seen between lids or lips that have moved: eyeballs and teeth stay with the skull."""
    size = len(picture)
    points = face_motion().rings[ring]
    if np.abs(target[points] - rigid[points]).max() < 0.003 * layers.head.pose.scale:
        return picture, np.zeros((size, size), np.float32)
    factor = size / layers.head.size
    now, still, before = (
        (x[points, :2] + 0.5) * factor - 0.5 for x in (target, rigid, layers.head.points)
    )
    hole = polygon(now, size, softness=size / 900)
    to_source = cv2.estimateAffine2D(still.astype(np.float32), before.astype(np.float32), method=cv2.LMEDS)[0]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    inside = cv2.warpAffine(layers.image, to_source, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    if ring == "mouth":
        inside = mouth_inside(layers.image, inside, before, still, now, factor * layers.head.pose.scale)
    return picture + hole[..., None] * (inside - picture), hole
