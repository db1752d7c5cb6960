"""A photograph as edits see it: pixels, soft masks of its regions, and the face's points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from .face_points import EYE_CORNERS
from .planes import resized

FACE = ("skin", "brows", "eyes", "nose", "mouth")
"""Regions that are the face itself; glasses are before it."""


@dataclass(frozen=True, eq=False)
class Photograph:
    """The crop of a portrait at the photo's own resolution.

    Coordinates are pixels of ``image``, (x, y) counted from pixel centres: 0 is the middle of the first pixel.

    image: float32 [S,S,3], RGB in 0..1.
    known: float32 [S,S], 1 inside of the photo, 0 where the crop reaches beyond it and was filled in.
    parts: region name -> float32 [P,P] in 0..1, the parser's probability, usually at a lower resolution; regions
        that are nowhere likely are missing.
    mesh: float32 [478,3], MediaPipe's points in pixels; z grows away from the camera, in the same unit, 0 near
        the middle of the head.  None where no face was found.
    matrix: float64 [4,4], MediaPipe's transform of the canonical face (centimetres); its rotation is the head's.
    blendshapes: 52 expression coefficients in 0..1 by MediaPipe's names.
    """

    image: np.ndarray
    known: np.ndarray
    parts: Mapping[str, np.ndarray]
    mesh: np.ndarray | None = None
    matrix: np.ndarray | None = None
    blendshapes: Mapping[str, float] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """S, pixels."""
        return len(self.image)

    def part(self, *names: str, size: int | None = None) -> np.ndarray:
        """Probability of any of the named regions, float32 [size,size] (default S) in 0..1."""
        size = size or self.size
        total = np.zeros((1, 1), np.float32)
        for name in names:
            if name in self.parts:
                total = total + self.parts[name]
        return np.clip(resized(total, size), 0, 1)

    def resized(self, size: int) -> Photograph:
        """The same at another size, for previews."""
        if size == self.size:
            return self
        image, known = (resized(x, size, cv2.INTER_CUBIC) for x in (self.image, self.known))
        mesh = None if self.mesh is None else (self.mesh + (0.5, 0.5, 0)) * (size / self.size) - (0.5, 0.5, 0)
        return replace(
            self, image=image.clip(0, 1), known=known, mesh=None if mesh is None else mesh.astype(np.float32)
        )

    @property
    def eye_distance(self) -> float:
        """Between the outer corners of the eyes, pixels.  The mesh has to be there."""
        return float(np.linalg.norm(np.subtract(*self.mesh[EYE_CORNERS, :2])))


def polygon(photo: Photograph, points: tuple[int, ...], grow: float = 0.0) -> np.ndarray:
    """float32 [S,S]: 1 inside the hull of points, grown (or shrunk) by a share of the eyes' distance."""
    mask = np.zeros((photo.size, photo.size), np.uint8)
    hull = cv2.convexHull(np.rint(photo.mesh[list(points), :2]).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 1)
    if radius := round(abs(grow) * photo.eye_distance):
        ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        left, top, width, height = cv2.boundingRect(hull)
        near = np.s_[max(0, top - radius) : top + height + radius, max(0, left - radius) : left + width + radius]
        if mask[near].size:
            mask[near] = cv2.dilate(mask[near], ball) if grow > 0 else cv2.erode(mask[near], ball)
    return mask.astype(np.float32)
