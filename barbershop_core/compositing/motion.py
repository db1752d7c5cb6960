"""Where a pixel of one photograph lies in another: similarities, faces and heads.

A head is carried in three steps: the similarity of the two faces, the difference of their three-dimensional turns, seen
at a depth that the mesh gives the face and a dome the hair, and a smooth warp for what differs between two skulls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from scipy.interpolate import CubicSpline, RBFInterpolator

from ..photo.ramp import smoothstep
from .face_points import CHIN, EARS, EYE_CORNERS, FOREHEAD, LOWER_OVAL, NOSE_BASE, OVAL, UPPER_OVAL
from .photograph import Photograph
from .similarity import similarity

if TYPE_CHECKING:
    from torch import Tensor

LEAST_TURN, MOST_TURN = np.radians([2.0, 32.0])
"""Turns below the first are the landmarks' noise; beyond the second a photograph does not show the other side."""
RIM, BULGE = 1.35, 1.15
"""Of the dome that carries hair: where it is as deep as the ears, and its height, in radii of the head."""
NODES = 48
"""Nodes of the grid on a side, on which smooth fields are computed."""

WAYS = {"cubic": cv2.INTER_CUBIC, "linear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST}
BORDERS = {"replicate": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT_101, "zero": cv2.BORDER_CONSTANT}


@dataclass(frozen=True, eq=False)
class Field:
    """For every pixel of a picture the place it comes from.

    at: float32 [H,W,2], (x, y) in pixels of the source, counted from pixel centres.
    """

    at: np.ndarray

    @staticmethod
    def affine(matrix: np.ndarray, shape: tuple[int, int]) -> Field:
        """The field of a matrix [2,3] from pixels of the target, [H,W] = shape, to pixels of the source."""
        return Field(_apply(matrix, _grid(shape)).astype(np.float32))

    def sample(
        self,
        image: np.ndarray,
        mode: Literal["cubic", "linear", "nearest"] = "cubic",
        border: Literal["replicate", "reflect", "zero"] = "replicate",
    ) -> np.ndarray:
        """float32 [H,W] or [H,W,C]: the source's values, not clipped.  Where the field shrinks the source, that is
        blurred first, so that it does not alias."""
        shrink = self.scale()
        image = np.asarray(image, np.float32)
        if shrink > 1.2 and mode != "nearest":
            image = cv2.GaussianBlur(image, (0, 0), 0.4 * np.sqrt(shrink**2 - 1))
        return cv2.remap(image, self.at, None, WAYS[mode], borderMode=BORDERS[border])

    def scale(self) -> float:
        """Pixels of the source per pixel of the target, the median."""
        across, down = np.diff(self.at[::8], axis=1)[:, ::8], np.diff(self.at[:, ::8], axis=0)[::8]
        n = min(len(across), len(down))
        m = min(across.shape[1], down.shape[1])
        a, d = across[:n, :m], down[:n, :m]
        return float(np.sqrt(np.median(np.abs(a[..., 0] * d[..., 1] - a[..., 1] * d[..., 0])) + 1e-12))

    def resized(self, shape: tuple[int, int], source: float = 1.0) -> Field:
        """The same field for a target of another [H,W], and a source whose side is ``source`` times as large."""
        at = self.at
        if at.shape[:2] != tuple(shape):
            rows, columns = (np.arange(n) + 0.5 for n in shape)
            y = np.float32(rows * at.shape[0] / shape[0] - 0.5)
            x = np.float32(columns * at.shape[1] / shape[1] - 0.5)
            pad = 2  # continued linearly, where interpolation would repeat the border
            at = np.pad(at, ((pad, pad), (pad, pad), (0, 0)), mode="reflect", reflect_type="odd")
            at = cv2.remap(at, *np.meshgrid(x + pad, y + pad), cv2.INTER_LINEAR)
        return Field(np.float32((at + 0.5) * source - 0.5))

    def grid(self, source_size: int) -> Tensor:
        """float32 [1,H,W,2] for `torch.nn.functional.grid_sample` with ``align_corners=False``, of a square source
        of this side in pixels, whatever the resolution of what is sampled."""
        import torch

        return torch.from_numpy((self.at + 0.5) * (2 / source_size) - 1)[None]


def head_similarity(person: Photograph, reference: Photograph) -> np.ndarray:
    """The similarity [2,3] from the person's pixels to the reference's, from the points that no expression moves."""
    still = _still(person.mesh)
    turned = _turned(person.mesh, _turn(person.mesh, reference.mesh))
    return similarity(turned[still, :2], reference.mesh[still, :2]).matrix


def head_field(person: Photograph, reference: Photograph) -> Field:
    """The reference carried onto the person's head: for every pixel of the person where it lies in the reference.

    Both need a mesh; sizes and margins may differ.  Turns beyond `MOST_TURN` are followed only that far.
    """
    nodes = _nodes(person.size)
    turn = _turn(person.mesh, reference.mesh)
    still = _still(person.mesh)
    turned = _turned(person.mesh, turn)
    matrix = similarity(turned[still, :2], reference.mesh[still, :2]).matrix
    points = np.concatenate([nodes, _depth(person, nodes, turn[:2, 2])[:, None]], 1)
    places = _turned(points, turn, about=person.mesh[:468].mean(0))[:, :2]
    places = _apply(matrix, places)
    places += _skull(person, reference, _apply(matrix, turned[:, :2]), nodes)
    return Field(_spread(places, person.size))


def face_field(person: Photograph, reference: Photograph, strength: float = 1.0) -> Field:
    """The reference's face carried onto the person's, within a pixel or two on the points that both show; a
    similarity far from the face.

    strength: share of the difference in shape that is followed, 0 for the similarity alone.
    """
    matrix = similarity(person.mesh[:, :2], reference.mesh[:, :2]).matrix
    oval = np.array(UPPER_OVAL + LOWER_OVAL)
    centre = person.mesh[oval, :2].mean(0)
    anchors = centre + 1.7 * (person.mesh[oval, :2] - centre)
    shown = _shown(person.mesh) & _shown(reference.mesh)
    unit = person.eye_distance
    points = np.concatenate([person.mesh[shown, :2], anchors]).astype(np.float64) / unit
    rest = (reference.mesh[:, :2] - _apply(matrix, person.mesh[:, :2]))[shown]
    rest = np.concatenate([rest, np.zeros_like(anchors)])
    # Computed in a box around the face, finely enough for eyelids.
    low, high = np.floor(anchors.min(0)), np.ceil(anchors.max(0))
    low, high = np.clip(low, 0, person.size - 1).astype(int), np.clip(high, 0, person.size - 1).astype(int)
    field = Field.affine(matrix, (person.size, person.size)).at.copy()
    width, height = high - low + 1
    if strength and width > 1 and height > 1:
        step = max(person.eye_distance / 40, 1)
        count = np.maximum(np.ceil((high - low) / step).astype(int) + 1, 2)
        x, y = (np.linspace(a, b, n) for a, b, n in zip(low, high, count))
        nodes = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
        smooth = RBFInterpolator(points, rest, kernel="thin_plate_spline", smoothing=1e-4)(nodes / unit)
        away = np.linalg.norm((nodes - centre) / np.abs(anchors - centre).max(0), axis=1)
        smooth *= strength * (1 - smoothstep(away, 0.85, 1.0))[:, None]
        moved = _upsample(smooth.reshape(count[1], count[0], 2), (int(height), int(width)))
        field[low[1] : high[1] + 1, low[0] : high[0] + 1] += moved
    return Field(field)


def _grid(shape: tuple[int, int]) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0])), -1).astype(np.float64)


def _nodes(size: int) -> np.ndarray:
    """float64 [NODES²,2], corners of the picture included."""
    at = np.linspace(0, size - 1, NODES)
    return np.stack(np.meshgrid(at, at), -1).reshape(-1, 2)


def _spread(values: np.ndarray, size: int) -> np.ndarray:
    return _upsample(values.reshape(NODES, NODES, 2), (size, size))


def _upsample(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """float32 [H,W,2] from nodes that lie on the corners, by cubic splines, which keep an affine field exactly."""
    down, across = (
        CubicSpline(np.linspace(0, 1, nodes), np.eye(nodes))(np.linspace(0, 1, pixels)).astype(np.float32)
        for nodes, pixels in zip(values.shape, shape)
    )
    return np.einsum("hi,ijc,wj->hwc", down, values.astype(np.float32), across, optimize=True)


def _apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def _still(mesh: np.ndarray) -> np.ndarray:
    """Indices of the points above the nose's base, which neither jaw nor lips move."""
    down = mesh[CHIN] - mesh[FOREHEAD]
    return np.flatnonzero((mesh[:468] - mesh[NOSE_BASE]) @ down < 0)


def _shown(mesh: np.ndarray) -> np.ndarray:
    """bool [478]: not behind another point, as the far cheek of a turned head is."""
    unit = np.linalg.norm(np.subtract(*mesh[EYE_CORNERS, :]))
    near = np.linalg.norm(mesh[:, None, :2] - mesh[None, :, :2], axis=2) < 0.1 * unit
    behind = mesh[:, None, 2] - mesh[None, :, 2] > 0.2 * unit
    return ~(near & behind).any(1)


def _turn(person: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The rotation [3,3] out of the picture's plane between two meshes, less the landmarks' noise."""
    still = _still(person)
    rotation = similarity(person[still], reference[still]).rotation
    # What is in the plane is the similarity's: the shortest turn that takes the view's axis to where it goes.
    view = rotation.T @ [0, 0, 1]
    axis = np.cross(view, [0, 0, 1])
    angle = np.arctan2(np.linalg.norm(axis), view[2])
    if angle <= LEAST_TURN:
        return np.eye(3)
    least = min(angle, MOST_TURN)
    least *= smoothstep(least, LEAST_TURN, 3 * LEAST_TURN)
    return cv2.Rodrigues(axis / np.linalg.norm(axis) * least)[0]


def _turned(points: np.ndarray, turn: np.ndarray, about: np.ndarray | None = None) -> np.ndarray:
    about = points[:468].mean(0) if about is None else about
    return (points - about) @ turn.T + about


def _dome(mesh: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre (x, y, z) and radius of the sphere on which hair lies, pixels."""
    ears = mesh[EARS, :].astype(np.float64)
    radius = np.linalg.norm(ears[1] - ears[0]) / 2
    up = mesh[FOREHEAD] - mesh[CHIN]
    return ears.mean(0) + 0.45 * radius * up / np.linalg.norm(up), 1.15 * radius


def _depth(person: Photograph, at: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Depth of the head's surface [N] at points [N,2]: bulging like the face and the skull in the middle of the head,
    the depth of the ears at its rim and beyond.

    shift: [2], how the turn moves what lies deeper.  On the side that it brings into view, hair is seen to recede
    behind the rim.
    """
    centre, radius = _dome(person.mesh)
    out = at - centre[:2]
    away = np.linalg.norm(out, axis=1) / (RIM * radius)
    towards = out @ shift / np.maximum(np.linalg.norm(out, axis=1) * np.linalg.norm(shift), 1e-9)
    behind = smoothstep(towards, 0, 0.7) * (np.clip(away, 1, 1.4) ** 2 - 1)
    dome = centre[2] - BULGE * radius * (np.clip(1 - away**2, 0, None) - behind)
    face = RBFInterpolator(
        person.mesh[:468:3, :2].astype(np.float64), person.mesh[:468:3, 2], kernel="linear", smoothing=radius / 8
    )(at)
    oval = np.zeros((NODES, NODES), np.float32)
    scale = (NODES - 1) / (person.size - 1)
    outline = person.mesh[list(OVAL), :2] * scale
    cv2.fillPoly(oval, [outline.round().astype(np.int32)], 1)
    weight = cv2.GaussianBlur(oval, (0, 0), max(radius * scale / 5, 0.5)).reshape(-1)
    depth = weight * face + (1 - weight) * dome
    return cv2.GaussianBlur(depth.reshape(NODES, NODES), (0, 0), max(radius * scale / 5, 0.5)).reshape(-1)


def _skull(person: Photograph, reference: Photograph, predicted: np.ndarray, at: np.ndarray) -> np.ndarray:
    """What the two skulls differ by [N,2], pixels of the reference: a smooth warp from the face's outline, constant
    away from the head."""
    jaw = abs(person.blendshapes.get("jawOpen", 0) - reference.blendshapes.get("jawOpen", 0))
    points = np.array(UPPER_OVAL + (LOWER_OVAL if jaw < 0.1 else ()))
    rest = reference.mesh[points, :2] - predicted[points]
    centre, radius = _dome(person.mesh)
    warp = RBFInterpolator(
        (person.mesh[points, :2] - centre[:2]) / radius, rest, kernel="thin_plate_spline", smoothing=1.0
    )
    away = at - centre[:2]
    length = np.maximum(np.linalg.norm(away, axis=1), 1e-9)
    limit = 1.6 * radius
    return warp(away * (np.minimum(length, limit * np.tanh(length / limit)) / length)[:, None] / radius)
