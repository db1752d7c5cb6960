"""Finds faces with MediaPipe's Face Landmarker: 68 landmarks, box and head angles of each.

The landmarker runs on a reduced picture first.  Each face found is then cropped, turned upright and
detected again at a fixed size, which makes the landmarks precise and independent of the photo's size and
roll, and removes false detections.  Overlapping tiles show smaller faces beside it.  If nothing is found, the
picture is tried rotated, with a margin (close-ups), and in smaller tiles (small faces in large photos).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .landmarker import Found, Landmarker, open_landmarker

LONGEST = 1280  # px of the first detection
ALONE = 448  # px of the second detection, of one face
MAX_FACES = 12

# MediaPipe's canonical face mesh (478 points) -> the 68 iBUG points, from the image's left to its
# right as in iBUG; "132+58" is the midpoint of two vertices, where iBUG's point lies between them.
_PARTS = {
    "outline, ear to ear over the chin": (
        "127 234 93 132+58 58+172 136 150 176 152 400 379 365 397+288 361+288 323 454 356"
    ),
    "brows": "70 63 105 66 107 336 296 334 293 300",
    "bridge and base of the nose": "168 197+6 195+5 4 75 97 2 326 305",
    # outer corner, two upper, inner corner, two lower; the second eye begins at its inner corner
    "eyes": "33 160 158 133 153 144 362 385 387 263 373 380",
    "outer lips, above from corner to corner, and back below": "61 39 37 0 267 269 291 321 314 17 84 91",
    "inner lips": "78 82 13 312 308 317 14 87",
}
IBUG_FROM_MESH: tuple[tuple[int, ...], ...] = tuple(
    tuple(int(vertex) for vertex in point.split("+")) for part in _PARTS.values() for point in part.split()
)


@dataclass(frozen=True, eq=False)
class Face:
    """One face.  Coordinates are source pixels (x, y), counted from pixel centres.

    landmarks: float64 [68,2], iBUG order.  mesh: float64 [478,2], MediaPipe's points.
    yaw, pitch: degrees of the head, 0 facing the camera; positive yaw to the image's right, positive
        pitch down.  roll: degrees of the eye line in the image.
    matrix: [4,4] MediaPipe's transform of the canonical face model, in the upright view.
    blendshapes: 52 expression coefficients in 0..1 by MediaPipe's names.
    """

    landmarks: np.ndarray
    mesh: np.ndarray
    yaw: float
    pitch: float
    roll: float
    matrix: np.ndarray
    blendshapes: dict[str, float]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the mesh, forehead to chin; may lie outside of the photo."""
        low, high = np.floor(self.mesh.min(0)).astype(int), np.ceil(self.mesh.max(0)).astype(int)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])

    @property
    def side(self) -> float:
        """Size in pixels: the square root of the box's area."""
        left, top, right, bottom = self.box
        return float(np.sqrt(max(right - left, 1) * max(bottom - top, 1)))

    def share_inside(self, width: int, height: int) -> float:
        """Share of brows, eyes, nose and mouth (landmarks 17-67) inside a picture of this size."""
        x, y = self.landmarks[17:].T
        return float(((x >= -0.5) & (y >= -0.5) & (x <= width - 0.5) & (y <= height - 0.5)).mean())


def find(image: np.ndarray, model: str | Path) -> list[Face]:
    """All faces in ``image``, uint8 [H,W,3] RGB, the largest first, at most ``MAX_FACES``.

    model: path of ``face_landmarker*.task``.
    Raises landmarker.LandmarkerUnavailable if MediaPipe or the file cannot be used.
    """
    landmarker = open_landmarker(model)
    picture = Image.fromarray(image)
    faces: list[Face] = []
    for careful, views in _looks(picture):
        for view in views:
            _look(landmarker, picture, view, careful, faces)
        if faces:
            break
    if faces and not careful:  # beside a large face the detector misses small ones
        for view in _tiles(picture, 2):
            _look(landmarker, picture, view, True, faces)
    return sorted(faces, key=lambda face: -face.side)[:MAX_FACES]


def _look(landmarker: Landmarker, picture: Image.Image, view: _View, careful: bool, faces: list[Face]) -> None:
    """Add what a view shows and ``faces`` lacks; if ``careful``, only what the second detection confirms."""
    for coarse in landmarker.detect(view.pixels):
        face = _alone(landmarker, picture, view.to_source(coarse.points))
        if face is None and not careful:
            face = _face(view.to_source(coarse.points), coarse)
        if face is not None and not any(_same(face, other) for other in faces):
            faces.append(face)


# ------------------------------------------------------------------------------ where to look


@dataclass(frozen=True)
class _View:
    """Pixels, and how their coordinates (edges, 0..1) map to the source's (edges, px)."""

    pixels: np.ndarray
    matrix: np.ndarray  # [2,3]

    def to_source(self, points: np.ndarray) -> np.ndarray:
        """[N,2] in 0..1 -> [N,2] in pixel centres of the source."""
        return points @ self.matrix[:, :2].T + self.matrix[:, 2] - 0.5


def _looks(picture: Image.Image) -> Iterator[tuple[bool, list[_View]]]:
    """(whether a face counts only if the second detection confirms it, views), in order of trial."""
    width, height = picture.size
    small = picture.copy()
    small.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if max(width, height) < 384:  # too small for the detector
        factor = 384 / max(width, height)
        small = small.resize((max(round(width * factor), 1), max(round(height * factor), 1)), Image.Resampling.BICUBIC)
    upright = _View(np.asarray(small), np.array([[width, 0, 0], [0, height, 0]], dtype=float))
    yield False, [upright]
    yield True, [_turn(upright, quarter, width, height) for quarter in (1, 3, 2)]
    yield True, [_margin(small, width, height, share) for share in (0.35, 0.8)]
    for count in (2, 4):
        if max(width, height) / count >= 96:
            yield True, list(_tiles(picture, count))


def _turn(view: _View, quarters: int, width: int, height: int) -> _View:
    """The view turned counter-clockwise by a number of quarter turns."""
    matrix = {
        1: [[0, -width, width], [height, 0, 0]],
        2: [[-width, 0, width], [0, -height, height]],
        3: [[0, width, 0], [-height, 0, height]],
    }[quarters]
    return _View(np.ascontiguousarray(np.rot90(view.pixels, quarters)), np.array(matrix, dtype=float))


def _margin(small: Image.Image, width: int, height: int, share: float) -> _View:
    """The picture in a grey frame: the detector misses faces that fill it or reach beyond it."""
    dx, dy = round(small.width * share), round(small.height * share)
    framed = Image.new("RGB", (small.width + 2 * dx, small.height + 2 * dy), (128, 128, 128))
    framed.paste(small, (dx, dy))
    fx, fy = width / small.width, height / small.height
    matrix = [[framed.width * fx, 0, -dx * fx], [0, framed.height * fy, -dy * fy]]
    return _View(np.asarray(framed), np.array(matrix))


def _tiles(picture: Image.Image, count: int) -> Iterator[_View]:
    """Square tiles, ``count`` along the longer side, overlapping by half."""
    side = min(max(picture.size) / count, min(picture.size))
    xs = np.linspace(0, picture.width - side, max(int(np.ceil(2 * (picture.width / side - 1))), 0) + 1)
    ys = np.linspace(0, picture.height - side, max(int(np.ceil(2 * (picture.height / side - 1))), 0) + 1)
    out = int(min(max(side, 384), 640))
    for y in ys[:12]:
        for x in xs[:12]:
            tile = picture.resize(
                (out, out), Image.Resampling.BICUBIC, box=(x, y, x + side, y + side), reducing_gap=2.0
            )
            yield _View(np.asarray(tile), np.array([[side, 0, x], [0, side, y]], dtype=float))


# ------------------------------------------------------------------------------ one face


def _alone(landmarker: Landmarker, picture: Image.Image, mesh: np.ndarray) -> Face | None:
    """Second detection of a face: upright and centred, in a picture of fixed size; None if not confirmed."""
    right = _eye_line(mesh)
    down = np.array([-right[1], right[0]])
    extent = max(np.ptp(mesh @ right), np.ptp(mesh @ down))
    centre = ((mesh @ right).min() + (mesh @ right).max()) / 2 * right
    centre = centre + ((mesh @ down).min() + (mesh @ down).max()) / 2 * down + 0.5
    half = extent * 1.1
    # Reduce a box around the turned square first, so that the warp does not alias.
    reach = half * 1.45
    box = (
        max(centre[0] - reach, 0),
        max(centre[1] - reach, 0),
        min(centre[0] + reach, picture.width),
        min(centre[1] + reach, picture.height),
    )
    if box[2] - box[0] < 4 or box[3] - box[1] < 4:
        return None
    scale = max(2 * half / ALONE, 1.0)
    size = (max(round((box[2] - box[0]) / scale), 1), max(round((box[3] - box[1]) / scale), 1))
    region = picture.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    per = np.array([size[0] / (box[2] - box[0]), size[1] / (box[3] - box[1])])
    origin = centre - half * right - half * down
    corner, ax, ay = (origin - box[:2]) * per, right * per * 2 * half / ALONE, down * per * 2 * half / ALONE
    warped = region.transform(
        (ALONE, ALONE),
        Image.Transform.AFFINE,
        (ax[0], ay[0], corner[0], ax[1], ay[1], corner[1]),
        Image.Resampling.BICUBIC,
        fillcolor=(128, 128, 128),
    )
    matrix = np.stack([2 * half * right, 2 * half * down, origin], axis=1)
    view = _View(np.asarray(warped), matrix)
    best = None
    for fine in landmarker.detect(view.pixels):
        points = view.to_source(fine.points)
        apart = np.linalg.norm(points.mean(0) - mesh.mean(0)) / extent
        if apart < 0.35 and 0.6 < max(np.ptp(points @ right), np.ptp(points @ down)) / extent < 1.6:
            if best is None or apart < best[0]:
                best = (apart, _face(points, fine))
    return best[1] if best else None


def _eye_line(mesh: np.ndarray) -> np.ndarray:
    """Unit vector from the eye at the image's left to the other one, [2]."""
    across = mesh[[362, 263]].mean(0) - mesh[[33, 133]].mean(0)
    return across / max(np.hypot(*across), 1e-9)


def _face(mesh: np.ndarray, found: Found) -> Face:
    landmarks = np.stack([mesh[list(indices)].mean(0) for indices in IBUG_FROM_MESH])
    yaw, up = found.angles
    right = _eye_line(mesh)
    roll = float(np.degrees(np.arctan2(right[1], right[0])))
    return Face(landmarks, mesh, yaw, -up, roll, found.matrix, found.blendshapes)


def _same(a: Face, b: Face) -> bool:
    al, at, ar, ab = a.box
    bl, bt, br, bb = b.box
    overlap = max(min(ar, br) - max(al, bl), 0) * max(min(ab, bb) - max(at, bt), 0)
    return overlap > 0.35 * min((ar - al) * (ab - at), (br - bl) * (bb - bt))
