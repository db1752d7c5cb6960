"""Barbershop's composite: K references, each responsible for some regions, into one portrait.

The steps of Zhu et al. 2021 in order: parse and embed (the caller's, whose results are cached), target mask,
align, blend structure, blend appearance.  In the end the original's pixels return where nothing changed
(`editing.composite`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..editing.composite import changed_area, keep_pixels
from ..editing.regions import region_index, region_mask
from ..inversion.codes import Code
from ..progress import Steps
from ..protocols import PackLike
from .blend import AppearanceTarget, blend_appearance
from .reference import AlignedReference, Reference
from .structure import Assignment, blend_aligned, given, make_target
from .target_mask import TargetMask
from .transfer_presets import TransferPreset

SKIN_TONED = ("skin", "nose", "ears", "neck")
"""Regions that keep the person's colour: S is the same for all places, so the colour of another person's nose
would change the whole face."""


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
    feature = yield from blend_aligned(pack, aligned, target, preset, mode, smooth, mask is not None)
    w_plus = yield from _appearance(pack, aligned, assignment, target, feature, preset)
    code = Code("FS", w_plus, feature)
    with torch.no_grad():
        generated = code.synthesis(pack.generator, person.image.shape[-1])
    wanted = [*given(assignment.structure), *given(assignment.appearance)]
    added = region_mask(target.labels, wanted)
    changed = changed_area((target.labels != person.labels) | added | region_mask(person.labels, wanted), smooth)
    behind, uncovered = person.labels == 0, (target.labels == 0) & (changed > 0)
    image = keep_pixels(person.image, generated, changed, added, uncovered, behind)
    return Composite(image.clamp(-1, 1), generated, code, target, changed)


def _appearance(
    pack: PackLike,
    aligned: Sequence[AlignedReference],
    assignment: Assignment,
    target: TargetMask,
    feature: Tensor,
    preset: TransferPreset,
) -> Steps[Tensor]:
    """Blend the appearance: W+ [1,L,D] whose rows from ``feature_index`` on are S_blend."""
    person, wanted = aligned[0], given(assignment.appearance)
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
