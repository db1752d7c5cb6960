"""A face, or single features of one, from another person's photograph onto a photograph.

The donor's pixels are carried by the points of both faces.  Turned in 3D into the person's pose, the donor's own
shape is kept where features are and gives way to the person's towards the outline, so that the head stays.  Tones
and shading come from the person's skin, everything finer from the donor.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from ..compositing.face_points import BROWS, EYES, FEATURES, LIPS, NOSE, OVAL
from ..compositing.mirror import mirrored, yaw
from ..compositing.motion import Field, face_field
from ..compositing.photograph import Photograph, polygon
from ..compositing.planes import closed, widened
from ..compositing.similarity import similarity
from ..compositing.tones import match_grain
from ..editing.regions import FACE
from ..errors import BadRequest, NoFaceFound
from ..photo.ramp import smoothstep
from .face_tones import DARKEST, blended, toned

RIGID = (*NOSE, 6, 197, 195, 5, 4, 1, 33, 133, 362, 263, 10, 338, 109, 151, 9, 8, 234, 454, 127, 356, 93, 323)
"""Points that expressions hardly move; the head's pose is found from them."""

EDGE = 0.3
"""Distance from the outline within which the donor's shape gives way to the person's, in distances of the eyes."""
AROUND = 0.1
"""How far a single feature reaches beyond its points, likewise."""
FEATHER = 0.06
"""Width of the soft border, likewise."""
HOLE = 0.08
"""Gaps in the parser's face that are closed up to this width, likewise."""

TURNED = 25.0
"""Degrees between two faces beyond which one side of the donor's is not seen well enough."""


def carry_features(
    person: Photograph, donor: Photograph, regions: Collection[str] = FACE
) -> tuple[np.ndarray, np.ndarray]:
    """The person with the donor's face, or with single features of it.

    regions: "skin" with other regions of a face is a face swap: everything inside the face's outline.  Otherwise
    each of "eyes", "brows", "nose", "mouth", "glasses" is carried by itself in the donor's shape, in proportion to
    the face; "skin" alone takes the texture of the skin.  Hair, glasses and what else is before the person's face
    stays there.

    Returns the picture, float32 [S,S,3] in 0..1, and how much of each pixel is new, float32 [S,S] in 0..1; where
    that is 0 the person's pixels are untouched.  Raises BadRequest for other regions, NoFaceFound.
    """
    _check(person, donor, regions)
    donor, regions = _facing(person, donor), set(regions)
    swap = "skin" in regions and len(regions) > 1
    mesh = _swapped(person, donor) if swap else _placed(person, donor, regions)
    moved = replace(person, mesh=mesh)
    field = face_field(moved, donor)
    carried = np.clip(field.sample(donor.image), 0, 1)
    seen = _seen(moved, field, donor)
    mask = (_face_mask(person) if swap else _feature_mask(person, moved, regions)) * _unhidden(person, donor)
    mask = np.minimum(mask, _soft(seen, person))
    if "glasses" in regions and not swap:
        mask = np.maximum(mask, _frame(moved, carried, field.sample(donor.part("glasses"), "linear")))
    carried = toned(person, moved, carried, seen)
    carried = match_grain(carried, mask, person.image, person.part("skin", "nose") * polygon(person, OVAL))
    return blended(person.image, carried, mask), mask


def remarks(person: Photograph, donor: Photograph) -> tuple[str, ...]:
    """What of a donor's face cannot be seen in its photograph, as sentences for the person."""
    if abs(yaw(person) - yaw(_facing(person, donor))) > TURNED:
        return ("The two faces look in different directions: for a better face, give a photo that looks the same way.",)
    return ()


def _check(person: Photograph, donor: Photograph, regions: Collection[str]) -> None:
    if unknown := set(regions) - set(FACE):
        raise BadRequest(f"'{sorted(unknown)[0]}' is no part of a face.", f"Choose from: {', '.join(FACE)}.")
    for who, photo in (("The photo", person), ("The photo that gives the face", donor)):
        if photo.mesh is None:
            raise NoFaceFound(f"{who} shows no face.")


def _wanted(regions: set[str]) -> list[str]:
    """The features among the regions, always in the same order: one is placed after the other."""
    return [name for name in FEATURES if name in regions]


def _facing(person: Photograph, donor: Photograph) -> Photograph:
    """The donor, left and right exchanged where that looks much more the way the person does."""
    ours, theirs = yaw(person), yaw(donor)
    return mirrored(donor) if abs(ours + theirs) < abs(ours - theirs) - TURNED / 2 else donor


# --- shape ------------------------------------------------------------------------------------


def _swapped(person: Photograph, donor: Photograph) -> np.ndarray:
    """The donor's points in the person's pose, warped smoothly so that the outlines agree, [478,3]."""
    posed, outline = _posed(donor.mesh, person.mesh), list(OVAL)
    warp = RBFInterpolator(posed[outline, :2], (person.mesh - posed)[outline], kernel="thin_plate_spline")
    return (posed + warp(posed[:, :2])).astype(np.float32)


def _placed(person: Photograph, donor: Photograph, regions: set[str]) -> np.ndarray:
    """The person's points, where each wanted feature has the donor's shape in the place of the person's."""
    mesh = person.mesh.astype(np.float64).copy()
    posed = _posed(donor.mesh, person.mesh)
    for name in _wanted(regions):
        for points in FEATURES[name]:
            points = list(points)
            middle = person.mesh[points].mean(0)
            shape = posed + middle - posed[points].mean(0)
            away = _distance(shape[points, :2], person.mesh[:, :2])
            share = 1 - smoothstep(away / (EDGE * person.eye_distance))[:, None]
            mesh += share * (shape - mesh)
    return mesh.astype(np.float32)


def _distance(outline: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Of points [N,2] from the hull of others, 0 inside."""
    hull = cv2.convexHull(outline.astype(np.float32))
    return np.array([max(-cv2.pointPolygonTest(hull, (float(x), float(y)), True), 0) for x, y in points])


def _posed(mesh: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A mesh [478,3] turned, scaled and shifted so that its rigid points lie on another's."""
    rigid = list(RIGID)
    return similarity(mesh[rigid], like[rigid])(mesh)


# --- where ------------------------------------------------------------------------------------


def _soft(mask: np.ndarray, person: Photograph, width: float = FEATHER) -> np.ndarray:
    """A soft border that lies inside of the mask and is exactly 0 outside."""
    inside = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    return smoothstep(inside / max(2 * width * person.eye_distance, 2)).astype(np.float32)


def _face_mask(person: Photograph) -> np.ndarray:
    """The face inside its outline, where the parser agrees that it is one."""
    inner = polygon(person, (*NOSE, *LIPS, *EYES[0], *EYES[1]))
    face = closed(np.maximum(person.part(*FACE), inner), HOLE / 2 * person.eye_distance)
    return _soft(polygon(person, OVAL) * face, person)


def _feature_mask(person: Photograph, moved: Photograph, regions: set[str]) -> np.ndarray:
    """Around the wanted features, as the person has them and as they become."""
    total = np.zeros((person.size, person.size), np.float32)
    if "skin" in regions:
        features = [polygon(person, points, AROUND / 2) for points in (*EYES, *BROWS, LIPS)]
        total = _soft(_face_mask(person) * (1 - np.maximum.reduce(features)), person)
    for name in _wanted(regions):
        for points in FEATURES[name]:
            area = np.maximum(polygon(person, points, AROUND), polygon(moved, points, AROUND))
            total = np.maximum(total, _soft(area, person, AROUND / 2))
    return total


def _frame(moved: Photograph, carried: np.ndarray, glasses: np.ndarray) -> np.ndarray:
    """The frame of the donor's glasses, without what their lenses show: what differs from the skin around."""
    light = carried.mean(-1)
    skin = cv2.morphologyEx(light, cv2.MORPH_CLOSE, np.ones((2 * round(0.1 * moved.eye_distance) + 1,) * 2))
    frame = smoothstep((np.log((skin + DARKEST) / (light + DARKEST)) - 0.25) / 0.4) * smoothstep(2 * glasses - 0.2)
    for points, grow in (*((eye, 0.05) for eye in EYES), *((brow, -0.01) for brow in BROWS)):
        frame *= 1 - polygon(moved, points, grow)
    return frame.astype(np.float32)


def _unhidden(person: Photograph, donor: Photograph) -> np.ndarray:
    """Where nothing is before the person's face; specks that the parser sees amid it do not count.  Of glasses only
    the frame is, and not even that before the donor's."""
    hidden = smoothstep((person.part("hair", "hat") - 0.2) / 0.6)
    inner = polygon(person, (*NOSE, *LIPS), 0.05) > 0
    if hidden[inner].mean() < 0.15:
        hidden[inner] = 0
    if _has_glasses(person) and not _has_glasses(donor):
        hidden = np.maximum(hidden, _frame(person, person.image, person.part("glasses")))
    return 1 - hidden


def _has_glasses(photo: Photograph) -> bool:
    eyes = np.maximum(*(polygon(photo, points, 0.1) for points in EYES)) > 0
    return bool(photo.part("glasses")[eyes].mean() > 0.3)


def _seen(moved: Photograph, field: Field, donor: Photograph) -> np.ndarray:
    """float32 [S,S]: where the donor's photo shows face; brows only where both are seen, eyes always."""
    near_hair = widened(donor.part("hair", "hat"), HOLE / 2 * donor.eye_distance)
    face = field.sample(donor.part(*FACE) * donor.known * (near_hair < 0.5), "linear")
    face = closed(face, HOLE / 2 * moved.eye_distance)
    brows = [polygon(moved, points) > 0 for points in BROWS]
    if min(face[brow].mean() if brow.any() else 1 for brow in brows) < 0.7:
        for points in BROWS:
            face *= 1 - polygon(moved, points, 0.08)
    return np.maximum(face, np.maximum(*(polygon(moved, points, 0.06) for points in EYES)))
