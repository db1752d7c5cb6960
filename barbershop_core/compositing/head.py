"""A head that can be moved: a sheet of triangles over the photograph, in 3D.

The face is MediaPipe's fitted mesh.  Around it lies a grid: hair, ears and neck continue the face's depth towards
the plane through the middle of the head, where a head's outline is.  The grid's motion fades down the neck, away
from the person, and towards the border of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from scipy.spatial import Delaunay

from ..photo.ramp import smoothstep
from .face_motion import FaceMotion, face_motion
from .photograph import Photograph
from .similarity import Similarity
from .triangles import continued, triangle_field

PIVOT = (0.0, 0.60, 0.60)
"""The neck's joint in the mean face's coordinates: distances between the outer corners of the eyes, from their
middle, down and away from the camera."""
SPACING = 0.026
"""Of the grid, as a share of the picture's side."""
BEHIND = 0.45
"""Over this distance beyond the face's outline, its depth approaches the middle of the head's (eye distances)."""
ROUND = 0.2
"""Over this distance beyond the face, the head is taken for a ball, whose outline a turn does not make narrower."""
NECK = (-0.10, 0.90)
"""From where to where below the chin motion fades (eye distances)."""
FRAME = 0.07
"""Share of the picture's side over which motion fades towards the border."""
FOLLOW = 0.22
"""How far an expression moves what is around the face (eye distances)."""
AROUND = 0.35
"""How far the background near the head moves with it (eye distances)."""
STEEPEST = 1.5
"""Depth per pixel at the most: what is seen at a grazing angle would be stretched into streaks by a turn."""
FILLED = ("left_eye", "right_eye", "mouth")


@dataclass(frozen=True, eq=False)
class Head:
    """The sheet of a photograph.

    points: float32 [V,3], the 478 points of the face, then the grid's; pixels, z away from the camera.
    triangles: int32 [T,3].  share: float32 [V], how much of a turn of the head each point takes part in.
    rigid: float32 [V], 1 on the face, whose outline narrows as it turns, falling to 0 on the round head beside it,
    whose outline does not.
    frame: float32 [V], 0 at the border of the picture, which stays, 1 inside.
    follow: float32 [V-478,478], the grid's motion for motions of the face's points.
    pose: from the mean face to this one.  size: side of the picture, px.
    """

    points: np.ndarray
    triangles: np.ndarray
    share: np.ndarray
    rigid: np.ndarray
    frame: np.ndarray
    follow: np.ndarray
    pose: Similarity
    size: int

    @cached_property
    def pivot(self) -> np.ndarray:
        """[3], pixels."""
        return self.pose(np.array([PIVOT]))[0]

    @property
    def angles(self) -> tuple[float, float, float]:
        """Yaw, pitch, roll, degrees: positive to the picture's right, up, and clockwise."""
        return angles(self.pose.rotation)

    @cached_property
    def face(self) -> np.ndarray:
        """The face's points in the mean face's coordinates, [478,3]."""
        return (self.points[:478] - self.pose.shift) @ self.pose.rotation / self.pose.scale

    def moved(self, turn: tuple[float, float, float] = (0, 0, 0), expression: np.ndarray | None = None) -> np.ndarray:
        """The points after a turn by yaw, pitch, roll (degrees) and a motion of the face's points [478,3] in the
        mean face's coordinates: float32 [V,3]."""
        target = self.points.copy()
        if expression is not None:
            motion = self.pose.scale * expression @ self.pose.rotation.T
            target[:478] += motion
            target[478:] += self.follow @ motion
            target = self.points + self.frame[:, None] * (target - self.points)
        if any(turn):
            wanted = rotation(np.add(self.angles, turn))
            change = wanted @ rotation(self.angles).T
            from_pivot = target - self.pivot
            turned = from_pivot @ change.T
            u, _, vt = np.linalg.svd(change[:2, :2])
            round_ = from_pivot @ np.block([[u @ vt, change[:2, 2:]], [change[2:]]]).T
            turned = round_ + self.rigid[:, None] * (turned - round_)
            target += self.share[:, None] * (turned - from_pivot)
        return target.astype(np.float32)


def angles(matrix: np.ndarray) -> tuple[float, float, float]:
    """Yaw, pitch, roll (degrees) of a rotation [3,3] in pictures' coordinates (y down, z away); undoes `rotation`."""
    forward, right = -matrix[:, 2], matrix[:, 0]
    yaw = np.arctan2(forward[0], -forward[2])
    pitch = np.arcsin(np.clip(-forward[1], -1, 1))
    level = rotation(np.degrees([yaw, pitch, 0]))
    roll = np.arctan2(right @ level[:, 1], right @ level[:, 0])
    return tuple(np.degrees([yaw, pitch, roll]).tolist())


def matrix_angles(matrix: np.ndarray) -> tuple[float, float, float]:
    """Yaw, pitch, roll of MediaPipe's transform [4,4], degrees: positive to the picture's right, up, and clockwise."""
    flip = np.diag([1.0, -1.0, -1.0])  # MediaPipe's y points up and its z to the camera
    return angles(flip @ matrix[:3, :3] @ flip)


def rotation(degrees: np.ndarray) -> np.ndarray:
    """[3,3] from yaw, pitch, roll: roll about the face's axis first, then pitch, then yaw."""
    yaw, pitch, roll = np.radians(degrees)
    cos, sin = np.cos(yaw), np.sin(yaw)
    about_y = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    cos, sin = np.cos(pitch), np.sin(pitch)
    about_x = np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])
    cos, sin = np.cos(roll), np.sin(roll)
    about_z = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def head(photograph: Photograph, person: np.ndarray | None = None) -> Head:
    """The sheet of a photograph with a face.  person: float32 [S,S] in 0..1, where the person is; by default from
    the photograph's parts."""
    model, size = face_motion(), photograph.size
    mesh = photograph.mesh.astype(np.float64)
    pose = model.pose(mesh)
    if person is None:
        person = 1 - photograph.part("background")
    around = _grid(mesh, model, size)
    oval = mesh[model.rings["oval"]]
    distance = np.linalg.norm(around[:, None] - oval[None, :, :2], axis=2)
    weights = 1 / (distance / pose.scale + 0.02) ** 3
    weights /= weights.sum(1, keepdims=True)
    nearest = _beyond(around, mesh, model, photograph) / pose.scale
    middle = pose(np.array([PIVOT]))[0, 2]
    depth = middle + (weights @ oval[:, 2] - middle) * np.exp(-nearest / BEHIND)
    follow = np.zeros((len(around), len(mesh)), np.float32)
    follow[:, model.rings["oval"]] = weights * np.exp(-np.square(distance.min(1) / pose.scale / FOLLOW))[:, None]
    points = _gentle(np.concatenate([mesh, np.concatenate([around, depth[:, None]], 1)]))
    triangles = np.concatenate(
        [model.triangles, *(model.filling(name) for name in FILLED), _around(around, mesh, model)]
    )
    edge = np.minimum(points[:, :2], size - 1 - points[:, :2]).min(1) / size
    frame = smoothstep(edge, 0, FRAME).astype(np.float32)
    share = frame * _share(points[:, :2], mesh, pose, person).astype(np.float32)
    rigid = np.concatenate([np.ones(len(mesh)), np.exp(-nearest / ROUND)]).astype(np.float32)
    return Head(points.astype(np.float32), triangles.astype(np.int32), share, rigid, frame, follow, pose, size)


def _beyond(around: np.ndarray, mesh: np.ndarray, model: FaceMotion, photograph: Photograph) -> np.ndarray:
    """Distance of points [N,2] from the face and its ears, px."""
    side = min(photograph.size, 256)
    scale = side / photograph.size
    solid = (photograph.part("ears", "earrings", size=side) > 0.5).astype(np.uint8)
    outline = np.round((mesh[model.rings["oval"], :2] + 0.5) * scale - 0.5).astype(np.int32)
    near = cv2.fillPoly(np.zeros_like(solid), [outline], 1)
    reach = round(0.5 * side * SPACING * 2) * 2 + 1
    solid &= cv2.dilate(near, np.ones((8 * reach, 8 * reach), np.uint8))  # ears are beside the face
    gap = cv2.distanceTransform(1 - np.maximum(near, solid), cv2.DIST_L2, 5) / scale
    at = np.clip(((around + 0.5) * scale - 0.5).round().astype(int), 0, side - 1)
    return gap[at[:, 1], at[:, 0]]


def _gentle(points: np.ndarray) -> np.ndarray:
    """Points whose depth nowhere grows faster than `STEEPEST`: too deep ones come forward."""
    apart = np.linalg.norm(points[:, None, :2] - points[None, :, :2], axis=2)
    deep = (points[None, :, 2] + STEEPEST * apart).min(1)
    return np.concatenate([points[:, :2], deep[:, None]], 1)


def _grid(mesh: np.ndarray, model: FaceMotion, size: int) -> np.ndarray:
    """Points [N,2] of a grid over the picture and a little beyond, outside of the face's outline."""
    count = round(1 / SPACING)
    at = (np.linspace(-1 / count, 1 + 1 / count, count + 3) * size - 0.5).astype(np.float32)
    points = np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)
    outline = mesh[model.rings["oval"], :2].astype(np.float32)[:, None]
    gap = np.array([cv2.pointPolygonTest(outline, (float(x), float(y)), True) for x, y in points])
    return points[gap < -0.35 * SPACING * size].astype(np.float64)


def _around(around: np.ndarray, mesh: np.ndarray, model: FaceMotion) -> np.ndarray:
    """Triangles [T,3] between the face's outline and the grid."""
    oval = model.rings["oval"]
    outline = mesh[oval, :2]
    corners = Delaunay(np.concatenate([outline, around])).simplices
    indices = np.concatenate([oval, len(mesh) + np.arange(len(around))])
    inside = (corners < len(oval)).all(1)  # triangles within the face, and those that a concave outline cuts off
    centres = outline[corners[inside]].mean(1).astype(np.float32)
    ring = outline.astype(np.float32)[:, None]
    inside[inside] = [cv2.pointPolygonTest(ring, (float(x), float(y)), False) >= 0 for x, y in centres]
    return indices[corners[~inside]]


def _share(points: np.ndarray, mesh: np.ndarray, pose: Similarity, person: np.ndarray) -> np.ndarray:
    """How much of the head's turn the points [V,2] take part in."""
    size = len(person)
    down = pose.rotation[:2, 1] / np.linalg.norm(pose.rotation[:2, 1])
    below = (points @ down - (mesh[:, :2] @ down).max()) / pose.scale
    neck = 1 - smoothstep(below, *NECK)
    neck[: len(mesh)] = 1
    scale = min(1.0, 256 / size)
    small = cv2.resize(person, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    away = cv2.distanceTransform((small < 0.5).astype(np.uint8), cv2.DIST_L2, 5) / scale
    at = np.clip((points * scale).round().astype(int), 0, len(small) - 1)
    outside = away[at[:, 1], at[:, 0]] / pose.scale
    outside[: len(mesh)] = 0
    return neck * np.exp(-np.square(outside / AROUND))


@dataclass(frozen=True, eq=False)
class Backward:
    """Where the pixels of a moved picture come from: float32 [H,W,2], (x, y) in pixels of the source.

    face: of the face's own triangles, continued a little beyond its outline.  around: of everything else, and of the
    face where nothing else lies behind it.  They differ where the face hides what is beside it.
    """

    face: np.ndarray
    around: np.ndarray


def backward(head: Head, target: np.ndarray, size: int) -> Backward:
    """The fields of a move at ``size`` px a side.  target: the head's points after the move, [V,3]."""
    factor = size / head.size
    before = (head.points[:, :2] + 0.5) * factor - 0.5
    after = (target[:, :2] + 0.5) * factor - 0.5
    of_face = (head.triangles < 478).all(1)
    face, owner = triangle_field(head.triangles[of_face], before, after, target[:, 2], size)
    face = continued(face, owner, head.triangles[of_face], before, after)
    moved = (np.abs(before - after) > 1e-3).any(1)[head.triangles].any(1)
    around, owner = triangle_field(head.triangles[~of_face & moved], before, after, target[:, 2], size)
    outline = np.round(after[face_motion().rings["oval"]]).astype(np.int32)
    within = cv2.fillPoly(np.zeros((size, size), np.uint8), [outline], 1) > 0
    bare = within & (owner < 0)
    around[bare] = face[bare]
    return Backward(face, around)


def raster(head: Head, values: np.ndarray, size: int) -> np.ndarray:
    """Values [V] of the head's points, interpolated over the photograph: float32 [size,size]."""
    factor = size / head.size
    places = (head.points[:, :2] + 0.5) * factor - 0.5
    field, _ = triangle_field(head.triangles, np.stack([values, values], 1), places, head.points[:, 2], size)
    return np.ascontiguousarray(field[..., 0])
