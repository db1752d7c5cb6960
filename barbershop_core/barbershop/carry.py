"""The hair of one photograph carried onto the head of another, at the photo's own resolution.

Layers from back to front: the person's photo without their hair, the carried hair with its alpha and its own colours.
Where neither the old hair nor the new one is, every pixel stays the person's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch.nn.functional as F
from torch import Tensor

from ..compositing.continuation import continue_colours
from ..compositing.fill import without_hair
from ..compositing.frame import beyond, cropped, drawn_in, reflected
from ..compositing.matting import foreground, hair_alpha
from ..compositing.mirror import mirrored, yaw
from ..compositing.motion import CHIN, EARS, FOREHEAD, Field, head_field
from ..compositing.photograph import Photograph
from ..compositing.same_head import SameHead, same_head
from ..compositing.skull import skull
from ..compositing.strands import with_finer_strands
from ..compositing.tones import lab_statistics, match_grain, recolour
from ..editing.regions import REGIONS
from .painted_hair import within

FADE = 0.5
"""How far hair goes on beyond the frame of its own photo, in eye distances of that photo."""
DRAWN = 0.3
"""How far hair is drawn out at the frame of its photo before it is continued beyond, in the same unit."""
MIRRORED = 12.0
"""Degrees that a reference's turn has to come nearer to the person's by mirroring it."""
HIDDEN = 18.0
"""Degrees of turn from which a reference hides a side of the hair that the person shows."""
MIDLINE = (10, 151, 168, 1, 152)
"""Points of the mesh between the face's halves."""
SEAM = 0.12
"""Softness of the seam between a reference's two sides, in eye distances."""
GAP = 0.25
"""Gaps between head and hair up to twice this width show the hair's depth, not the background; in the same unit."""
DEPTH, FALL = 0.45, 0.06
"""Brightness of that depth relative to the hair's, and within which distance it falls to that."""
STRAND = 0.06
"""Width of the strands that the parser does not see, in eye distances."""
NEARBY = 0.25
"""What lies around the carried part of a reference helps to tell its hair; in eye distances."""
SPECK = 0.04
"""Islands of carried hair smaller than this share of it are the parser's errors."""


@dataclass(frozen=True, eq=False)
class Carried:
    """A photograph with another hair.

    image: float32 [S,S,3], RGB in 0..1.
    changed: float32 [S,S] in 0..1, where it differs from the person's photo.
    parts: region name -> float32 [P,P], the result's regions as `Photograph.parts`.
    field: from the result's pixels to the reference's, as far as its hair was carried; None when the shape stayed.
    """

    image: np.ndarray
    changed: np.ndarray
    parts: dict[str, np.ndarray]
    field: Field | None = None

    def labels(self, size: int) -> np.ndarray:
        """int64 [size,size]: the likeliest of `REGIONS` at each pixel of the result."""
        planes = np.zeros((len(REGIONS), size, size), np.float32)
        for name, plane in self.parts.items():
            way = cv2.INTER_AREA if len(plane) > size else cv2.INTER_LINEAR
            planes[REGIONS.index(name)] = cv2.resize(plane, (size, size), interpolation=way)
        return planes.argmax(0)


@dataclass(frozen=True, eq=False)
class _Hair:
    """Hair as a layer in the person's frame: colours [S,S,3], alpha [S,S], the rest of its photo; evidence of the
    same head; whether both heads face the same way."""

    colours: np.ndarray
    alpha: np.ndarray
    field: Field
    donor: Photograph
    evidence: float
    faces: bool


def carry_hair(
    person: Photograph, shape: Photograph | None, colour: Photograph | None, wanted: np.ndarray | None = None
) -> Carried:
    """The person with the hair of ``shape`` in the hair colour of ``colour``; None keeps the person's own.

    References may have any size and show more than the crop, which helps where hair leaves it.  All need a mesh.
    wanted: bool [h,w], a painted mask of where the hair is to be.
    """
    alpha = hair_alpha(person)
    if shape is None and wanted is not None:
        shape = person
    if shape is None:
        image = person.image if colour is None else _recoloured(person.image, alpha, colour)
        return Carried(image, _changed(image, person), dict(person.parts))
    hair, repainted = _onto(person, shape), None
    if wanted is not None:
        colours, within_mask, repainted = within(hair.colours, hair.alpha, wanted)
        hair = replace(hair, colours=colours, alpha=within_mask)
    other = None if colour is shape else colour
    if other is not None and not hair.evidence:  # before it is mixed with what lies behind
        around = cv2.dilate(hair.alpha, np.ones((3, 3)), iterations=max(1, person.size // 100))
        hair = replace(hair, colours=_recoloured(hair.colours, np.clip(20 * around, 0, 1), other))
    if not hair.evidence:
        sharp = with_finer_strands(hair.colours, hair.alpha, person.image, alpha)
        hair = replace(hair, colours=match_grain(sharp, hair.alpha, person.image, alpha))
    base = _backed(without_hair(person, alpha, donor=hair.donor), person, alpha, hair)
    image = base + hair.alpha[..., None] * (hair.colours - base)
    if shape is person:
        image = person.image + repainted[..., None] * (image - person.image)
    elif hair.evidence and repainted is None:
        image = _same_scene(image, person, alpha, hair)
    if hair.evidence:
        image = image if other is None else _recoloured(image, hair.alpha, other)
    image = np.clip(image, 0, 1)
    return Carried(image, _changed(image, person), _parts(person, hair), hair.field)


def carry_feature(feature: Tensor, field: Field, reference_size: int, person_size: int, margin: int = 0) -> Tensor:
    """The reference's F [1,C,H,W] in the person's frame, by the field that carried the hair.

    reference_size: side of the reference's picture, px, of which ``margin`` px on each side are not in its F.
    person_size: side of the person's crop, px.
    """
    if field.at.shape[:2] != (person_size, person_size):
        raise ValueError(f"The field is of {field.at.shape[1]} px, the person of {person_size} px.")
    small = field.resized(feature.shape[-2:])
    grid = Field(small.at - np.float32(margin)).grid(reference_size - 2 * margin).to(feature)
    return F.grid_sample(feature, grid, align_corners=False, padding_mode="border")


def _changed(image: np.ndarray, person: Photograph) -> np.ndarray:
    """float32 [S,S]: 1 where the two differ by more than an eight-bit step."""
    return np.clip(np.abs(image - person.image).max(-1) * 255 - 0.5, 0, 1).astype(np.float32)


def _onto(person: Photograph, reference: Photograph) -> _Hair:
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


def _layer(person: Photograph, reference: Photograph, same: SameHead) -> _Hair:
    field = Field(
        same.evidence * Field.affine(same.matrix, person.image.shape[:2]).at
        + (1 - same.evidence) * head_field(person, reference).at
    )
    reference, corner = _needed(reference, field)
    field = Field(field.at - corner)
    unit = reference.eye_distance
    alpha = _believed(reference)
    bent = drawn_in(field, reference.known, alpha, (1 - same.evidence) * DRAWN * unit)
    colours = foreground(reference.image, alpha)
    # Room around the reference, so that hair goes on where the field leaves it, too.
    room = round(FADE * unit)
    known, alpha = (np.pad(plane, room) for plane in (reference.known, alpha))
    colours = np.pad(colours, ((room, room), (room, room), (0, 0)))
    away = beyond(known) / (FADE * unit)
    colours, alpha = reflected(known, colours, alpha)
    alpha = alpha * np.clip(1 - away, 0, 1)
    wide = Field(bent.at + np.float32(room))
    alpha = _without_specks(np.clip(wide.sample(alpha, "cubic", "zero"), 0, 1))
    donor = _carried(reference, field, person)
    colours = wide.sample(colours)
    off = abs(yaw(person) - yaw(reference))
    if off > MIRRORED:  # an ear of a head that is turned otherwise would not sit on this one
        donor = replace(donor, parts={name: plane for name, plane in donor.parts.items() if name != "ears"})
    if same.evidence:
        colours, image = (_exposed(picture, same) for picture in (colours, donor.image))
        donor = replace(donor, image=image)
    return _Hair(np.clip(colours, 0, 1), alpha, Field(field.at + corner), donor, same.evidence, off < HIDDEN)


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
    return np.maximum(alpha, np.clip((inside - 0.5) / 0.3, 0, 1))


def _exposed(image: np.ndarray, same: SameHead) -> np.ndarray:
    exposed = image * same.gain + same.offset
    return np.clip(image + same.evidence * (exposed - image), 0, 1).astype(np.float32)


def _same_scene(image: np.ndarray, person: Photograph, alpha: np.ndarray, hair: _Hair) -> np.ndarray:
    """Where both photos show the very same head and scene, hair comes with the background between its strands, which
    is truer than any separation of the two; what the reference's frame cuts off is the person's own."""
    size, other, known = person.size, hair.donor.image, hair.donor.known
    off = cv2.GaussianBlur(np.abs(other - person.image).max(-1), (0, 0), size / 100)
    shown = cv2.erode(np.float32(known > 0.99), np.ones((3, 3)), iterations=max(1, size // 100))
    agree = continue_colours(np.exp(-((off / 0.08) ** 2)), shown)
    touched = cv2.dilate(np.maximum(alpha, hair.alpha), np.ones((3, 3)), iterations=max(1, size // 100))
    touched = cv2.GaussianBlur(np.float32(touched > 0.02), (0, 0), size / 200)
    truth = person.image + (known * touched)[..., None] * (other - person.image)
    return image + (hair.evidence * agree)[..., None] * (truth - image)


def _backed(base: np.ndarray, person: Photograph, alpha: np.ndarray, hair: _Hair) -> np.ndarray:
    """The base with hair's own dark depth in the gaps that the carried hair and the head enclose."""
    size = min(person.size, 512)
    scale = size / person.size
    unit = person.eye_distance * scale
    old, new = (cv2.resize(plane, (size, size), interpolation=cv2.INTER_AREA) for plane in (alpha, hair.alpha))
    solid = new > 0.5
    head, _ = skull(person).surface((size, size), scale)
    # What lay beside the old hair has been filled in: it is not certain to be the person.
    seen = person.part("skin", "neck", "nose", size=size) * (cv2.dilate(old, np.ones((9, 9))) < 0.02)
    seen = np.max([seen, person.part("ears", size=size), hair.donor.part("ears", size=size)], 0)
    body = np.maximum(head, seen) > 0.5
    # A gap has hair on its outer side and the head on its inner side, both near.
    right = np.arange(size)[None] > person.mesh[MIDLINE, 0].mean() * scale
    near = np.where(right, _since(solid, -1) + _since(body), _since(solid) + _since(body, -1)) < 2 * GAP * unit
    for mask in (solid, body):
        near &= cv2.distanceTransform(np.uint8(~mask), cv2.DIST_L2, 5) < GAP * unit
    # Where the reference shows skin there, the head is wider than it seemed.
    skin = near & ~body & (hair.donor.part("skin", size=size) > 0.5) & hair.faces
    ears, down = person.mesh[list(EARS), :2].mean(0) * scale, person.mesh[CHIN, :2] - person.mesh[FOREHEAD, :2]
    y, x = np.mgrid[:size, :size]
    skin &= (x - ears[0]) * down[0] + (y - ears[1]) * down[1] < 0  # below the ears it may be a hand or a shoulder
    gap = cv2.dilate(np.float32(near & ~body & ~skin), np.ones((7, 7))) * (np.maximum(head, seen) < 0.8)
    gap = cv2.GaussianBlur(gap, (0, 0), max(0.02 * unit, 0.5)) * (np.maximum(head, seen) < 0.8)
    (deep,) = reflected(solid, cv2.resize(hair.colours, (size, size), interpolation=cv2.INTER_AREA))
    away = cv2.distanceTransform(np.uint8(~solid), cv2.DIST_L2, 5) / unit
    deep = deep * (DEPTH + (1 - DEPTH) * np.exp(-away / FALL))[..., None]
    skin = cv2.GaussianBlur(cv2.dilate(np.float32(skin), np.ones((9, 9))), (0, 0), size / 300) * (seen < 0.5)
    low = cv2.GaussianBlur(cv2.resize(base, (size, size), interpolation=cv2.INTER_AREA), (0, 0), size / 200)
    side = 2 * round(0.03 * unit) + 1
    low = continue_colours(low, cv2.erode(np.float32(head > 0.9), np.ones((side, side))))
    for cover, colours in ((gap, deep), (skin, low)):
        cover, colours = (cv2.resize(plane, base.shape[1::-1]) for plane in (cover, colours))
        base = base + cover[..., None] * (colours - base)
    return base


def _since(mask: np.ndarray, step: int = 1) -> np.ndarray:
    """Pixels since the mask's last one along each row, from the left (step 1) or from the right (-1): float32."""
    columns = np.arange(mask.shape[1])[None]
    last = np.maximum.accumulate(np.where(mask[:, ::step], columns, -mask.shape[1]), axis=1)
    return np.float32(columns - last)[:, ::step]


def _carried(reference: Photograph, field: Field, person: Photograph) -> Photograph:
    """The whole reference in the person's frame."""
    image = np.clip(field.sample(reference.image), 0, 1)
    known = field.sample(reference.known, "linear", "zero")
    side = len(next(iter(reference.parts.values())))
    small = field.resized((side, side), side / reference.size)
    parts = {name: np.clip(small.sample(plane, "linear"), 0, 1) for name, plane in reference.parts.items()}
    return Photograph(image, known, parts, person.mesh, person.matrix, person.blendshapes)


def _without_specks(alpha: np.ndarray) -> np.ndarray:
    """Without islands that float apart from the hair."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(np.uint8(alpha > 0.1), connectivity=8)
    if count <= 2:
        return alpha
    area = stats[:, cv2.CC_STAT_AREA].astype(float)
    area[0] = 0
    keep = area >= SPECK * area.sum()
    keep[0] = True
    return alpha * keep[labels]


def _recoloured(image: np.ndarray, alpha: np.ndarray, colour: Photograph) -> np.ndarray:
    """The hair under ``alpha`` in the other's colours; unchanged where one of the two has none."""
    other = hair_alpha(colour) * colour.known
    if min(alpha.max(), other.max()) < 0.5:
        return image
    return recolour(image, alpha, lab_statistics(colour.image, other))


def _parts(person: Photograph, hair: _Hair) -> dict[str, np.ndarray]:
    """Regions of the result: the person's in front of which the carried hair lies; where the old hair went, what the
    reference shows there."""
    side = len(next(iter(person.parts.values())))
    alpha = cv2.resize(hair.alpha, (side, side), interpolation=cv2.INTER_AREA)
    donor = {name: hair.donor.part(name, size=side) for name in hair.donor.parts if name != "hair"}
    total = np.maximum(sum(donor.values()), 1e-3)
    gone = person.part("hair", size=side) * (1 - alpha)
    parts = {name: plane * (1 - alpha) for name, plane in person.parts.items() if name != "hair"}
    for name, plane in donor.items():
        parts[name] = (parts.get(name, 0) + gone * plane / total).astype(np.float32)
    return {**parts, "hair": alpha}
