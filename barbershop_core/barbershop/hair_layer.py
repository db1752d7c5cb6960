"""A reference's hair as a layer in the person's frame, from the side that shows it, whole where its frame cut it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..compositing.face_points import BROWS, EARS, EYES, MIDLINE, OVAL
from ..compositing.frame import around, beyond, cropped, drawn_in, reflected
from ..compositing.matting import colours_under, foreground, hair_alpha, unlike
from ..compositing.mirror import mirrored, yaw
from ..compositing.motion import Field, head_field
from ..compositing.photograph import Photograph, polygon
from ..compositing.planes import widened
from ..compositing.same_head import SameHead, same_head
from ..compositing.similarity import similarity
from ..photo.ramp import smoothstep
from .far_side import drawn_close

FADE = 0.5
"""How far hair goes on beyond the frame of its own photo, in eye distances of that photo."""
DRAWN = 0.3
"""How far hair is drawn out at the frame of its photo before it is continued beyond, in the same unit."""
MIRRORED = 12.0
"""Degrees that a reference's turn has to come nearer to the person's by mirroring it."""
HIDDEN = 18.0
"""Degrees of turn from which a reference hides a side of the hair that the person shows."""
SEAM = 0.12
"""Softness of the seam between a reference's two sides, in eye distances."""
STRAND = 0.06
"""Width of the strands that the parser does not see, in eye distances."""
NEARBY = 0.25
"""What lies around the carried part of a reference helps to tell its hair; in eye distances."""
SPECK = 0.08
"""Islands of carried hair smaller than this share of it are the parser's errors, or tufts that would float
beside another head."""
BESIDE_EYE = 0.12
"""How far around an eye and its brow hair lies as over the reference's own, in eye distances."""
SKIN = 6.0
"""By how much nearer to skin's colours than to hair's, in squared spreads, a pixel is surely skin."""
MEASURED = 512
"""Pixels on a side, at least, from which colours are described."""
FAINT = 0.02
"""How far alpha fades out beyond the hair, as a share of the crop's side."""


@dataclass(frozen=True, eq=False)
class HairLayer:
    """colours: float32 [S,S,3], the hair's own, without what shines through it; alpha: float32 [S,S].
    field: from the person's pixels to the reference's.  donor: the whole reference in the person's frame.
    evidence: 0..1, that both show the very same head.  faces: whether both face the same way.
    """

    colours: np.ndarray
    alpha: np.ndarray
    field: Field
    donor: Photograph
    evidence: float
    faces: bool


def hair_onto(person: Photograph, reference: Photograph) -> HairLayer:
    """The reference's hair in the person's frame, from the side that shows it."""
    same = same_head(person, reference)
    if same.evidence:
        return _layer(person, reference, same)
    own, other = yaw(person), yaw(reference)
    if abs(own + other) < abs(own - other) - MIRRORED:
        hair = _layer(person, mirrored(reference), same)
        return replace(hair, field=Field(hair.field.at * np.float32([-1, 1]) + np.float32([reference.size - 1, 0])))
    hair = _layer(person, reference, same)
    if abs(own - other) < HIDDEN or abs(own) > abs(other):
        return hair
    # What the reference turns away is taken from its other side.
    far = _layer(person, mirrored(reference), same)
    middle, across = person.mesh[MIDLINE, :2].mean(0), person.mesh[EARS[1], :2] - person.mesh[EARS[0], :2]
    grid = np.stack(np.meshgrid(np.arange(person.size), np.arange(person.size)), -1) - middle
    side = np.sign(own - other) * (grid @ (across / np.linalg.norm(across)))
    share = np.float32(1 / (1 + np.exp(-side / (SEAM * person.eye_distance))))
    alpha = hair.alpha + share * (far.alpha - hair.alpha)
    colours = hair.colours + (share * far.alpha / np.maximum(alpha, 1e-3))[..., None] * (far.colours - hair.colours)
    return replace(hair, alpha=alpha, colours=colours)


def _layer(person: Photograph, reference: Photograph, same: SameHead) -> HairLayer:
    field = Field(
        same.evidence * Field.affine(same.matrix, person.image.shape[:2]).at
        + (1 - same.evidence) * head_field(person, reference).at
    )
    if not same.evidence:
        field = drawn_close(field, person, reference)
    reference, corner = _needed(reference, field)
    field = Field(field.at - corner)
    unit = reference.eye_distance
    believed = _believed(reference)
    bent = drawn_in(field, reference.known, believed, (1 - same.evidence) * DRAWN * unit)
    colours = foreground(reference.image, believed)
    # Room around the reference, so that hair goes on where the field leaves it, too.
    room = round(FADE * unit)
    known, alpha = (np.pad(plane, room) for plane in (reference.known, believed))
    colours = np.pad(colours, ((room, room), (room, room), (0, 0)))
    away = beyond(known) / (FADE * unit)
    colours, alpha = reflected(known, colours, alpha)
    alpha = alpha * np.clip(1 - away, 0, 1)
    wide = Field(bent.at + np.float32(room))
    alpha = _without_specks(np.clip(wide.sample(alpha, "cubic", "zero"), 0, 1))
    if not same.evidence:
        alpha = off_the_eyes(alpha, person, reference, believed)
    donor = _carried(reference, field, person)
    colours = wide.sample(colours)
    off = abs(yaw(person) - yaw(reference))
    if off > MIRRORED:  # an ear of a head that is turned otherwise would not sit on this one
        donor = replace(donor, parts={name: plane for name, plane in donor.parts.items() if name != "ears"})
    if same.evidence:
        colours, image = (_exposed(picture, same) for picture in (colours, donor.image))
        donor = replace(donor, image=image)
    return HairLayer(np.clip(colours, 0, 1), alpha, Field(field.at + corner), donor, same.evidence, off < MIRRORED)


def _needed(reference: Photograph, field: Field) -> tuple[Photograph, np.ndarray]:
    """The part of a large reference that the field looks at, and its corner (x, y)."""
    low, high = field.at.min((0, 1)) - NEARBY * reference.eye_distance, field.at.max((0, 1))
    side = int(np.ceil((high + NEARBY * reference.eye_distance - low).max()))
    if side >= reference.size:
        return reference, np.zeros(2, np.float32)
    left, top = np.clip(np.floor(low).astype(int), 0, reference.size - side)
    return cropped(reference, left, top, side), np.float32([left, top])


def _believed(reference: Photograph) -> np.ndarray:
    """Alpha of the reference's hair, without what only has its colour: where alpha and parser differ over more than
    the width of a strand, the parser is right."""
    alpha, prior = hair_alpha(reference), reference.part("hair")
    sigma = STRAND * reference.eye_distance
    mean, expected = (cv2.GaussianBlur(plane, (0, 0), sigma) for plane in (alpha, prior))
    alpha = alpha * (1 - reference.part("glasses")) * np.clip(((expected + 0.05) / (mean + 0.05) - 0.35) / 0.3, 0, 1)
    side = 2 * round(STRAND * reference.eye_distance / 2) + 1
    inside = cv2.erode(prior, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.maximum(alpha, np.clip((inside - 0.5) / 0.3, 0, 1)) * (1 - _skin_between(reference))


def _skin_between(reference: Photograph) -> np.ndarray:
    """Skin between the strands of a fringe, which the parser takes for hair, [S,S] in 0..1: within the face's outline
    what is nearer to the skin's colours than to those of the hair around it."""
    oval = polygon(reference, OVAL)
    step = max(1, reference.size // MEASURED)
    some = np.s_[::step, ::step]
    hair, skin = (reference.part(*names)[some] > 0.9 for names in (("hair",), ("skin", "nose")))
    hair &= oval[some] == 0
    if min(hair.sum(), skin.sum()) < 50:
        return np.zeros_like(oval)
    lab = cv2.cvtColor(np.ascontiguousarray(reference.image[some]), cv2.COLOR_RGB2LAB)
    own, other = colours_under(lab, hair), colours_under(lab, skin)
    left, top, width, height = cv2.boundingRect(np.uint8(oval))
    face = np.s_[top : top + height, left : left + width]
    lab = cv2.cvtColor(np.ascontiguousarray(reference.image[face]), cv2.COLOR_RGB2LAB)
    oval[face] *= smoothstep(unlike(lab, own) - unlike(lab, other), 0, SKIN)
    return oval


def off_the_eyes(alpha: np.ndarray, person: Photograph, reference: Photograph, theirs: np.ndarray) -> np.ndarray:
    """Carried hair, [S,S], with no more of it over each eye and brow than the reference, whose alpha is ``theirs``,
    has over its own: the two heads lie on each other, but their eyes may not."""
    alpha, unit = alpha.copy(), person.eye_distance
    for points in ((*eye, *brow) for eye, brow in zip(EYES, BROWS)):
        at = list(points)
        # the area and three deviations of its softness
        eye, part = around(person, person.mesh[at, :2], 3 * BESIDE_EYE * unit)
        there = Field.affine(similarity(eye.mesh[at, :2], reference.mesh[at, :2]).matrix, alpha[part].shape)
        near = cv2.GaussianBlur(polygon(eye, points, BESIDE_EYE), (0, 0), max(0.5, BESIDE_EYE / 2 * unit))
        alpha[part] -= near * np.maximum(alpha[part] - there.sample(theirs, "linear"), 0)
    return np.clip(alpha, 0, 1)


def _exposed(image: np.ndarray, same: SameHead) -> np.ndarray:
    exposed = image * same.gain + same.offset
    return np.clip(image + same.evidence * (exposed - image), 0, 1).astype(np.float32)


def _carried(reference: Photograph, field: Field, person: Photograph) -> Photograph:
    """The whole reference in the person's frame."""
    image = np.clip(field.sample(reference.image), 0, 1)
    known = field.sample(reference.known, "linear", "zero")
    side = len(next(iter(reference.parts.values())))
    small = field.resized((side, side), side / reference.size)
    parts = {name: np.clip(small.sample(plane, "linear"), 0, 1) for name, plane in reference.parts.items()}
    return Photograph(image, known, parts, person.mesh, person.matrix, person.blendshapes)


def _without_specks(alpha: np.ndarray) -> np.ndarray:
    """Without islands that float apart from the hair, and without their faint edges."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(np.uint8(alpha > 0.1), connectivity=8)
    if count <= 2:
        return alpha
    area = stats[:, cv2.CC_STAT_AREA].astype(float)
    area[0] = 0
    keep = area >= SPECK * area.sum()
    return alpha * widened(keep[labels], FAINT * len(alpha))
