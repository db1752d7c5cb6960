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

from ..editing.composite import changed_area, keep_pixels
from ..editing.regions import colour_map, parse, region_index, region_mask
from ..inversion.codes import Code
from ..photo.pixels import to_uint8
from ..progress import Step, Steps
from .align import align, align_feature
from .blend import AppearanceTarget, blend_appearance, blend_structure
from .geometry import carry, carry_labels, residual, similarity
from .target_mask import Claim, TargetMask, complete, lay_together, painted
from .transfer_presets import TransferPreset
from .turn import lend, turn

TURNED = 0.02
"""Share of the image's side by which parts of two faces may differ after the best similarity before a
head is turned (`pose.turn`)."""

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
class AlignedReference:
    """A reference in the person's frame.

    image: [1,3,R,R]; labels: long [R,R]; feature: its F; w_plus: the code from which an alignment starts.
    around: what the person's picture would show beside this hair: label map and F, of `pose.lend`.
    """

    image: Tensor
    labels: Tensor
    feature: Tensor
    w_plus: Tensor
    around: tuple[Tensor, Tensor] | None = None


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
    feature = yield from _structure(pack, references, carried, target, mode, smooth, preset, mask is not None)
    w_plus = yield from _appearance(pack, references, carried, assignment, target, feature, preset)
    code = Code("FS", w_plus, feature)
    with torch.no_grad():
        generated = code.synthesis(pack.generator, side)
    moved = target.labels != person.labels
    touched = moved.clone()
    for region in (*structure, *(r for r, k in assignment.appearance.items() if k)):
        touched |= (target.labels == region_index(region)) | (person.labels == region_index(region))
    changed = changed_area(touched, smooth)
    asked_for = [*structure, *(region for region, k in assignment.appearance.items() if k)]
    added = region_mask(target.labels, asked_for) if asked_for else torch.zeros_like(moved)
    behind, back = person.labels == 0, target.labels == 0
    image = keep_pixels(person.image, generated, changed, added, back & (changed > 0), behind)
    return Composite(image.clamp(-1, 1), generated, code, target, changed)


def make_target(
    pack,
    references: Sequence[Reference],
    assignment: Assignment,
    preset: TransferPreset,
    mode: str,
    smooth: int,
    mask: np.ndarray | None,
) -> Steps[tuple[TargetMask, list[AlignedReference]]]:
    """The target mask, and the references in the person's frame from which it was laid together."""
    person = references[0]
    structure = {region: k for region, k in assignment.structure.items() if k}
    carried = yield from _carry_all(pack, references, structure, preset)
    claims = []
    for region, k in structure.items():
        beside = carried[k].around[0] if carried[k].around else carried[k].labels
        claims.append(Claim(region, k, carried[k].labels, beside))
    if mask is not None:
        target = painted(mask, person.labels, claims)
    else:
        target = lay_together(person.labels, claims, smooth, mode)
        target = yield from complete(pack, person.code.w_plus, target, mode, preset)
    yield Step("target mask", 1, 1, preview=lambda: colour_map(target.labels))
    return target, carried


def is_turned(labels: Tensor, person: Tensor, preset: TransferPreset) -> bool:
    """Whether a reference that gives shape is turned, so that its own F is of no use."""
    return bool(preset.pose_steps) and residual(labels, person) > TURNED


def _carry_all(
    pack, references: Sequence[Reference], structure: Mapping[str, int], preset: TransferPreset
) -> Steps[list[AlignedReference]]:
    """Bring the references' faces onto the person's, and turn heads that give shape."""
    carried = []
    for k, reference in enumerate(references):
        regions = {region for region, source in structure.items() if source == k}
        carried.append((yield from _carry(pack, references[0], reference, regions, preset)))
    return carried


def _carry(
    pack, person: Reference, reference: Reference, regions: set[str], preset: TransferPreset
) -> Steps[AlignedReference]:
    """One reference; regions: those whose shape it gives."""
    image, labels, w_plus = reference.image, reference.labels, reference.code.w_plus
    feature, around = reference.code.feature, None
    if reference is person:
        return AlignedReference(image, labels, feature, w_plus)
    side, generator = image.shape[-1], pack.generator
    dressed = regions == {"hair"} and preset.pose_steps > 0
    # Where the pack knows hair apart from the rest of a code, lent hair fits the person's head better than
    # the reference's own does after a similarity, whichever way the two look.
    known = dressed and pack.hair_projection is not None
    turned = bool(regions) and (known or is_turned(labels, person.labels, preset))
    if turned or dressed:
        if dressed:
            w_plus = yield from lend(pack, person.code.w_plus, w_plus, person.labels, preset)
        else:
            w_plus = yield from turn(pack, w_plus, person.image, preset)
        with torch.no_grad():
            features = generator.features(w_plus)
            shown = generator.synthesis(w_plus, feature=features, resolution=side)
            parsed = parse(pack.parser, shown)[0]
        if dressed:
            around = (parsed, features)
        if turned:
            image, labels, feature = shown, parsed, features
    if feature is None:  # only colours are wanted of it, or nothing of its own could be kept
        with torch.no_grad():
            feature = generator.features(w_plus)
    matrix = similarity(labels, person.labels)
    if turned and dressed:  # it lies where it should
        matrix = torch.eye(3)[:2]
    return AlignedReference(
        carry(image, matrix), carry_labels(labels, matrix), carry(feature, matrix), w_plus, around
    )


def _structure(
    pack, references, carried, target: TargetMask, mode: str, smooth: int, preset, painted_by_hand: bool
) -> Steps[Tensor]:
    """Align what has to be, and blend the structure: F_blend [1,C,32,32]."""
    person = references[0]
    if bool((target.labels == person.labels).all()) and not bool(target.owner.any()):
        return person.code.feature  # only colours change
    generator, side = pack.generator, target.labels.shape[-1]
    sources = sorted({0, *target.owner.unique().tolist()})
    around = next((c for c in reversed(carried) if c.around is not None), None)
    must_align = preset.every_reference or painted_by_hand or around is None
    filling = None if around is None else around.around[1]
    features, masks = [], []
    for k in sources:
        mine = carried[k]
        feature = mine.feature
        agree = (mine.labels == target.labels) & (target.owner == k) & target.claimed
        if must_align and (k == 0 or preset.every_reference):
            start = mine if k or around is None else around
            w_start = torch.cat(
                [start.w_plus[:, : generator.feature_index], mine.w_plus[:, generator.feature_index :]], 1
            )
            w_align = yield from align(pack, w_start, mine.image, mine.labels, k, target, mode, preset)
            with torch.no_grad():
                filling = generator.features(w_align)
        if k == 0 or preset.every_reference or painted_by_hand:
            feature = align_feature(feature, filling, agree, smooth)
        features.append(feature)
        masks.append(target.owner == k)
    blended = blend_structure(features, masks)

    def preview():
        with torch.no_grad():
            image = generator.synthesis(person.code.w_plus, feature=blended, resolution=side)
            return to_uint8(image)[0].numpy()

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
    looks = [AppearanceTarget(0, own, person.image, own)]
    for region, k in wanted.items():
        index = region_index(region)
        looks.append(
            AppearanceTarget(
                sources.index(k) + 1, target.labels == index, carried[k].image, carried[k].labels == index
            )
        )
    styles = [person.code.w_plus, *(references[k].code.w_plus for k in sources)]
    return (yield from blend_appearance(pack, feature, styles, looks, preset))
