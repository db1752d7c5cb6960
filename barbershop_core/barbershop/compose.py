"""Barbershop's composite: K references, each responsible for some regions, into one portrait.

The steps of Zhu et al. 2021 in order: parse and embed (the caller's, whose results are cached), target mask,
align, blend structure, blend appearance.  In the end the original's pixels return where nothing changed
(`editing.composite`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np
import torch
from torch import Tensor

from ..editing.composite import changed_area, keep_pixels
from ..editing.regions import colour_map, region_index, region_mask
from ..inversion.codes import Code
from ..photo.pixels import to_uint8
from ..progress import Step, Steps
from ..protocols import PackLike
from .align import align, align_feature
from .blend import AppearanceTarget, blend_appearance, blend_structure
from .reference import AlignedReference, Generated, Reference, to_person
from .target_mask import Claim, TargetMask, complete, lay_together, painted
from .transfer_presets import TransferPreset

SKIN_TONED = ("skin", "nose", "ears", "neck")
"""Regions that keep the person's colour: S is the same for all places, so the colour of another person's nose
would change the whole face."""


@dataclass(frozen=True)
class Assignment:
    """Which reference (number in the list; 0 is the person) is responsible for what.

    structure: region -> reference whose shape it takes; appearance: region -> reference whose colours.
    Regions not named are the person's.
    """

    structure: Mapping[str, int] = field(default_factory=dict)
    appearance: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Composite:
    """The result.

    image: [1,3,R,R] in [-1,1], the original's pixels where nothing changed.  generated: [1,3,R,R], the
    generator's image of ``code`` ("FS").  target: the target mask.  changed: float [R,R] in 0..1.
    """

    image: Tensor
    generated: Tensor
    code: Code
    target: TargetMask
    changed: Tensor


def composite(
    pack: PackLike,
    references: Sequence[Reference],
    assignment: Assignment,
    preset: TransferPreset,
    mode: str = "realistic",
    smooth: int = 5,
    mask: np.ndarray | None = None,
) -> Steps[Composite]:
    """Make the portrait.

    references: the person first.  mode, smooth: see `target_mask`.  mask: a painted target mask instead of
    the automatic one.
    Yields the stages "target mask", "align", "blend structure", "blend appearance".
    """
    person = references[0]
    target, aligned = yield from make_target(pack, references, assignment, preset, mode, smooth, mask)
    feature = yield from _structure(pack, aligned, target, preset, mode, smooth, mask is not None)
    w_plus = yield from _appearance(pack, aligned, assignment, target, feature, preset)
    code = Code("FS", w_plus, feature)
    with torch.no_grad():
        generated = code.synthesis(pack.generator, person.image.shape[-1])
    wanted = [*_given(assignment.structure), *_given(assignment.appearance)]
    added = region_mask(target.labels, wanted)
    changed = changed_area((target.labels != person.labels) | added | region_mask(person.labels, wanted), smooth)
    behind, uncovered = person.labels == 0, (target.labels == 0) & (changed > 0)
    image = keep_pixels(person.image, generated, changed, added, uncovered, behind)
    return Composite(image.clamp(-1, 1), generated, code, target, changed)


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
    person, structure, aligned = references[0], _given(assignment.structure), []
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


def _structure(
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


def _appearance(
    pack: PackLike,
    aligned: Sequence[AlignedReference],
    assignment: Assignment,
    target: TargetMask,
    feature: Tensor,
    preset: TransferPreset,
) -> Steps[Tensor]:
    """Blend the appearance: W+ [1,L,D] whose rows from ``feature_index`` on are S_blend."""
    person, wanted = aligned[0], _given(assignment.appearance)
    if not wanted:
        return person.w_plus
    sources = sorted(set(wanted.values()))
    kept = (target.owner == 0) & target.claimed & (person.labels == target.labels)
    kept &= ~region_mask(target.labels, [*wanted, "background"])
    targets = [AppearanceTarget(0, kept, person.image, kept)]
    for region, k in wanted.items():
        index, style = region_index(region), sources.index(k) + 1
        shown = aligned[k].labels == index
        targets.append(AppearanceTarget(style, target.labels == index, aligned[k].image, shown))
    styles = [aligned[k].reference.code.w_plus for k in (0, *sources)]
    return (yield from blend_appearance(pack, feature, styles, targets, preset))


def _given(sources: Mapping[str, int]) -> dict[str, int]:
    """The regions that another reference than the person gives."""
    return {region: k for region, k in sources.items() if k}
