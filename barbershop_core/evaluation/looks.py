"""What judges see in a picture: regions, points, the head's angles, blendshapes, identity; and what changed.

Pictures are compared at ``texture.SIZE`` px.  Regions are the pack's parser's, identity is its network's;
points, angles and blendshapes are MediaPipe's, and missing where it is not there or finds no face.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from torch import Tensor

from ..compositing.face_points import EYE_CORNERS
from ..editing.regions import parse, region_mask
from ..networks.arcface import identity_embedding
from ..photo.landmarker import LandmarkerUnavailable, largest, open_landmarker
from ..photo.pixels import from_uint8
from ..protocols import PackLike
from . import texture
from .metrics import mean_colour

SKIN = ("skin", "nose")
NEAR = 24  # px at texture.SIZE: what is closer to an edited region is not outside of it


@dataclass(frozen=True, eq=False)
class Look:
    """A picture, uint8 [512,512,3], and what is seen in it.

    regions: long [512,512].  who: unit vector.  points: float64 [478,2], px; yaw, pitch: degrees, positive to
    the picture's right and up.  Both are None, and blendshapes empty, without a face.
    """

    picture: np.ndarray
    regions: Tensor
    who: Tensor
    points: np.ndarray | None = None
    yaw: float | None = None
    pitch: float | None = None
    blendshapes: Mapping[str, float] = field(default_factory=dict)

    def mask(self, *regions: str) -> np.ndarray:
        """bool [512,512]: where any of the named regions is."""
        return region_mask(self.regions, regions).numpy()

    @property
    def skin(self) -> np.ndarray | None:
        """Mean Lab colour [3] of skin and nose, None where there is none."""
        mask = self.mask(*SKIN)
        return mean_colour(self.picture, mask) if mask.any() else None


@torch.no_grad()
def look(pack: PackLike, picture: np.ndarray) -> Look:
    """Have a picture, uint8 [H,H,3] of any size, judged."""
    picture = texture.at(picture)
    image = from_uint8(picture, pack.device)
    regions, who = parse(pack.parser, image)[0].cpu(), identity_embedding(pack.identity, image)[0].cpu()
    seen = Look(picture, regions, who)
    if pack.landmarker is None:
        return seen
    try:
        face = largest(open_landmarker(pack.landmarker).detect(picture))
    except LandmarkerUnavailable:
        return seen
    if face is None:
        return seen
    return Look(picture, regions, who, face.points * texture.SIZE, *face.angles, face.blendshapes)


def same_person(one: Look, two: Look) -> float:
    """Cosine, -1..1."""
    return float((one.who * two.who).sum())


def points_moved(before: Look, after: Look) -> float | None:
    """Mean motion of the face's points, in distances between the eyes' outer corners of ``before``."""
    if before.points is None or after.points is None:
        return None
    eyes = np.linalg.norm(np.subtract(*before.points[EYE_CORNERS, :]))
    return float(np.linalg.norm(after.points - before.points, axis=1).mean() / eyes)


def turned(before: Look, after: Look) -> tuple[float, float] | None:
    """Yaw and pitch by which the head has turned, degrees, positive to the picture's right and up."""
    if before.yaw is None or after.yaw is None:
        return None
    return after.yaw - before.yaw, after.pitch - before.pitch


def skin_shift(before: Look, after: Look, shading: bool = False, kept: bool = False) -> float | None:
    """Distance of the mean skin colours in Lab, None where one picture shows none.

    kept: only of the pixels that show skin in both.
    shading: do not count what other light of the same colour changes.  A linear factor on X, Y and Z scales
    L + 16, a and b alike (above the toe of CIELAB's curve), so ``after`` is scaled to the lightness of
    ``before``.
    """
    one, two = before.skin, after.skin
    if kept:
        both = before.mask(*SKIN) & after.mask(*SKIN)
        one, two = (mean_colour(seen.picture, both) if both.any() else None for seen in (before, after))
    if one is None or two is None:
        return None
    if shading:
        two = (two + [16, 0, 0]) * (one[0] + 16) / max(two[0] + 16, 1e-6) - [16, 0, 0]
    return float(np.linalg.norm(two - one))


def outside_change(before: Look, after: Look, *regions: str) -> float | None:
    """Mean absolute difference (0..255) of the pixels that are not near the regions in either picture."""
    inside = (before.mask(*regions) | after.mask(*regions)).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * NEAR + 1, 2 * NEAR + 1))
    outside = cv2.dilate(inside, disc) == 0
    if not outside.any():
        return None
    return float(np.abs(before.picture[outside].astype(np.int16) - after.picture[outside]).mean())
