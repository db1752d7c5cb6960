"""The head under the hair: an ellipsoid fitted to the face's points, its outline and which way its surface looks."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from .face_points import OVAL
from .photograph import Photograph
from .planes import enclosed, resized
from .similarity import similarity

RIGID = {
    10: (0.0, 8.4, 5.6),
    168: (0.0, 3.0, 6.0),
    234: (-7.65, 0.7, -2.4),
    454: (7.65, 0.7, -2.4),
    33: (-4.9, 2.7, 3.5),
    263: (4.9, 2.7, 3.5),
    127: (-7.7, 2.35, -1.9),
    356: (7.7, 2.35, -1.9),
}
"""MediaPipe's points that no expression moves, in centimetres: right, up, towards the viewer (means over portraits)."""
HEAD = (0.0, 2.5, -3.2), (8.0, 11.8, 9.8)
"""Centre and half axes in the same frame of the ellipsoid whose surface light falls on."""
CRANIUM = (0.0, 4.6, -3.5), (8.0, 9.7, 9.8)
"""Of the one whose outline the head has above the ears."""
OUTLINE = 512
"""px at which the outline is drawn for larger pictures."""
ROUNDING = 0.25
"""Radius, cm, to which corners of the outline are rounded."""
LOWEST = 1.0
"""Height, cm, from which on the ellipsoid is the head's outline; below, it narrows behind the ears."""


@dataclass(frozen=True, eq=False)
class Skull:
    """matrix [3,3], offset [3]: from the head's frame, cm, to pixels (x, y, away from the viewer)."""

    matrix: np.ndarray
    offset: np.ndarray
    oval: np.ndarray
    _outlines: dict[tuple, np.ndarray] = field(default_factory=dict, repr=False)

    def at(self, *points: tuple[float, float, float]) -> np.ndarray:
        """Points of the head's frame in pixels: [N,3]."""
        return np.asarray(points, float) @ self.matrix.T + self.offset

    @property
    def centimetre(self) -> float:
        """In pixels."""
        return float(np.cbrt(abs(np.linalg.det(self.matrix))))

    def surface(self, shape: tuple[int, int], scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """The head's `outline`, and unit normals, float32 [H,W,3], continued beyond it by those of the edge."""
        y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
        across, along, to_unit = self._ellipsoid(*HEAD, x, y, scale)
        dot, square = across @ along, along @ along
        depth = (-dot - np.sqrt(np.maximum(_inside(across, along), 0))) / square
        unit = across + depth[..., None] * along
        normals = (unit / np.linalg.norm(unit, axis=2, keepdims=True)) @ to_unit
        return self.outline(shape, scale), normals / np.linalg.norm(normals, axis=2, keepdims=True)

    def outline(self, shape: tuple[int, int], scale: float = 1.0) -> np.ndarray:
        """Mask of the head in a picture of [H,W] pixels that is ``scale`` times as large as the photograph's: float32
        in 0..1, with an edge of about a pixel.  Not to be written into: it is kept."""
        if (shape, scale) not in self._outlines:
            self._outlines[shape, scale] = self._drawn(shape, scale)
        return self._outlines[shape, scale]

    def mask(self, size: int) -> np.ndarray:
        """The outline in the whole photograph of ``size`` px, drawn at `OUTLINE` px at most: float32 [size,size]."""
        drawn = min(size, OUTLINE)
        return resized(self.outline((drawn, drawn), drawn / size), size)

    def _drawn(self, shape: tuple[int, int], scale: float) -> np.ndarray:
        y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
        ear = (self.at((0, LOWEST, 0))[0] + 0.5) * scale - 0.5
        down = np.float32(-self.matrix[:2, 1] / np.linalg.norm(self.matrix[:2, 1]))
        lower = 1.5 * np.maximum((x - np.float32(ear[0])) * down[0] + (y - np.float32(ear[1])) * down[1], 0)
        across, along, _ = self._ellipsoid(*CRANIUM, x + lower * down[0], y + lower * down[1], scale)
        inside = _inside(across, along)
        ellipse = np.clip(inside / np.maximum(np.hypot(*np.gradient(inside)), 1e-6) + 0.5, 0, 1)
        face = enclosed((self.oval + 0.5) * scale - 0.5, shape)
        rounding = ROUNDING * self.centimetre * scale
        mask = cv2.GaussianBlur(np.maximum(ellipse, face), (0, 0), max(rounding, 0.4))
        return np.clip((mask - 0.5) * max(1.0, 2 * rounding) + 0.5, 0, 1)

    def _ellipsoid(
        self, centre: tuple[float, ...], axes: tuple[float, ...], x: np.ndarray, y: np.ndarray, scale: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rays through the pixels in the frame where the ellipsoid is the unit sphere: a point of each [H,W,3], their
        direction [3]; and the matrix [3,3] to that frame.  All float32."""
        to_unit = np.linalg.inv(self.matrix * scale @ np.diag(axes)).astype(np.float32)
        middle = ((self.at(centre)[0] + 0.5) * scale - 0.5).astype(np.float32)
        across = (x - middle[0])[..., None] * to_unit[:, 0] + (y - middle[1])[..., None] * to_unit[:, 1]
        return across, to_unit[:, 2], to_unit


def _inside(across: np.ndarray, along: np.ndarray) -> np.ndarray:
    """[H,W]: positive where the ray meets the unit sphere, 0 where it touches it."""
    return (across @ along) ** 2 - (along @ along) * ((across**2).sum(-1) - 1)


def skull(photograph: Photograph) -> Skull:
    """The head of a photograph whose mesh is there."""
    mesh = photograph.mesh.astype(float)
    fit = similarity(np.array(list(RIGID.values())), mesh[list(RIGID)])
    return Skull(fit.scale * fit.rotation, fit.shift, mesh[list(OVAL), :2])
