"""MediaPipe's 478 points: their triangles, and how they move with each blendshape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from safetensors import safe_open

from ..weights.assets import ASSETS
from .similarity import Similarity, similarity

FILE = ASSETS / "face_motion.safetensors"
STEADY = (6, 8, 9, 10, 21, 33, 54, 67, 103, 109, 127, 133, 151, 162, 168, 195, 197, 234, 251, 263, 284, 297, 332)
STEADY += (338, 356, 362, 389, 454)
"""Points that expressions hardly move: forehead, temples, corners of the eyes, bridge of the nose."""
LIDS = {"eyeBlinkLeft": "left_eye", "eyeBlinkRight": "right_eye"}
MEETING = 0.0
"""How far above the lower lid the lids meet, as a share of the opening."""
IN_FRONT = 0.03
"""How far the upper lid lies in front of the lower one (eye distances)."""
LID = 0.11
"""How far the skin around the eye follows its lids (eye distances)."""


def aligned(points: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Points [478,3] moved onto ``like`` by a similarity of the steady ones."""
    steady = list(STEADY)
    return similarity(points[steady], like[steady])(points)


@dataclass(frozen=True, eq=False)
class FaceMotion:
    """mean: float32 [478,3], outer corners of the eyes 1 apart, y down, z away from the camera.
    motion: blendshape -> float32 [478,3], the move at coefficient 1.
    triangles: int32 [852,3], without eyes and mouth.  rings: points around the holes, "left_eye", "right_eye" and
    "mouth" (from a corner; the other corner is in the middle), and "oval", the outline.
    mirror: int32 [478], the point on the face's other half that corresponds to each.
    """

    mean: np.ndarray
    motion: Mapping[str, np.ndarray]
    triangles: np.ndarray
    rings: Mapping[str, np.ndarray]
    mirror: np.ndarray

    def move(self, amounts: Mapping[str, float], face: np.ndarray) -> np.ndarray:
        """Motion of the points for changes of coefficients, [478,3].

        face: [478,3], the face in the mean face's coordinates.  Lids ("eyeBlinkLeft", "eyeBlinkRight") meet at 1
        however wide its eyes are open.
        """
        total = np.zeros(self.mean.shape)
        for name, amount in amounts.items():
            if name in LIDS:
                total += amount * self.closing(LIDS[name], face)
            else:
                total += amount * self.motion[name]
        return total

    def closing(self, ring: str, face: np.ndarray) -> np.ndarray:
        """Motion of the points that closes an eye, [478,3]."""
        points = self.rings[ring]
        half = len(points) // 2
        lower, upper = points[1:half], points[:half:-1]  # between the corners, each beside its partner
        meeting = face[lower] + MEETING * (face[upper] - face[lower])
        total = np.zeros(self.mean.shape)
        total[lower], total[upper] = meeting - face[lower], meeting - face[upper]
        total[upper, 2] -= IN_FRONT
        lids = np.r_[lower, upper, points[[0, half]]]
        others = np.setdiff1d(np.arange(len(face)), lids)
        apart = np.linalg.norm(face[others][:, None] - face[lids][None], axis=2)
        nearest = apart.argmin(1)
        total[others] = total[lids[nearest]] * np.exp(-((apart.min(1) / LID) ** 4))[:, None]
        return total

    def pose(self, mesh: np.ndarray) -> Similarity:
        """Of a mesh [478,3]: from the mean face's coordinates to its own."""
        steady = list(STEADY)
        return similarity(self.mean[steady], mesh[steady])

    def filling(self, ring: str) -> np.ndarray:
        """Triangles int32 [N-2,3] that close a hole."""
        points = self.rings[ring]
        half = len(points) // 2
        upper, lower = points[: half + 1], np.r_[points[:1], points[: half - 1 : -1]]
        strip = [(upper[k], upper[k + 1], lower[k + 1]) for k in range(half)]
        strip += [(upper[k], lower[k + 1], lower[k]) for k in range(half)]
        return np.array([t for t in strip if len(set(t)) == 3], np.int32)


def other_side(blendshape: str) -> str:
    """The blendshape of the face's other half; those of both halves are their own."""
    for own, other in (("Left", "Right"), ("Right", "Left")):
        if blendshape.endswith(own):
            return blendshape.removesuffix(own) + other
    return blendshape


@cache
def face_motion() -> FaceMotion:
    """The model that comes with the package; see :mod:`barbershop_core.training.face_motion`."""
    with safe_open(FILE, "numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}
        names = file.metadata()["blendshapes"].split()
    motion = dict(zip(names, arrays["motion"].astype(np.float32)))
    rings = {name: arrays[name].astype(np.int32) for name in ("left_eye", "right_eye", "mouth", "oval")}
    return FaceMotion(
        arrays["mean"].astype(np.float32),
        motion,
        arrays["triangles"].astype(np.int32),
        rings,
        arrays["mirror"].astype(np.int32),
    )
