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
from .align import align, align_feature
from .blend import blend_structure
from .reference import AlignedReference, Generated, Reference, to_person
from .target_mask import Claim, TargetMask, complete, lay_together, painted
from .transfer_presets import TransferPreset


@dataclass(frozen=True)
class Assignment:
    """Which reference (number in the list; 0 is the person) is responsible for what.

    structure: region -> reference whose shape it takes; appearance: region -> reference whose colours.
    Regions not named are the person's.
    """

    structure: Mapping[str, int] = field(default_factory=dict)
    appearance: Mapping[str, int] = field(default_factory=dict)


def given(sources: Mapping[str, int]) -> dict[str, int]:
    """The regions that another reference than the person gives."""
    return {region: k for region, k in sources.items() if k}


def make_target(
    pack: PackLike,
    references: Sequence[Reference],
    assignment: Assignment,
    preset: TransferPreset,
    mode: str,
    smooth: int,
    mask: np.ndarray | None,
) -> Steps[tuple[TargetMask, list[AlignedReference]]]:
    """The target mask, and the references in the person's frame from which it was made."""
    person, structure, aligned = references[0], given(assignment.structure), []
    for k, reference in enumerate(references):
        regions = [region for region, source in structure.items() if source == k]
        aligned.append((yield from to_person(pack, person, reference, regions, preset)))
    claims = []
    for region, k in structure.items():
        beside = aligned[k].with_hair.labels if aligned[k].with_hair else aligned[k].labels
        claims.append(Claim(region, k, aligned[k].labels, beside))
    if mask is not None:
        target = painted(mask, person.labels, claims)
    else:
        target = lay_together(person.labels, claims, smooth, mode)
        target = yield from complete(pack, person.code.w_plus, target, mode, preset)
    yield Step("target mask", 1, 1, preview=lambda: colour_map(target.labels))
    return target, aligned


class Filling(Enum):
    """What a reference's F is filled with where its own regions and M disagree."""

    NONE = auto()  # nothing: its F is used as it is
    ALIGNED = auto()  # the features of its own w_align
    PERSON = auto()  # the features of the person's w_align
    HAIR_CODE = auto()  # the features of the person's code with the new hair, which nothing was optimized for


def _filling(k: int, preset: TransferPreset, by_hand: bool, with_hair: Generated | None) -> Filling:
    """The plan for reference ``k``.  by_hand: M was painted, so that nothing agrees with it yet."""
    if preset.every_reference:
        return Filling.ALIGNED
    if k:
        return Filling.PERSON if by_hand else Filling.NONE
    return Filling.ALIGNED if by_hand or with_hair is None else Filling.HAIR_CODE


def blend_aligned(
    pack: PackLike,
    aligned: Sequence[AlignedReference],
    target: TargetMask,
    preset: TransferPreset,
    mode: str,
    smooth: int,
    by_hand: bool,
) -> Steps[Tensor]:
    """Align the references that need it, and blend their structure: F_blend [1,C,32,32]."""
    person, generator, first = aligned[0], pack.generator, pack.generator.feature_index
    if bool((target.labels == person.labels).all()) and not bool(target.owner.any()):
        return person.feature  # only colours change
    with_hair = next((a.with_hair for a in reversed(aligned) if a.with_hair), None)
    sources = sorted({0, *target.owner.unique().tolist()})
    plan = {k: _filling(k, preset, by_hand, with_hair) for k in sources}
    features: list[Tensor] = []
    fillings = {Filling.HAIR_CODE: with_hair.feature if with_hair else None}
    for k, filling in plan.items():
        own = aligned[k]
        if filling is Filling.ALIGNED:
            start = with_hair if with_hair and k == 0 else own
            w_start = torch.cat([start.w_plus[:, :first], own.w_plus[:, first:]], 1)
            w_align = yield from align(pack, w_start, own.image, own.labels, k, target, mode, preset)
            with torch.no_grad():
                fillings[Filling.ALIGNED] = generator.features(w_align)
            if k == 0:
                fillings[Filling.PERSON] = fillings[Filling.ALIGNED]
        if filling is Filling.NONE:
            features.append(own.feature)
        else:
            agree = (own.labels == target.labels) & (target.owner == k) & target.claimed
            features.append(align_feature(own.feature, fillings[filling], agree, smooth))
    blended = blend_structure(features, [target.owner == k for k in plan])

    def preview() -> np.ndarray:
        with torch.no_grad():
            image = generator.synthesis(person.w_plus, feature=blended, resolution=target.labels.shape[-1])
            return to_uint8(image)[0].numpy()

    yield Step("blend structure", 1, 1, preview=preview)
    return blended
