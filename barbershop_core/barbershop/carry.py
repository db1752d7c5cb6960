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

from ..compositing.contact import contact_shadow, shadow_strength
from ..compositing.continuation import continue_colours
from ..compositing.ears import borrowed_ears, ears_in_view
from ..compositing.fill import without_hair
from ..compositing.hairline import with_roots
from ..compositing.hand import hand_before_hair
from ..compositing.matting import hair_alpha
from ..compositing.motion import Field
from ..compositing.photograph import Photograph
from ..compositing.planes import resized, widened
from ..compositing.skull import Skull, skull
from ..compositing.strands import with_finer_strands, with_strands
from ..compositing.tones import lab_statistics, match_grain, recolour, split
from ..photo.ramp import smoothstep
from .gaps import with_gaps_filled
from .hair_layer import HairLayer, hair_onto
from .painted_hair import within
from .scalp import over_scalp

TEXTURE = 1.12
"""Limit to which sharpness and grain like the person's may raise the carried hair's texture."""
LEAST = 0.02
"""Alpha from which a pixel shows some hair."""
ROOTS, GROWN = 0.5, 0.035
"""How much hair that is dyed lighter keeps of its colour at the roots beside skin, and how far, in eye distances."""
LIGHTER = (5.0, 35.0)
"""By how much lighter, in L of Lab, it has to become to keep any, and all that."""
BESIDE = 0.01
"""What is this close to hair may show some of it, as a share of the crop's side."""


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


def carry_hair(
    person: Photograph,
    shape: Photograph | None,
    colour: Photograph | None,
    wanted: np.ndarray | None = None,
    rendered: bool = False,
) -> Carried:
    """The person with the hair of ``shape`` in the hair colour of ``colour``; None keeps the person's own.

    References may have any size and show more than the crop, which helps where hair leaves it.  All need a mesh.
    wanted: bool [h,w], a painted mask of where the hair is to be.  rendered: ``shape`` is no photo, but was rendered;
    its hair, which is smooth, is given strands.
    """
    alpha, head = hair_alpha(person), skull(person)
    hand = hand_before_hair(person, head)
    if hand is not None:
        alpha = alpha * (1 - hand)
    if shape is None and wanted is not None:
        shape = person
    if shape is None:
        image = person.image if colour is None else _dyed(person, alpha, colour)
        return Carried(image, _changed(image, person), dict(person.parts))
    hair, repainted = hair_onto(person, shape), None
    if rendered:
        colours, ends = with_strands(hair.colours, hair.alpha)
        hair = replace(hair, colours=colours, alpha=ends)
    if wanted is not None:
        colours, within_mask, repainted = within(hair.colours, hair.alpha, wanted)
        hair = replace(hair, colours=colours, alpha=within_mask)
    other = None if colour is shape else colour
    if other is not None and not hair.evidence:  # before it is mixed with what lies behind
        hair = replace(hair, colours=_recoloured(hair.colours, _around(hair.alpha), other))
    if not hair.evidence:
        sharp = hair.colours if rendered else with_finer_strands(hair.colours, hair.alpha, person.image, alpha)
        sharp = match_grain(sharp, hair.alpha, person.image, alpha)
        hair = replace(hair, colours=_texture_limited(sharp, hair.colours, hair.alpha))
    in_view = ears_in_view(person, head, hair.donor, alpha)
    if not hair.evidence and wanted is None:
        hair = over_scalp(person, alpha, hair, head, in_view, shape)
        hair = replace(hair, alpha=with_roots(hair.alpha, head.mask(person.size), person))
    ears = borrowed_ears(person, head, hair.donor, alpha, in_view)
    base = without_hair(person, alpha, hand, ears, head)
    base = with_gaps_filled(base, person, alpha, hair, head, in_view)
    if not hair.evidence:  # of the same head the photo has its own shadows
        base = base * _shadow(person, hair, head)
    if hand is not None:
        base = base + hand[..., None] * (person.image - base)
        hair = replace(hair, alpha=hair.alpha * (1 - hand))
    image = base + hair.alpha[..., None] * (hair.colours - base)
    if shape is person and repainted is not None:
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


def _texture_limited(sharp: np.ndarray, own: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """As much of what was added to the hair's own colours as leaves its texture its own."""
    before, added = (
        plane[alpha > 0.9] for plane in (split(x.mean(2), max(1.0, len(x) / 256))[1] for x in (own, sharp - own))
    )
    if len(before) < 64 or before.std() < 1e-6 or added.std() < 1e-6:
        return sharp
    a, b, c = added.var(), (before * added).mean(), (1 - TEXTURE**2) * before.var()
    most = (-b + np.sqrt(max(b * b - a * c, 0))) / a  # var(before + most * added) = TEXTURE**2 var(before)
    return own + np.float32(np.clip(most, 0, 1)) * (sharp - own)


def _same_scene(image: np.ndarray, person: Photograph, alpha: np.ndarray, hair: HairLayer) -> np.ndarray:
    """Where both photos show the very same head and scene, hair comes with the background between its strands, which
    is truer than any separation of the two; what the reference's frame cuts off is the person's own."""
    size, other, known = person.size, hair.donor.image, hair.donor.known
    off = cv2.GaussianBlur(np.abs(other - person.image).max(-1), (0, 0), size / 100)
    shown = widened(known > 0.99, -max(1, BESIDE * size))
    agree = continue_colours(np.exp(-((off / 0.08) ** 2)), shown)
    touched = cv2.GaussianBlur(_around(np.maximum(alpha, hair.alpha)), (0, 0), BESIDE / 2 * size)
    truth = person.image + (known * touched)[..., None] * (other - person.image)
    return image + (hair.evidence * agree)[..., None] * (truth - image)


def _around(alpha: np.ndarray) -> np.ndarray:
    """Where there is any hair, and a little beside it: float32 [S,S]."""
    return widened(alpha > LEAST, max(1, BESIDE * len(alpha)))


def _dyed(person: Photograph, alpha: np.ndarray, colour: Photograph) -> np.ndarray:
    """The person with their own hair in the other's colours: [S,S,3].

    Dark roots stay a little dark beside skin, where they and their shadow cannot be told apart.
    """
    image = _recoloured(person.image, alpha, colour)
    hair = alpha > 0.5
    if not hair.any():
        return image
    before, after = (cv2.cvtColor(x, cv2.COLOR_RGB2LAB)[hair, 0].mean() for x in (person.image, image))
    size = min(person.size, 512)
    skin = person.part("skin", "nose", size=size) > 0.5
    if not skin.any():
        return image
    away = cv2.distanceTransform(np.uint8(~skin), cv2.DIST_L2, 5) / (person.eye_distance * size / person.size)
    kept = ROOTS * smoothstep(after - before, *LIGHTER) * resized(np.exp(-((away / GROWN) ** 2)), person.size)
    return image + kept[..., None] * (person.image - image)


def _recoloured(image: np.ndarray, alpha: np.ndarray, colour: Photograph) -> np.ndarray:
    """The hair under ``alpha`` in the other's colours; unchanged where one of the two has none."""
    other = hair_alpha(colour) * colour.known
    if min(alpha.max(), other.max()) < 0.5:
        return image
    return recolour(image, alpha, lab_statistics(colour.image, other))


def _shadow(person: Photograph, hair: HairLayer, head: Skull) -> np.ndarray:
    """What the carried hair leaves of the light on the person: [S,S,3]."""
    parts = _parts(person, hair)
    body = sum(plane for name, plane in parts.items() if name not in ("background", "hair"))
    body = np.maximum(resized(body, person.size), head.mask(person.size))
    theirs = hair.donor.part("hair", size=person.size)
    return contact_shadow(hair.alpha, np.minimum(body, 1), person, shadow_strength(hair.donor, theirs))


def _parts(person: Photograph, hair: HairLayer) -> dict[str, np.ndarray]:
    """Regions of the result: the person's in front of which the carried hair lies; where the old hair went, what the
    reference shows there."""
    side = len(next(iter(person.parts.values())))
    alpha = resized(hair.alpha, side)
    donor = {name: hair.donor.part(name, size=side) for name in hair.donor.parts if name != "hair"}
    total = np.maximum(sum(donor.values()), 1e-3)
    gone = person.part("hair", size=side) * (1 - alpha)
    parts = {name: plane * (1 - alpha) for name, plane in person.parts.items() if name != "hair"}
    for name, plane in donor.items():
        parts[name] = (parts.get(name, 0) + gone * plane / total).astype(np.float32)
    return {**parts, "hair": alpha}
