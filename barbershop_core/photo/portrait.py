"""Reads a photo as an aligned portrait, and pastes an edited portrait back into the photo.

``read`` decodes (:mod:`.decode`), finds the face (:mod:`.faces`) and aligns it as FFHQ does
(:mod:`.crop`); ``paste_back`` puts an edit into the photo (:mod:`.paste`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image

from ..errors import BadRequest, FaceIndexError, FaceTurnedAway, NoFaceFound, PhotoError, PhotoTooSmall
from . import faces
from .crop import align, box_corners, crop_grid, cut, ffhq_quad, inside
from .decode import Source, decode
from .faces import Face
from .landmarker import LandmarkerUnavailable
from .nudge import Nudge
from .paste import paste

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

MIN_FACE = 48  # px: smaller faces cannot be aligned reliably and are refused
SOFT_FACE = 96  # px: smaller faces give a soft result, and a notice says so
MAX_YAW, MAX_PITCH = 45.0, 45.0  # degrees: beyond them the landmarks are unreliable
MIN_INSIDE = 0.98  # share of brows, eyes, nose and mouth that must lie in the photo
ALIGNED = 0.08  # of the side: a square photo whose face is this close to FFHQ's alignment is not cropped


@dataclass(frozen=True, eq=False)
class Portrait:
    """An aligned face and the photo it came from.

    image: uint8 [R,R,3] sRGB, the aligned crop.
    source: uint8 [H,W,3] sRGB, the whole photo, decoded and upright.
    quad: float64 [4,2], the crop's corners in ``source`` (x, y), in pixel edges (0,0 is the upper
        left corner of the first pixel); order upper left, lower left, lower right, upper right;
        they may lie outside of the photo.
    found: the faces in the photo, the largest first; empty without a landmarker.
    index: the index of this face in ``found`` (0 without a landmarker).
    notices: sentences for the user.
    findings: what was found out about it, kept for further edits of the same photo; None keeps nothing.
    nudge: how the crop was moved from where the alignment put it; None for not at all.
    """

    image: np.ndarray
    source: np.ndarray
    quad: np.ndarray
    found: tuple[Face, ...] = ()
    index: int = 0
    notices: tuple[str, ...] = ()
    findings: dict[Hashable, Any] | None = field(default=None, repr=False)
    nudge: Nudge | None = None
    _crops: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def faces(self) -> list[tuple[int, int, int, int]]:
        """Boxes (left, top, right, bottom) in the source, the largest first."""
        return [face.box for face in self.found]

    @property
    def face(self) -> Face | None:
        """The face in this portrait, None without a landmarker."""
        return self.found[self.index] if self.found else None

    @property
    def size(self) -> int:
        return len(self.image)

    @cached_property
    def digest(self) -> str:
        """sha256, hex, of the crop's pixels and corners."""
        quad = np.round(np.asarray(self.quad, dtype="<f8"), 3) + 0.0  # no negative zero
        return hashlib.sha256(self.image.tobytes() + quad.tobytes() + bytes(str(self.image.shape), "ascii")).hexdigest()

    def once(self, what: Hashable, find: Callable[[], T]) -> T:
        """``find()``, or what it returned before where findings are kept.  what: says what is found, and with which
        network."""
        if self.findings is None:
            return find()
        if what not in self.findings:
            self.findings[what] = find()
        return self.findings[what]

    def at(self, size: int) -> np.ndarray:
        """The crop at another size, uint8 [size,size,3]; a larger one is cut from the photo again."""
        if size == self.size:
            return self.image
        if size not in self._crops:
            if size < self.size:
                picture = Image.fromarray(self.image).resize((size, size), Image.Resampling.LANCZOS)
                self._crops[size] = np.array(picture)
            else:
                self._crops[size] = cut_out(self.source, self.quad, size)
        return self._crops[size]

    def tensor(self, size: int | None = None, device: torch.device | str = "cpu") -> torch.Tensor:
        """The crop for a network: float32 [1,3,size,size], RGB in [-1,1]."""
        from .pixels import from_uint8  # imports torch, which decoding and cropping do not need

        return from_uint8(self.at(size or self.size), device)


def read(
    source: Source | Portrait,
    size: int,
    landmarker: str | Path | None = None,
    face: int | None = None,
    trust_square: bool = False,
    nudge: Nudge | None = None,
) -> Portrait:
    """Decode a photo and align one of its faces.

    source: path, bytes, PIL image, uint8 array, or a Portrait, whose photo is aligned again.
    size: side of the crop, px (the generator's).  landmarker: the Face Landmarker file; if None or not
        usable, a square photo is taken as it is, and any other is cropped to a square in the middle.
    face: index of the face, the largest is 0; None for the largest that can be used.
    trust_square: take a square photo in which no face is found as it is (drawn or rendered portraits).
    nudge: moves the crop from where the alignment puts it.
    Raises a PhotoError, or BadRequest for a ``size`` out of range.
    """
    if not 16 <= size <= 4096:
        raise BadRequest(f"A crop cannot have {size} pixels; use 16 to 4096.")
    portrait = _aligned(source, size, landmarker, face, trust_square)
    return nudged(portrait, nudge) if nudge else portrait


def _aligned(
    source: Source | Portrait, size: int, landmarker: str | Path | None, face: int | None, trust_square: bool
) -> Portrait:
    pixels = source.source if isinstance(source, Portrait) else decode(source)
    if np.ptp(pixels, axis=(0, 1)).max() < 4:
        raise NoFaceFound("The picture is a single flat colour.")
    if landmarker is None:
        return _without_landmarks(pixels, size, "there is no face landmark file", face)
    try:
        found = faces.find(pixels, landmarker)
    except LandmarkerUnavailable as why:
        return _without_landmarks(pixels, size, str(why), face)
    if not found:
        if trust_square and _is_square(pixels):
            return _whole(pixels, size, ("No face was found; the square picture was taken as it is.",))
        raise NoFaceFound("No face was found in the photo.")
    return _of_face(pixels, found, size, face)


def nudged(portrait: Portrait, nudge: Nudge) -> Portrait:
    """The portrait with its crop moved, cut from the photo again."""
    corners = nudge.corners(portrait.quad)
    notices = tuple(notice for notice in portrait.notices if "lies outside" not in notice)
    missing = 1 - float(inside(crop_grid(corners, 64), portrait.source.shape).mean())
    image = cut_out(portrait.source, corners, portrait.size)
    notices += _filled(missing)
    return replace(portrait, image=image, quad=corners, notices=notices, nudge=nudge, _crops={}, findings=None)


def _filled(missing: float) -> tuple[str, ...]:
    """A sentence where much of the portrait is missing in the photo; missing: share of its area."""
    if missing <= 0.15:
        return ()
    return (f"{100 * missing:.0f} % of the portrait lies outside of the photo and was filled in.",)


def paste_back(portrait: Portrait, edited: np.ndarray, changed: np.ndarray | None = None) -> np.ndarray:
    """The whole photo with the edit in it, uint8 [H,W,3]; see :mod:`barbershop_core.photo.paste`.

    edited: uint8 [r,r,3], the edited crop at any size.  changed: [h,w] in 0..1, where the edit
    applies; None: where it differs from the original crop.
    """
    edited = np.asarray(edited)
    if edited.ndim != 3 or edited.shape[0] != edited.shape[1]:
        raise BadRequest(f"The edited crop must be square, not {list(edited.shape)}.")
    return paste(portrait.source, portrait.quad, portrait.at(len(edited)), edited, changed)


# ------------------------------------------------------------------------------ with landmarks


def _of_face(pixels: np.ndarray, found: list[Face], size: int, index: int | None) -> Portrait:
    height, width = pixels.shape[:2]
    if index is None:
        problems = [_problem(face, width, height) for face in found]
        index = next((i for i, problem in enumerate(problems) if problem is None), 0)
    elif not 0 <= index < len(found):
        count = "no faces" if not found else "one face" if len(found) == 1 else f"{len(found)} faces"
        raise FaceIndexError(
            f"There is no face with the index {index}; the photo has {count}.",
            f"Give an index from 0, the largest, to {len(found) - 1}." if len(found) > 1 else "Leave the index out.",
        )
    problem = _problem(found[index], width, height)
    if problem is not None:
        raise problem
    notices = []
    if len(found) > 1:
        which = "the largest" if index == 0 else f"number {index + 1}, counted by size,"
        notices.append(f"The photo shows {len(found)} faces; {which} is used.")
    if found[index].side < SOFT_FACE:
        notices.append(f"The face is only {found[index].side:.0f} pixels wide: the result will be soft.")

    quad = ffhq_quad(found[index].landmarks)
    whole = box_corners(0, 0, width, height)
    if width == height and np.abs(quad + 0.5 - whole).max() < ALIGNED * width:
        return _whole(pixels, size, tuple(notices), tuple(found), index)
    crop = align(pixels, quad, size, transform_size=min(4096, 4 * size))
    missing = 1 - float(inside(crop_grid(crop.corners, 64), pixels.shape).mean())
    notices.extend(_filled(missing))
    return Portrait(crop.image, pixels, crop.corners, tuple(found), index, tuple(notices))


def _problem(face: Face, width: int, height: int) -> PhotoError | None:
    """The error for a face that cannot be used, None for one that can."""
    if face.side < MIN_FACE:
        return PhotoTooSmall(
            f"The face is only {face.side:.0f} pixels wide.",
            f"Use a photo in which the face is at least {MIN_FACE} pixels wide.",
        )
    if face.share_inside(width, height) < MIN_INSIDE:
        return NoFaceFound("Part of the face lies outside of the photo.", "Use a photo that shows the whole face.")
    if abs(face.yaw) > MAX_YAW:
        return FaceTurnedAway(f"The face is turned {abs(face.yaw):.0f} degrees to the side.")
    if abs(face.pitch) > MAX_PITCH:
        way = "down" if face.pitch > 0 else "up"
        return FaceTurnedAway(
            f"The face looks {abs(face.pitch):.0f} degrees {way}.", "Use a photo that looks straight into the camera."
        )
    return None


# ------------------------------------------------------------------------------ without


def _without_landmarks(pixels: np.ndarray, size: int, reason: str, face: int | None) -> Portrait:
    """A square photo as it is, else a square cut from just above the middle, where faces usually are."""
    if face not in (None, 0):
        raise FaceIndexError(f"Faces cannot be chosen: {reason}.", "Crop the photo to one face.")
    height, width = pixels.shape[:2]
    if _is_square(pixels):
        return _whole(
            pixels, size, (f"Faces were not detected ({reason}); the square picture was taken as already aligned.",)
        )
    side = min(width, height)
    left, top = (width - side) // 2, int((height - side) * 0.35)
    corners = box_corners(left, top, left + side, top + side)
    return Portrait(
        cut_out(pixels, corners, size),
        pixels,
        corners,
        notices=(
            f"Faces were not detected ({reason}); the middle of the photo was cut out. "
            "For a better result crop the photo to a square around the head.",
        ),
    )


def _is_square(pixels: np.ndarray) -> bool:
    height, width = pixels.shape[:2]
    return abs(height - width) <= 0.01 * max(height, width)


def _whole(
    pixels: np.ndarray, size: int, notices: tuple[str, ...], found: tuple[Face, ...] = (), index: int = 0
) -> Portrait:
    height, width = pixels.shape[:2]
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    corners = box_corners(left, top, left + side, top + side)
    return Portrait(cut_out(pixels, corners, size), pixels, corners, found, index, notices)


def cut_out(pixels: np.ndarray, corners: np.ndarray, size: int) -> np.ndarray:
    """The square at ``corners`` (pixel edges), uint8 [size,size,3]: an upright box is resized, a turned square warped.

    pixels: uint8 [H,W,3].  corners: float64 [4,2], upper left, lower left, lower right, upper right.
    """
    upright = corners[0, 0] == corners[1, 0] and corners[0, 1] == corners[3, 1]
    low, high = corners.min(0), corners.max(0)
    if upright and (low >= 0).all() and high[0] <= pixels.shape[1] and high[1] <= pixels.shape[0]:
        return cut(pixels, corners, size)
    return align(pixels, corners - 0.5, size, transform_size=min(4096, 4 * size)).image
