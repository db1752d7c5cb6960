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

from ..compositing.motion import Field, face_field
from ..compositing.photograph import Photograph
from ..editing.regions import FACE
from ..errors import BadRequest, NoFaceFound

OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
EYES = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
BROWS = ((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276))
NOSE = (193, 122, 129, 102, 64, 48, 98, 97, 2, 326, 327, 278, 294, 331, 358, 351, 417, 168)
"""Points of MediaPipe's mesh around each feature."""

FEATURES: dict[str, tuple[tuple[int, ...], ...]] = {"eyes": EYES, "brows": BROWS, "nose": (NOSE,), "mouth": (LIPS,)}

RIGID = (*NOSE, 6, 197, 195, 5, 4, 1, 33, 133, 362, 263, 10, 338, 109, 151, 9, 8, 234, 454, 127, 356, 93, 323)
"""Points that expressions hardly move; the head's pose is found from them."""

EDGE = 0.3
"""Distance from the outline within which the donor's shape gives way to the person's, in distances of the eyes."""
AROUND = 0.1
"""How far a single feature reaches beyond its points, likewise."""
FEATHER = 0.06
"""Width of the soft border, likewise."""
TONES = 0.22
"""Scale above which tones are the person's, likewise (standard deviation of a Gaussian)."""
COLOUR = 0.6
"""How much of the differences in colour within the donor's skin is carried; all of those in brightness are."""
DARKEST = 0.02


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
    regions = set(regions)
    swap = "skin" in regions and len(regions) > 1
    mesh = _swapped(person, donor) if swap else _placed(person, donor, regions)
    moved = replace(person, mesh=mesh)
    field = face_field(moved, donor)
    carried = np.clip(field.sample(donor.image), 0, 1)
    seen = _seen(moved, field, donor)
    mask = (_face_mask(person) if swap else _feature_mask(person, moved, regions)) * _unhidden(person)
    mask = np.minimum(mask, _soft(seen, person))
    if "glasses" in regions and not swap:
        mask = np.maximum(mask, _frame(moved, carried, field.sample(donor.part("glasses"), "linear")))
    carried = _toned(person, moved, carried, seen)
    carried = _fine(person, carried, mask)
    made = _blended(person.image, carried, mask)
    return made, mask


def _check(person: Photograph, donor: Photograph, regions: Collection[str]) -> None:
    if unknown := set(regions) - set(FACE):
        raise BadRequest(f"'{sorted(unknown)[0]}' is no part of a face.", f"Choose from: {', '.join(FACE)}.")
    for who, photo in (("The photo", person), ("The photo that gives the face", donor)):
        if photo.mesh is None:
            raise NoFaceFound(f"{who} shows no face.")


# --- shape ------------------------------------------------------------------------------------


def _swapped(person: Photograph, donor: Photograph) -> np.ndarray:
    """The donor's points in the person's pose, warped smoothly so that the outlines agree, [478,3]."""
    posed, outline = _posed(donor.mesh, person.mesh, RIGID), list(OVAL)
    warp = RBFInterpolator(posed[outline, :2], (person.mesh - posed)[outline], kernel="thin_plate_spline")
    return (posed + warp(posed[:, :2])).astype(np.float32)


def _placed(person: Photograph, donor: Photograph, regions: set[str]) -> np.ndarray:
    """The person's points, where each wanted feature has the donor's shape in the place of the person's."""
    mesh = person.mesh.astype(np.float64).copy()
    posed = _posed(donor.mesh, person.mesh, RIGID)
    for name in regions & FEATURES.keys():
        for points in FEATURES[name]:
            points = list(points)
            middle = person.mesh[points].mean(0)
            shape = posed + middle - posed[points].mean(0)
            away = _distance(shape[points, :2], person.mesh[:, :2])
            share = 1 - _smoothstep(away / (EDGE * person.eye_distance))[:, None]
            mesh += share * (shape - mesh)
    return mesh.astype(np.float32)


def _distance(outline: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Of points [N,2] from the hull of others, 0 inside."""
    hull = cv2.convexHull(outline.astype(np.float32))
    return np.array([max(-cv2.pointPolygonTest(hull, (float(x), float(y)), True), 0) for x, y in points])


def _posed(mesh: np.ndarray, like: np.ndarray, points: tuple[int, ...]) -> np.ndarray:
    """A mesh [N,3] turned, scaled and shifted so that its points lie on another's (Umeyama 1991)."""
    a, b = mesh[list(points)].astype(np.float64), like[list(points)].astype(np.float64)
    middle_a, middle_b = a.mean(0), b.mean(0)
    u, s, v = np.linalg.svd((b - middle_b).T @ (a - middle_a))
    sign = np.diag([1, 1, np.sign(np.linalg.det(u @ v))])
    scale = np.trace(np.diag(s) @ sign) / np.square(a - middle_a).sum()
    return scale * (mesh - middle_a) @ (u @ sign @ v).T + middle_b


# --- where ------------------------------------------------------------------------------------


def _polygon(photo: Photograph, points: tuple[int, ...], grow: float = 0.0) -> np.ndarray:
    """float32 [S,S]: 1 inside the hull of points, grown by a share of the eyes' distance."""
    mask = np.zeros((photo.size, photo.size), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(photo.mesh[list(points), :2]).astype(np.int32)), 1)
    if radius := round(abs(grow) * photo.eye_distance):
        ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        mask = cv2.dilate(mask, ball) if grow > 0 else cv2.erode(mask, ball)
    return mask.astype(np.float32)


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian; wide ones at a fraction of the size."""
    shrink = int(max(sigma // 6, 1))
    if shrink == 1:
        return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(width // shrink, 1), max(height // shrink, 1)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / shrink, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def _smoothstep(t: np.ndarray) -> np.ndarray:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def _soft(mask: np.ndarray, person: Photograph, width: float = FEATHER) -> np.ndarray:
    """A soft border that lies inside of the mask and is exactly 0 outside."""
    inside = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    return _smoothstep(inside / max(2 * width * person.eye_distance, 2)).astype(np.float32)


def _face_mask(person: Photograph) -> np.ndarray:
    """The face inside its outline, where the parser agrees that it is one."""
    inner = _polygon(person, (*NOSE, *LIPS, *EYES[0], *EYES[1]))
    face = _closed(np.maximum(person.part(*FACE), inner), 0.08 * person.eye_distance)
    return _soft(_polygon(person, OVAL) * face, person)


def _feature_mask(person: Photograph, moved: Photograph, regions: set[str]) -> np.ndarray:
    """Around the wanted features, as the person has them and as they become."""
    total = np.zeros((person.size, person.size), np.float32)
    if "skin" in regions:
        features = [_polygon(person, points, AROUND / 2) for points in (*EYES, *BROWS, LIPS)]
        total = _soft(_face_mask(person) * (1 - np.maximum.reduce(features)), person)
    for name in regions & FEATURES.keys():
        for points in FEATURES[name]:
            area = np.maximum(_polygon(person, points, AROUND), _polygon(moved, points, AROUND))
            total = np.maximum(total, _soft(area, person, AROUND / 2))
    return total


def _frame(moved: Photograph, carried: np.ndarray, glasses: np.ndarray) -> np.ndarray:
    """The frame of the donor's glasses, without what their lenses show: what differs from the skin around."""
    light = carried.mean(-1)
    skin = cv2.morphologyEx(light, cv2.MORPH_CLOSE, np.ones((2 * round(0.1 * moved.eye_distance) + 1,) * 2))
    frame = _smoothstep((np.log((skin + DARKEST) / (light + DARKEST)) - 0.25) / 0.4) * _smoothstep(2 * glasses - 0.2)
    for points, grow in (*((eye, 0.05) for eye in EYES), *((brow, -0.01) for brow in BROWS)):
        frame *= 1 - _polygon(moved, points, grow)
    return frame.astype(np.float32)


def _unhidden(person: Photograph) -> np.ndarray:
    """Where nothing is before the person's face; specks that the parser sees amid it do not count."""
    hidden = _smoothstep((person.part("hair", "hat", "glasses") - 0.2) / 0.6)
    inner = _polygon(person, (*NOSE, *LIPS), 0.05) > 0
    if hidden[inner].mean() < 0.15:
        hidden[inner] = 0
    return 1 - hidden


def _seen(moved: Photograph, field: Field, donor: Photograph) -> np.ndarray:
    """float32 [S,S]: where the donor's photo shows face; brows only where both are seen, eyes always."""
    near_hair = cv2.dilate(donor.part("hair", "hat"), np.ones((2 * round(0.04 * donor.eye_distance) + 1,) * 2))
    face = field.sample(donor.part(*FACE) * donor.known * (near_hair < 0.5), "linear")
    face = _closed(face, 0.08 * moved.eye_distance)
    brows = [_polygon(moved, points) > 0 for points in BROWS]
    if min(face[brow].mean() if brow.any() else 1 for brow in brows) < 0.7:
        for points in BROWS:
            face *= 1 - _polygon(moved, points, 0.08)
    return np.maximum(face, np.maximum(*(_polygon(moved, points, 0.06) for points in EYES)))


def _closed(mask: np.ndarray, gap: float) -> np.ndarray:
    """1 where the mask is above one half or in gaps and holes of it that are up to ``gap`` pixels wide."""
    width = 2 * round(gap / 2) + 1
    ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return cv2.morphologyEx((mask > 0.5).astype(np.uint8), cv2.MORPH_CLOSE, ball).astype(np.float32)


# --- tones ------------------------------------------------------------------------------------


def _toned(person: Photograph, moved: Photograph, carried: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The carried face in the person's tones and light, [S,S,3]."""
    ours = person.part("skin", "nose") * person.known * _polygon(person, OVAL)
    theirs = seen.copy()
    for points in (*EYES, *BROWS, LIPS):
        ours *= 1 - _polygon(person, points, 0.05)
        theirs *= 1 - _polygon(moved, points, 0.05)
    theirs *= _polygon(moved, OVAL)
    sigma = TONES * person.eye_distance
    tone, donor_tone = _log_tone(person.image, ours, sigma), _log_tone(carried, theirs, sigma)
    detail = np.log(np.maximum(carried, DARKEST)) - donor_tone
    coloured = np.maximum.reduce([_polygon(moved, points) for points in (*EYES, LIPS)])
    coloured = _blur(coloured, 0.03 * person.eye_distance)[..., None]
    grey = detail.mean(-1, keepdims=True)
    detail = grey + (COLOUR + (1 - COLOUR) * coloured) * (detail - grey)
    gain = tone - donor_tone
    whites = _whites(person.image, person) - _whites(carried, moved)
    whites = np.clip(whites.mean(), -0.3, 0.15) + 0.3 * (whites - whites.mean())
    for points, share in ((EYES[0], 1.0), (EYES[1], 1.0), (LIPS, 0.5), (INNER_LIPS, 1.0)):
        here = (_blur(_polygon(moved, points), 0.02 * person.eye_distance) * share)[..., None]
        gain = gain + here * (whites - gain)
    return np.clip(np.exp(donor_tone + gain + detail), 0, 1).astype(np.float32)


def _log_tone(image: np.ndarray, skin: np.ndarray, sigma: float) -> np.ndarray:
    """Logarithm of the skin's colour at low frequencies, continued where there is none, [S,S,3]."""
    tone = np.log(np.maximum(image, DARKEST))
    typical = np.median(tone[skin > 0.5], 0) if (skin > 0.5).any() else tone.mean((0, 1))
    weight = (skin * np.exp(-np.square((tone - typical).mean(-1)) / 0.5))[..., None].astype(np.float32)
    near, wide = ((_blur(tone * weight, s), _blur(weight[..., 0], s)[..., None]) for s in (sigma, 4 * sigma))
    far = (wide[0] + 1e-3 * typical) / (wide[1] + 1e-3)
    return (near[0] + 0.1 * far) / (near[1] + 0.1)


def _whites(image: np.ndarray, photo: Photograph) -> np.ndarray:
    """Logarithm of the colour of the eyes' whites, [3]; darker where eyes are shut."""
    eyes = np.maximum(_polygon(photo, EYES[0]), _polygon(photo, EYES[1])) > 0
    pixels = image[eyes]
    light = pixels.mean(-1)
    return np.log(np.maximum(np.median(pixels[light >= np.quantile(light, 0.7)], 0), DARKEST))


# --- texture and edges ------------------------------------------------------------------------


def _fine(person: Photograph, carried: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The finest band of the carried face as strong as the person's."""
    sigma = person.size / 400
    skin = (person.part("skin", "nose") > 0.5) & (mask > 0.5)
    if not skin.any():
        return carried
    fine, own = (image - _blur(image, sigma) for image in (carried, person.image))
    have, wanted = (np.median(np.abs(band[skin])) for band in (fine, own))
    return carried + fine * (np.clip(wanted / max(have, 1e-4), 0.6, 1.5) - 1)


def _blended(image: np.ndarray, carried: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Multi-band blending (Burt and Adelson 1983): coarse bands over wide borders; untouched where mask is 0."""
    bands = int(np.log2(len(image))) - 5
    made, plain, weight, total = image.copy(), image, mask, np.zeros_like(image)
    other = carried
    levels = []
    for _ in range(bands):
        small = [cv2.pyrDown(x) for x in (plain, other, weight)]
        up = [cv2.pyrUp(x, dstsize=plain.shape[1::-1]) for x in small[:2]]
        levels.append((plain - up[0], other - up[1], weight))
        plain, other, weight = small
    total = plain + weight[..., None] * (other - plain)
    for a, b, w in reversed(levels):
        total = cv2.pyrUp(total, dstsize=a.shape[1::-1]) + a + w[..., None] * (b - a)
    inside = _smoothstep(mask / 0.1)[..., None]
    made = image + inside * (np.clip(total, 0, 1) - image)
    return np.where(mask[..., None] > 0, made, image).astype(np.float32)
