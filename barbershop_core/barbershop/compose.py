"""Barbershop's composite: K references, each responsible for some regions, into one portrait.

The steps of Zhu et al. 2021 in order: parse and embed (the caller's, whose results are cached), target mask,
align, blend structure, blend appearance.  In the end the original's pixels return where nothing changed
(`editing.composite`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..editing.composite import changed_area, keep_pixels
from ..editing.masks import dilate, erode
from ..editing.regions import parse, region_index, region_mask
from ..inversion.codes import Code
from ..progress import Step, Steps
from ..protocols import PackLike
from .blend import AppearanceTarget, blend_appearance
from .reference import AlignedReference, Reference
from .structure import Assignment, Plan, blend_aligned, given, make_target
from .target_mask import TargetMask

SKIN_TONED = ("skin", "nose", "ears", "neck")
"""Regions that keep the person's colour: S is the same for all places, so the colour of another person's nose
would change the whole face."""


BORDER = 5
"""px, at 256 px, that the released code leaves out along a region's border when it compares colours."""


@dataclass(frozen=True)
class Composite:
    """The result.

    image: [1,3,R,R] in [-1,1], the original's pixels where nothing changed.  generated: [1,3,R,R], the
    generator's image of ``code`` ("FS").  target: the target mask.  changed: float [R,R] in 0..1.
    notices: sentences for the person.
    """

    image: Tensor
    generated: Tensor
    code: Code
    target: TargetMask
    changed: Tensor
    notices: tuple[str, ...] = ()


def composite(pack: PackLike, references: Sequence[Reference], plan: Plan) -> Steps[Composite]:
    """Make the portrait.

    references: the person first.
    Yields the stages "target mask", "align", "blend structure", "blend appearance".
    """
    assignment, preset = plan.assignment, plan.preset
    person, wanted = references[0], given(assignment.appearance)
    parts = yield from _structure(pack, references, plan)
    sources = sorted(set(wanted.values()))
    targets, where, notices = [], parts, []
    if wanted and preset.own_shape:
        shapes = _in_own_shapes(assignment)
        if plan.mask is not None or shapes != assignment:
            where = yield from _structure(pack, references, replace(plan, assignment=shapes, mask=None))
        targets = _on_own_regions(pack, where, wanted)
    elif wanted:
        targets, notices = _on_common_regions(where, wanted, bool(preset.colour))
    styles = [references[k].code.w_plus for k in (0, *sources)]
    for notice in notices:
        yield Step("blend appearance", 0, preset.blend_steps, notice=notice)
    w_plus = yield from blend_appearance(pack, where.feature, styles, targets, preset)
    code, target = Code("FS", w_plus, parts.feature), parts.target
    with torch.no_grad():
        generated = code.synthesis(pack.generator, person.image.shape[-1])
    regions = [*given(assignment.structure), *given(assignment.shape), *wanted]
    added = region_mask(target.labels, regions)
    changed = changed_area((target.labels != person.labels) | added | region_mask(person.labels, regions), plan.smooth)
    behind, uncovered = person.labels == 0, (target.labels == 0) & (changed > 0)
    image = keep_pixels(person.image, generated, changed, added, uncovered, behind)
    return Composite(image.clamp(-1, 1), generated, code, target, changed, tuple(notices))


# --- structure --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Structure:
    """The target mask, the references in the person's frame, and F_blend."""

    target: TargetMask
    aligned: list[AlignedReference]
    feature: Tensor


def _structure(pack: PackLike, references: Sequence[Reference], plan: Plan) -> Steps[_Structure]:
    target, aligned = yield from make_target(pack, references, plan)
    feature = yield from blend_aligned(pack, aligned, target, plan)
    return _Structure(target, aligned, feature)


def _in_own_shapes(assignment: Assignment) -> Assignment:
    """The same composite, where regions have the shape of the photo whose colours they take."""
    wanted = given(assignment.appearance)
    shape = {region: k for region, k in assignment.shape.items() if region not in wanted}
    return replace(assignment, structure={**assignment.structure, **wanted}, shape=shape)


# --- appearance -------------------------------------------------------------------------------


def _on_own_regions(pack: PackLike, where: _Structure, wanted: Mapping[str, int]) -> list[AppearanceTarget]:
    """The released code's: each region on the reference's own mask, shrunk, in a picture in which it has that shape;
    the person everywhere but on these regions, grown, of both photos and of that picture."""
    person, side = where.aligned[0], min(where.target.labels.shape[-1], 256)
    border = round(BORDER * side / 256)
    with torch.no_grad():
        picture = pack.generator.synthesis(person.w_plus, feature=where.feature, side=person.image.shape[-1])
    drawn = _at(parse(pack.parser, picture)[0], side)
    kept, targets = torch.ones_like(drawn, dtype=torch.bool), []
    for region, k in wanted.items():
        index, reference = region_index(region), where.aligned[k]
        own = _at(reference.labels, side) == index
        for area in (_at(person.labels, side) == index, own, drawn == index):
            kept &= ~dilate(area, border)
        inner = erode(own, border)
        inner = inner if bool(inner.any()) else own  # of a region that narrow the code would take the mean of no pixel
        targets.append(AppearanceTarget(reference.image, inner, inner))
    return [AppearanceTarget(person.image, kept, kept), *targets]


def _on_common_regions(
    where: _Structure, wanted: Mapping[str, int], statistics: bool
) -> tuple[list[AppearanceTarget], list[str]]:
    """The article's: each region in the result, where the reference shows it, too; the person on what stays of theirs.
    And sentences about regions that the two have nowhere in common, unless ``statistics`` compare them all the same."""
    person, target = where.aligned[0], where.target
    kept = (target.owner == 0) & target.claimed & (person.labels == target.labels)
    kept &= ~region_mask(target.labels, [*wanted, "background"])
    targets, notices = [AppearanceTarget(person.image, kept, kept)], []
    for region, k in wanted.items():
        index, reference = region_index(region), where.aligned[k]
        found = AppearanceTarget(reference.image, target.labels == index, reference.labels == index)
        targets.append(found)
        if not statistics and bool(found.shown.any()) and not bool((found.region & found.shown).any()):
            notices.append(
                f"The {region} keeps its colour: in the result it lies nowhere where the photo for its colour shows "
                "any.  The presets fast and released compare them all the same."
            )
    return targets, notices


def _at(labels: Tensor, side: int) -> Tensor:
    """Labels [R,R] -> [side,side], by nearest neighbour."""
    return F.interpolate(labels[None, None].float(), (side, side), mode="nearest")[0, 0].long()
