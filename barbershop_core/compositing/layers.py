"""A photograph in layers, drawn after its head has moved: the background, the person, and what mouth and lids hide."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from ..photo.ramp import smoothstep
from . import matting
from .face_motion import face_motion
from .face_points import CHIN, LOWER_LIP
from .fill import continue_into
from .head import Backward, Head, backward, head
from .mouth import mouth_inside
from .photograph import Photograph
from .planes import enclosed, resized

FIELD = 384
"""px at which motion is computed; larger pictures have it enlarged."""
STRAY = (0.010, 0.022)
"""Share of the side over which the person's alpha ends beyond the parser's outline."""
FRINGE = 0.012
"""Around the person, the background is dimmed or tinted by it over this share of the side."""
MIRRORED = (0.08, 0.2)
"""Depth behind the person, as a share of the side, over which the mirrored background ends."""
LEFT_OPEN = (0.1, 0.3)
"""Share of an eye's opening from which its eyeball is seen."""
OPENED = (0.02, 0.07)
"""Lips that part by less keep what is between them, stretched; by more, it is drawn anew (eye distances)."""


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
        planes = (self.image, self.person, self.alpha, self.background)
        return Layers(self.head, *(resized(plane, size, cv2.INTER_CUBIC) for plane in planes))


def layers(photograph: Photograph) -> Layers:
    """The layers of a photograph with a face."""
    alpha = _alpha(photograph)
    sheet = head(photograph, alpha)
    person, background = matting.foreground(photograph.image, alpha), _background(photograph, alpha)
    # neck, collar and what is beside them move little, and together: no outline there that could be wrong
    together = _below_chin(sheet)
    person += np.minimum(1, 20 * together)[..., None] * (photograph.image - person)
    return Layers(sheet, photograph.image, person, np.maximum(alpha, together), background)


def _below_chin(sheet: Head) -> np.ndarray:
    """float32 [S,S]: 1 from the chin downwards, 0 from the mouth upwards."""
    down = sheet.pose.rotation[:2, 1] / np.linalg.norm(sheet.pose.rotation[:2, 1])
    mouth, chin = (sheet.points[k, :2] @ down for k in (LOWER_LIP, CHIN))
    at = np.arange(sheet.size, dtype=np.float32)
    return smoothstep(at[None] * down[0] + at[:, None] * down[1], mouth, chin).astype(np.float32)


def _background(photograph: Photograph, alpha: np.ndarray) -> np.ndarray:
    """float32 [S,S,3]: the photograph with its surroundings continued behind the person."""
    size, side = photograph.size, min(photograph.size, 512)
    image, hidden, known = (resized(x, side) for x in (photograph.image, alpha, photograph.known))
    reach = max(1, round(1.5 * FRINGE * side))
    apart = cv2.erode((hidden < 0.03).astype(np.float32), np.ones((2 * reach + 1,) * 2, np.uint8))
    known = apart * known > 0.5
    if not known.any():
        return photograph.image
    far = continue_into(image, 1 - apart, known.astype(np.float32))
    filled = _mirrored(image, known, far)
    filled = resized(filled, size, cv2.INTER_CUBIC)
    reach = max(1, round(FRINGE * size))
    near = cv2.dilate(alpha, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
    near = cv2.GaussianBlur(smoothstep(near, 0.1, 0.5), (0, 0), reach / 3 + 0.3)
    return (photograph.image + near[..., None] * (filled - photograph.image)).astype(np.float32)


def _mirrored(image: np.ndarray, known: np.ndarray, far: np.ndarray) -> np.ndarray:
    """What is known, mirrored at its outline, with its own texture; deep inside, where it would repeat, ``far``."""
    away, nearest = ndimage.distance_transform_edt(~known, return_indices=True)
    away = away.astype(np.float32)
    grid = np.stack(np.meshgrid(*[np.arange(len(image))] * 2), -1).astype(np.float32)
    border = nearest[::-1].transpose(1, 2, 0).astype(np.float32)
    step = cv2.GaussianBlur((border - grid) * 1.35, (0, 0), 3)
    at = np.abs(grid + step)
    at = (len(image) - 1) - np.abs((len(image) - 1) - at)  # reflected at the picture's border
    hidden = sample((~known).astype(np.float32), at)
    share = smoothstep(away / len(image), *MIRRORED) + hidden
    return sample(image, at) + np.clip(share, 0, 1)[..., None] * (far - sample(image, at))


def _alpha(photograph: Photograph) -> np.ndarray:
    """float32 [S,S] of the person: near the parser's outline, in one piece and without holes."""
    regions = [name for name in photograph.parts if name != "background"]
    soft, side = matting.alpha(photograph, *regions), 256
    solid = photograph.part(*regions, size=side) > 0.5
    solid |= enclosed(_forehead(photograph) * side / photograph.size, (side, side)) > 0.5
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid.astype(np.uint8))
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    solid = _filled(labels == largest)
    inside, outside = (cv2.distanceTransform(x.astype(np.uint8), cv2.DIST_L2, 5) / side for x in (solid, ~solid))
    low, high = (resized(x, len(soft)) for x in (inside, outside))
    return np.maximum(soft, smoothstep(low, *STRAY)) * (1 - smoothstep(high, *STRAY))


def _filled(solid: np.ndarray) -> np.ndarray:
    """A mask without holes; at the picture's border, what lies between two ends of the mask is a hole, too."""
    wide = np.pad(solid, 1)
    for border, row in ((0, 1), (-1, -2)):
        found = np.flatnonzero(wide[row])
        if len(found):
            wide[border, found[0] : found[-1] + 1] = True
    return ndimage.binary_fill_holes(wide)[1:-1, 1:-1]


def _forehead(photograph: Photograph) -> np.ndarray:
    """The face's outline with the skull above it, [36,2]: the person, whatever the parser says."""
    outline = photograph.mesh[face_motion().rings["oval"], :2]
    middle = outline.mean(0)
    wider = middle + 1.05 * (outline - middle)
    wider[:, 1] -= 0.12 * np.maximum(middle[1] - outline[:, 1], 0)
    return wider


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
    """Values of a picture [H,W] or [H,W,C] at places [h,w,2], (x, y) px; beyond its border those of the border."""
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
    cover = enclosed((outline + 0.5) * factor - 0.5, (size, size))
    cover = cv2.GaussianBlur(cover, (0, 0), size / 700)[..., None]
    picture += cover * (sample(layers.person, fields.face) - picture)
    motion = np.linalg.norm(np.where(cover > 0.5, fields.face, fields.around) - grid, axis=2)
    moved = cv2.GaussianBlur(np.clip(motion / 0.5 - 0.2, 0, 1), (0, 0), size / 300)
    picture = layers.image + moved[..., None] * (picture - layers.image)
    for ring in ("right_eye", "left_eye", "mouth"):
        picture, opened = _hole(layers, picture, ring, target, rigid)
        moved = np.maximum(moved, opened)
    return np.clip(picture, 0, 1).astype(np.float32), moved.astype(np.float32)


def _hole(
    layers: Layers, picture: np.ndarray, ring: str, target: np.ndarray, rigid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What is seen between lids or lips that have moved: eyeballs and teeth stay with the skull."""
    size = len(picture)
    points = face_motion().rings[ring]
    if np.abs(target[points] - rigid[points]).max() < 0.003 * layers.head.pose.scale:
        return picture, np.zeros((size, size), np.float32)
    factor = size / layers.head.size
    eyes = factor * layers.head.pose.scale
    now, still, before = ((x[points, :2] + 0.5) * factor - 0.5 for x in (target, rigid, layers.head.points))
    low = np.maximum(np.floor(now.min(0) - 0.1 * eyes).astype(int), 0)
    high = np.minimum(np.ceil(now.max(0) + 0.1 * eyes).astype(int), size)
    if (high <= low).any():
        return picture, np.zeros((size, size), np.float32)
    to_source = cv2.estimateAffine2D(still.astype(np.float32), before.astype(np.float32), method=cv2.LMEDS)[0]
    to_source[:, 2] += to_source[:, :2] @ low
    shape = tuple((high - low).tolist())
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    inside = cv2.warpAffine(layers.image, to_source, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    hole = cv2.GaussianBlur(enclosed(now, (size, size)), (0, 0), size / 900)
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    share = hole[window]
    if ring != "mouth":
        share = share * smoothstep(_area(now) / max(_area(still), 1e-6), *LEFT_OPEN)
    else:
        parted = np.linalg.norm(now[5] - now[15]) - np.linalg.norm(still[5] - still[15])
        share = share * smoothstep(parted / eyes, *OPENED)
        inside = mouth_inside(layers.image, inside, before, still - low, now - low, eyes)
    picture[window] += share[..., None] * (inside - picture[window])
    return picture, hole


def _area(points: np.ndarray) -> float:
    return float(cv2.contourArea(points.astype(np.float32)[:, None]))
