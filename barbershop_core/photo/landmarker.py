"""MediaPipe's Face Landmarker: one thread-safe object per model file.

MediaPipe is imported only here, on first use.  If it cannot be imported (no wheel for the platform, a
missing system library), :class:`LandmarkerUnavailable` says why.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np


class LandmarkerUnavailable(Exception):
    """Faces cannot be detected; the text is the reason, as a phrase for a notice."""


@dataclass(frozen=True, eq=False)
class Found:
    """One detection: points float64 [478,2] in 0..1 of the picture; depth float64 [478], growing away from the
    camera, as a share of the picture's width; matrix [4,4]; blendshapes by name."""

    points: np.ndarray
    depth: np.ndarray
    matrix: np.ndarray
    blendshapes: dict[str, float]

    @property
    def angles(self) -> tuple[float, float]:
        """Yaw and pitch, degrees: where the face's own z axis points, positive to the picture's right and up."""
        gaze = self.matrix[:3, 2] / max(np.linalg.norm(self.matrix[:3, 2]), 1e-9)
        return float(np.degrees(np.arctan2(gaze[0], gaze[2]))), float(np.degrees(np.arcsin(np.clip(gaze[1], -1, 1))))


def largest(found: Iterable[Found]) -> Found | None:
    """The face whose box is largest; None of none."""
    return max(found, key=lambda face: np.ptp(face.points[:, 0]) * np.ptp(face.points[:, 1]), default=None)


class Landmarker:
    """``detect`` can be called from several threads; MediaPipe runs one picture at a time."""

    def __init__(self, model: Path, most: int = 12):
        with _quiet():
            mediapipe, tasks, vision = _mediapipe()
            try:
                # As bytes: MediaPipe's own file reading fails on some non-ASCII paths.
                options = vision.FaceLandmarkerOptions(
                    base_options=tasks.BaseOptions(model_asset_buffer=model.read_bytes()),
                    num_faces=most,
                    output_face_blendshapes=True,
                    output_facial_transformation_matrixes=True,
                )
                self._net = vision.FaceLandmarker.create_from_options(options)
                self._image = lambda pixels: mediapipe.Image(
                    image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(pixels)
                )
                self._net.detect(self._image(np.zeros((64, 64, 3), np.uint8)))  # logs its start-up here
            except (RuntimeError, ValueError, OSError) as bad:
                raise LandmarkerUnavailable(f"the face landmark file {model.name} cannot be opened") from bad
        self._lock = threading.Lock()
        atexit.register(self._close)

    def detect(self, pixels: np.ndarray) -> list[Found]:
        """Faces in uint8 [H,W,3] RGB."""
        with self._lock:
            result = self._net.detect(self._image(pixels))
        shapes = result.face_blendshapes or [[]] * len(result.face_landmarks)
        matrices = result.facial_transformation_matrixes or [np.eye(4)] * len(result.face_landmarks)
        return [
            Found(
                np.array([[p.x, p.y] for p in points], dtype=np.float64),
                np.array([p.z for p in points], dtype=np.float64),
                np.asarray(matrix, dtype=np.float64),
                {shape.category_name: float(shape.score) for shape in blend},
            )
            for points, matrix, blend in zip(result.face_landmarks, matrices, shapes)
        ]

    def _close(self) -> None:
        # Before the interpreter shuts down, when MediaPipe's own __del__ prints a traceback.
        with contextlib.suppress(Exception):
            self._net.close()


_open: dict[tuple, Landmarker] = {}
_open_lock = threading.Lock()


def _open_again() -> None:
    """In a forked child: MediaPipe's threads stayed behind, and a picture given to the parent's object would never
    come back."""
    global _open, _open_lock
    _open, _open_lock = {}, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_again)
_imported: tuple | LandmarkerUnavailable | None = None


def open_landmarker(model: str | Path) -> Landmarker:
    """The landmarker of a file, opened once per process and version of the file."""
    model = Path(model)
    try:
        stat = model.stat()
    except OSError as bad:
        raise LandmarkerUnavailable("the face landmark file is missing") from bad
    key = (str(model.resolve()), stat.st_size, stat.st_mtime_ns)
    with _open_lock:
        if key not in _open:
            _open[key] = Landmarker(model)
        return _open[key]


def _mediapipe() -> tuple:
    """(mediapipe, tasks.python, vision); a failed import is cached: later tries raise misleading errors."""
    global _imported
    if _imported is None:
        try:
            import mediapipe
            from mediapipe.tasks import python as tasks
            from mediapipe.tasks.python import vision

            _imported = (mediapipe, tasks, vision)
        except Exception as bad:  # noqa: BLE001 - ImportError, OSError of a library, TypeError of a mismatch
            reason = str(bad).splitlines()[0] if str(bad) else type(bad).__name__
            _imported = LandmarkerUnavailable(f"MediaPipe cannot be loaded ({reason})")
    if isinstance(_imported, LandmarkerUnavailable):
        raise _imported
    return _imported


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence MediaPipe's native start-up log, which no setting turns off."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):  # no console at all
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
