"""Whose shape goes where: the target mask of several references, and their aligned structure in one F.

Barbershop, sections 3.2, 3.4 and 3.5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np
import torch
from torch import Tensor

from ..editing.regions import colour_map
from ..photo.pixels import to_uint8
from ..progress import Step, Steps
from ..protocols import PackLike
from .align import align
from .blend import Layer, blend_structure
from .options import MODE, SMOOTH
from .published_align import align_all
from .published_mask import published_mask
from .reference import AlignedReference, Generated, Reference, to_person
from .target_mask import Claim, TargetMask, lay_together, painted
from .transfer_presets import TransferPreset


@dataclass(frozen=True)
class Assignment:
    """Which reference (number in the list; 0 is the person) is responsible for what.

    structure: region -> reference whose F it takes, and whose shape, unless ``shape`` names another; appearance: region
    -> reference whose colours.  Regions not named are the person's.
    """

    structure: Mapping[str, int] = field(default_factory=dict)
    appearance: Mapping[str, int] = field(default_factory=dict)
    shape: Mapping[str, int] = field(default_factory=dict)

    def shape_of(self, region: str) -> int:
        """The reference whose shape a region takes."""
        return self.shape.get(region, self.structure.get(region, 0))

    def gives(self, region: str) -> bool:
        """Whether any of it is another reference's than the person's."""
        return any((self.shape_of(region), self.structure.get(region), self.appearance.get(region)))

    def shapes_of(self, k: int) -> set[str]:
        """The regions whose shape a reference gives."""
        return {region for region in (*self.structure, *self.shape) if self.shape_of(region) == k}


@dataclass(frozen=True, eq=False)
class Plan:
    """Who gives what to a composite, and how it is made.

    mode, smooth: see `target_mask`.  mask: a painted target mask instead of the automatic one, see
    `target_mask.painted`.
    """

    assignment: Assignment
    preset: TransferPreset
    mode: str = MODE.default
    smooth: float = SMOOTH.default
    mask: np.ndarray | None = None


def given(sources: Mapping[str, int]) -> dict[str, int]:
    """The regions that another reference than the person gives."""
    return {region: k for region, k in sources.items() if k}


def make_target(
    pack: PackLike, references: Sequence[Reference], plan: Plan
) -> Steps[tuple[TargetMask, list[AlignedReference]]]:
    """The target mask, and the references in the person's frame from which it was made."""
    assignment, preset = plan.assignment, plan.preset
    person, aligned = references[0], []
    for k, reference in enumerate(references):
        aligned.append((yield from to_person(pack, person, reference, assignment.shapes_of(k), preset)))
    shapes, sources, claims = {}, {}, []
    for region in dict.fromkeys((*assignment.structure, *assignment.shape)):
        owner, shape = assignment.structure.get(region, 0), assignment.shape_of(region)
        if owner or shape:
            outline = aligned[shape]
            beside = outline.with_hair.labels if outline.with_hair else outline.labels
            claims.append(Claim(region, owner, outline.labels, beside))
            shapes[region], sources[region] = shape, owner
    if plan.mask is not None:
        target = painted(plan.mask, person.labels, claims)
    elif claims and preset.published:
        images = [reference.image for reference in references]
        target = yield from published_mask(pack, images, person.labels, shapes, sources, plan.mode, preset)
    else:
        target = lay_together(person.labels, claims, plan.smooth, plan.mode)
    yield Step("target mask", 1, 1, preview=lambda: colour_map(target.labels))
    return target, aligned


class Filling(Enum):
    """What a reference's F is filled with where its own regions and M disagree."""

    NONE = auto()  # nothing: its F is used as it is
    ALIGNED = auto()  # the features of its own w_align
    PERSON = auto()  # the features of the person's w_align
    HAIR_CODE = auto()  # the features of the person's code with the new hair, which nothing was optimized for


def _filling(k: int, plan: Plan, with_hair: Generated | None) -> Filling:
    """What fills the F of reference ``k``.  With a painted M nothing agrees yet."""
    assignment, by_hand = plan.assignment, plan.mask is not None
    if not k:
        return Filling.ALIGNED if by_hand or with_hair is None else Filling.HAIR_CODE
    if any(assignment.shape_of(region) != k for region, source in assignment.structure.items() if source == k):
        return Filling.ALIGNED  # M was made from another's shape
    return Filling.PERSON if by_hand else Filling.NONE


def blend_aligned(pack: PackLike, aligned: Sequence[AlignedReference], target: TargetMask, plan: Plan) -> Steps[Tensor]:
    """Align the references that need it, and blend their structure: F_blend [1,C,32,32]."""
    person = aligned[0]
    if bool((target.labels == person.labels).all()) and not bool(target.owner.any()):
        return person.feature  # only colours change
    if plan.preset.published:
        blended = yield from align_all(pack, aligned, target, plan.preset, plan.smooth)
    else:
        blended = yield from _blend_needed(pack, aligned, target, plan)

    def preview() -> np.ndarray:
        with torch.no_grad():
            side = target.labels.shape[-1]
            return to_uint8(pack.generator.synthesis(person.w_plus, feature=blended, side=side))[0].numpy()

    yield Step("blend structure", 1, 1, preview=preview)
    return blended


def _blend_needed(pack: PackLike, aligned: Sequence[AlignedReference], target: TargetMask, plan: Plan) -> Steps[Tensor]:
    """F_blend where only what needs it is aligned (ours), in layers: the person's w_align, the person's F where it
    agrees with M, each reference's w_align on its part of M, and its F where it agrees."""
    generator, first, assignment = pack.generator, pack.generator.feature_index, plan.assignment
    with_hair = aligned[assignment.shape_of("hair")].with_hair if assignment.structure.get("hair") else None
    layers: list[Layer] = []
    for k in sorted({0, *target.owner.unique().tolist()}):
        own, mine, filling = aligned[k], target.owner == k, _filling(k, plan, with_hair)
        if filling is Filling.NONE:
            layers.append(Layer(own.feature, mine))
            continue
        if filling is Filling.ALIGNED:
            start = with_hair if with_hair and k == 0 else own
            w_start = torch.cat([start.w_plus[:, :first], own.w_plus[:, first:]], 1)
            w_align = yield from align(pack, w_start, own.image, own.labels, k, target, plan.mode, plan.preset)
            with torch.no_grad():
                filled = generator.features(w_align)
        elif filling is Filling.HAIR_CODE:
            filled = with_hair.feature
        if not k:
            base = filled
        elif filling is Filling.ALIGNED:
            layers.append(Layer(filled, mine, plan.smooth))
        layers.append(Layer(own.feature, mine & target.claimed & (own.labels == target.labels), plan.smooth))
    return blend_structure(base, layers)
