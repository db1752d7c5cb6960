"""Barbershop's composite: K references, each responsible for some regions, into one portrait.

The six steps of Zhu et al. 2021 in order: parse and embed (done by the caller, because their results
are kept), target mask, align, blend structure, blend appearance; then the original's pixels return
where nothing changed (:mod:`.composite`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..codes import Code
from ..inversion.descent import to_uint8
from ..progress import Step, Steps
from .align import align, align_feature, turn
from .blend import Look, blend_appearance, blend_structure
from .composite import changed_area, keep_pixels
from .geometry import carry, carry_labels, residual, similarity
from .presets import TransferPreset
from .regions import colour_map, parse, parse_logits, region_index, region_mask
from .target_mask import Claim, TargetMask, complete, lay_together, painted

TURNED = 0.02
"""Share of the image's side by which parts of two faces may differ after the best similarity before a
head is turned (`align.turn`)."""

SKIN_TONED = ("skin", "nose", "ears", "neck")
"""Regions whose colour stays the person's: S knows no places, so a nose with another skin's colour
would repaint the whole face."""


@dataclass(frozen=True)
class Reference:
    """A photo that goes into a composite.

    image: [1,3,R,R] in [-1,1].  labels: long [R,R].  code: "FS", or "W+" where only colours are taken.
    """

    image: Tensor
    labels: Tensor
    code: Code


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
    """The result: image [1,3,R,R] in [-1,1] with the original's pixels where nothing changed;
    code ("FS") and generated [1,3,R,R] of the generator's part; changed float [R,R]; target mask."""

    image: Tensor
    generated: Tensor
    code: Code
    target: TargetMask
    changed: Tensor


@dataclass(frozen=True)
class Carried:
    """A reference in the person's frame, with what F it brings."""

    image: Tensor
    labels: Tensor
    feature: Tensor | None
    w_plus: Tensor


def composite(
    pack,
    references: Sequence[Reference],
    assignment: Assignment,
    preset: TransferPreset,
    mode: str = "realistic",
    smooth: int = 5,
    mask: np.ndarray | None = None,
) -> Steps[Composite]:
    """Make the portrait.

    references: the person first.  mode, smooth, mask: see `target_mask`; ``mask`` is a painted target
    mask that replaces the automatic one.
    Yields the stages "target mask", "align", "blend structure", "blend appearance".
    """
    person = references[0]
    side = person.image.shape[-1]
    structure = {region: k for region, k in assignment.structure.items() if k}
    target, carried = yield from make_target(pack, references, assignment, preset, mode, smooth, mask)
    feature = yield from _structure(pack, references, carried, target, mode, smooth, preset)
    w_plus = yield from _appearance(pack, references, carried, assignment, target, feature, preset)
    code = Code("FS", w_plus, feature)
    with torch.no_grad():
        generated = code.synthesis(pack.generator, side)
    moved = target.labels != person.labels
    touched = moved.clone()
    for region in (*structure, *(r for r, k in assignment.appearance.items() if k)):
        touched |= (target.labels == region_index(region)) | (person.labels == region_index(region))
    changed = changed_area(touched, smooth)
    uncovered = moved & ~region_mask(target.labels, [*structure]) if structure else moved
    image = keep_pixels(person.image, generated, changed, uncovered)
    return Composite(image.clamp(-1, 1), generated, code, target, changed)


def make_target(
    pack,
    references: Sequence[Reference],
    assignment: Assignment,
    preset: TransferPreset,
    mode: str,
    smooth: int,
    mask: np.ndarray | None,
) -> Steps[tuple[TargetMask, list[Carried]]]:
    """The target mask, and the references in the person's frame from which it was laid together."""
    person = references[0]
    structure = {region: k for region, k in assignment.structure.items() if k}
    carried = yield from _carry_all(pack, references, set(structure.values()), preset)
    claims = [Claim(region, k, carried[k].labels) for region, k in structure.items()]
    if mask is not None:
        target = painted(mask, person.labels, claims)
    else:
        target = lay_together(person.labels, claims, smooth, mode)
        target = yield from complete(pack, person.code.w_plus, target, mode, preset)
    yield Step("target mask", 1, 1, preview=lambda: colour_map(target.labels))
    return target, carried


def _carry_all(
    pack, references: Sequence[Reference], shaping: set[int], preset: TransferPreset
) -> Steps[list[Carried]]:
    """Bring the references' faces onto the person's, and turn heads that give shape."""
    person = references[0]
    side = person.image.shape[-1]
    carried, logits = [], None
    for k, reference in enumerate(references):
        code, image, labels, feature = (
            reference.code,
            reference.image,
            reference.labels,
            reference.code.feature,
        )
        w_plus = code.w_plus
        if k in shaping and preset.pose_steps and residual(labels, person.labels) > TURNED:
            if logits is None:
                with torch.no_grad():
                    logits = parse_logits(pack.parser, person.image, min(preset.side, pack.working_size))
            w_plus = yield from turn(pack, w_plus, logits, preset)
            with torch.no_grad():
                feature = pack.generator.features(w_plus)
                image = pack.generator.synthesis(w_plus, feature=feature, resolution=side)
                labels = parse(pack.parser, image)[0]
        if k:
            matrix = similarity(labels, person.labels)
            image, labels = carry(image, matrix), carry_labels(labels, matrix)
            feature = None if feature is None else carry(feature, matrix)
        carried.append(Carried(image, labels, feature, w_plus))
    return carried


def _structure(
    pack, references, carried, target: TargetMask, mode: str, smooth: int, preset
) -> Steps[Tensor]:
    """Align what has to be, and blend the structure: F_blend [1,C,32,32]."""
    person = references[0]
    if bool((target.labels == person.labels).all()) and not bool(target.owner.any()):
        return person.code.feature  # only colours change
    generator, features, masks = pack.generator, [], []
    for k in sorted(set(target.owner.unique().tolist()) | {0}):
        mine = carried[k]
        feature = mine.feature
        agree = (mine.labels == target.labels) & (target.owner == k) & target.claimed
        if k == 0 or preset.every_reference:
            w_align = yield from align(pack, mine.w_plus, mine.image, mine.labels, k, target, mode, preset)
            with torch.no_grad():
                feature = align_feature(feature, generator.features(w_align), agree, smooth)
        features.append(feature)
        masks.append(target.owner == k)
    blended = blend_structure(features, masks)

    def preview():
        with torch.no_grad():
            return to_uint8(
                generator.synthesis(person.code.w_plus, feature=blended, resolution=target.labels.shape[-1])
            )[0].numpy()

    yield Step("blend structure", 1, 1, preview=preview)
    return blended


def _appearance(
    pack, references, carried, assignment: Assignment, target: TargetMask, feature: Tensor, preset
) -> Steps[Tensor]:
    """Blend the appearance: W+ [1,L,D] whose rows from ``feature_index`` on are S_blend."""
    person = references[0]
    wanted = {region: k for region, k in assignment.appearance.items() if k}
    sources = sorted(set(wanted.values()))
    if not sources:
        return person.code.w_plus
    own = (target.owner == 0) & target.claimed & (person.labels == target.labels)
    own &= ~region_mask(target.labels, [*wanted, "background"]) if wanted else own
    looks = [Look(0, own, person.image, own)]
    for region, k in wanted.items():
        index = region_index(region)
        looks.append(
            Look(sources.index(k) + 1, target.labels == index, carried[k].image, carried[k].labels == index)
        )
    styles = [person.code.w_plus, *(references[k].code.w_plus for k in sources)]
    return (yield from blend_appearance(pack, feature, styles, looks, preset))
