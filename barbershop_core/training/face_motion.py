"""How real faces move: a linear model from MediaPipe's blendshapes to its 478 points.

``python -m barbershop_core.training.face_motion FOLDER`` writes ``assets/face_motion.safetensors``.  FOLDER holds
``faces192.tar`` and ``faces192.json``: photographs of people, several of each.  MediaPipe labels them: points,
expression, head pose.  Points are aligned to the mean face, the mean of each person is taken away, and ridge
regression gives the points' motion for each blendshape.  Head pose is regressed out: the points' depth depends on it.
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file
from scipy.optimize import linear_sum_assignment

from ..compositing.face_motion import FILE, aligned, other_side
from ..photo.landmarker import Landmarker
from ..weights.manifest import PACKS
from .labelled_photos import held_out

LOOK = 384
"""px at which faces are looked at."""
RIDGE = 2.0
"""Penalty on the squared weights of the regression, beside the squared errors summed over all faces."""
ROUNDS = 4
"""Of Procrustes analysis."""
UPPER, LOWER = (0.45, 0.20), (0.15, 0.45)
"""Heights, in the mean face's coordinates, between which the motion of brows and eyes fades downwards, and that of
the mouth and jaw upwards.  In photographs they come together: who laughs narrows the eyes."""
RING_STARTS = {"right_eye": 33, "left_eye": 362, "mouth": 78}
"""Corners at which the rings of points around the mesh's holes begin."""
LICENCE = (
    "Learnt from photographs of CelebA (in the wild), which is for non-commercial research; the points, blendshapes "
    "and triangles are those of MediaPipe's Face Landmarker (Apache-2.0)."
)


@dataclass(frozen=True, eq=False)
class Faces:
    """Labelled faces: points [N,478,3], y down, z away from the camera; shapes [N,B]; names of the blendshapes;
    turned [N,3]: the head's right, up and forward axes' deviations, from its rotation; person [N]."""

    points: np.ndarray
    shapes: np.ndarray
    names: tuple[str, ...]
    turned: np.ndarray
    person: np.ndarray


def read_faces(folder: Path, landmarker: Landmarker) -> Faces:
    """MediaPipe's labels of the photographs; without those in which it finds no face."""
    people = {face["file"]: face["person"] for face in json.loads((folder / "faces192.json").read_text())}
    found, person = [], []
    with tarfile.open(folder / "faces192.tar") as files:
        for entry in files:
            if entry.name not in people:
                continue
            image = Image.open(io.BytesIO(files.extractfile(entry).read())).convert("RGB")
            faces = landmarker.detect(np.asarray(image.resize((LOOK, LOOK), Image.Resampling.BICUBIC)))
            if faces:
                found.append(faces[0])
                person.append(people[entry.name])
    names = tuple(name for name in found[0].blendshapes if not name.startswith("_"))
    return Faces(
        np.stack([np.concatenate([face.points, face.depth[:, None]], 1) for face in found]),
        np.array([[face.blendshapes[name] for name in names] for face in found]),
        names,
        np.stack([_turned(face.matrix) for face in found]),
        np.array(person),
    )


def _turned(matrix: np.ndarray) -> np.ndarray:
    """Yaw and pitch as sines, and the yaw squared."""
    rotation = matrix[:3, :3] / np.cbrt(np.linalg.det(matrix[:3, :3]))
    return np.array([rotation[0, 2], rotation[1, 2], rotation[0, 2] ** 2])


def mean_face(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Generalized Procrustes analysis: the mean face [478,3], its outer eye corners 1 apart, upright and
    symmetrical; and the faces aligned to it."""
    mean = points[len(points) // 2]
    for _ in range(ROUNDS):
        moved = np.stack([aligned(face, mean) for face in points])
        mean = moved.mean(0)
        mirror = mirrored_indices(mean)
        mean = _upright((mean + _mirrored(_upright(mean), mirror)) / 2)
    return mean, np.stack([aligned(face, mean) for face in points])


def _upright(mean: np.ndarray) -> np.ndarray:
    """Eyes level and 1 apart, their middle at the origin, chin and forehead at the same depth."""
    right, left, top, chin = mean[33], mean[263], mean[10], mean[152]
    x = (left - right) / np.linalg.norm(left - right)
    y = chin - top - ((chin - top) @ x) * x
    y /= np.linalg.norm(y)
    axes = np.stack([x, y, np.cross(x, y)])
    return (mean - (right + left) / 2) @ axes.T / np.linalg.norm(left - right)


def mirrored_indices(mean: np.ndarray) -> np.ndarray:
    """The point on the other side of each point, [478]."""
    flipped = _upright(mean) * [-1, 1, 1]
    return linear_sum_assignment(np.linalg.norm(flipped[:, None] - _upright(mean)[None], axis=-1))[1]


def _mirrored(points: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    return points[..., mirror, :] * [-1, 1, 1]


def fit(faces: Faces) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The model's arrays, and its errors on people who were held out: root mean square distances in thousandths
    of the distance between the eyes, without the motion (the person's mean face) and with it."""
    mean, points = mean_face(faces.points)
    mirror = mirrored_indices(mean)
    swap = [faces.names.index(other_side(name)) for name in faces.names]
    shapes = np.concatenate([faces.shapes, faces.shapes[:, swap]])
    points = np.concatenate([points, _mirrored(points, mirror)])
    turned = np.concatenate([faces.turned, faces.turned * [-1, 1, 1]])
    person = np.concatenate([faces.person, [f"{name} mirrored" for name in faces.person]])
    causes = np.concatenate([shapes, turned], 1)
    causes, points = _without_means(causes, person), _without_means(points, person)
    test = np.array([held_out(name.split()[0]) for name in person])
    x, y = causes[~test], points[~test].reshape((~test).sum(), -1)
    weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
    rest = (points[test].reshape(test.sum(), -1) - causes[test] @ weights).reshape(-1, *mean.shape)

    def size(difference: np.ndarray) -> float:
        return round(1000 * float(np.sqrt(np.square(difference[..., :2]).sum(-1).mean())), 2)

    scores = {"person's mean": size(points[test]), "with motion": size(rest), "photos": int(test.sum()) // 2}
    motion = weights[: len(faces.names)].reshape(-1, *mean.shape) * _places(faces.names, mean)[..., None]
    return {"mean": mean, "motion": motion, "mirror": mirror}, scores


def _places(names: Sequence[str], mean: np.ndarray) -> np.ndarray:
    """Where each blendshape may move points: float [B,478] in 0..1."""
    upper, lower = (np.clip((mean[:, 1] - zero) / (one - zero), 0, 1) for zero, one in (UPPER, LOWER))
    return np.stack([upper if name.startswith(("brow", "eye")) else lower for name in names])


def _without_means(values: np.ndarray, person: np.ndarray) -> np.ndarray:
    values = values.copy()
    for name in np.unique(person):
        values[person == name] -= values[person == name].mean(0)
    return values


def mesh() -> dict[str, np.ndarray]:
    """MediaPipe's triangles, int16 [852,3], and the rings of points around their holes and outline, in order."""
    from mediapipe.tasks.python.vision import FaceLandmarksConnections as connections

    edges = [(edge.start, edge.end) for edge in connections.FACE_LANDMARKS_TESSELATION]
    triangles = np.array([[edge[0] for edge in edges[k : k + 3]] for k in range(0, len(edges), 3)], np.int16)
    found: dict[frozenset, list] = {}
    for triangle in triangles.tolist():
        for a, b in zip(triangle, triangle[1:] + triangle[:1]):
            found.setdefault(frozenset((a, b)), []).append((a, b))
    border: dict[int, list[int]] = {}
    for sides in found.values():
        if len(sides) == 1:
            a, b = sides[0]
            border.setdefault(a, []).append(b)
            border.setdefault(b, []).append(a)
    rings = {name: _ring(border, start) for name, start in {**RING_STARTS, "oval": 10}.items()}
    return {"triangles": triangles, **rings}


def _ring(border: dict[int, list[int]], start: int) -> np.ndarray:
    ring, last = [start], None
    while True:
        following = next(point for point in border[ring[-1]] if point != last)
        if following == start:
            return np.array(ring, np.int16)
        last = ring[-1]
        ring.append(following)


def write(path: Path, faces: Faces, arrays: dict[str, np.ndarray], scores: dict[str, float]) -> None:
    """Floats in half precision, indices as int16; names, licence and scores in the metadata."""
    half = {k: v.astype(np.float16 if v.dtype.kind == "f" else np.int16) for k, v in arrays.items()}
    metadata = {"blendshapes": " ".join(faces.names), "licence": LICENCE, "held out": json.dumps(scores)}
    save_file(half, path, metadata)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the photographs, fit the model, write it, and print its scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with faces192.tar and faces192.json")
    parser.add_argument("--landmarker", type=Path, default=PACKS / "studio" / "face_landmarker.task")
    parser.add_argument("-o", "--output", type=Path, default=FILE)
    args = parser.parse_args(arguments)
    faces = read_faces(args.folder, Landmarker(args.landmarker, most=1))
    arrays, scores = fit(faces)
    write(args.output, faces, {**arrays, **mesh()}, scores)
    print(f"{len(faces.points)} photographs; {scores}; {args.output} {args.output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
