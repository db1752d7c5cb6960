"""Alignment as published: every reference in its own place, and the structures of all in one F.

Barbershop, section 3.4, and models/Alignment.py of ZPdesu/Barbershop, ``align_images``.  From a code w_rec the coarse
rows are optimized: cross-entropy between the parser's classes and M, and the squared distance of Gram matrices of
what shows the reference's regions, in the picture of w_rec and in the current one.  The F of the last picture's code
is F_align; where nothing moved, F_rec returns.

Differences: as in `published_mask`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..editing.masks import dilate, erode, to_feature
from ..editing.regions import REGIONS, region_log_probabilities, region_mask, to_regions
from ..inversion.minimise import minimise
from ..networks.perceptual import STYLE_HEIGHT
from ..networks.resample import shrink
from ..progress import Steps
from ..protocols import PackLike
from .blend import Layer, blend_structure
from .published_mask import is_region, parse_classes
from .reference import AlignedReference
from .target_mask import TargetMask
from .transfer_presets import TransferPreset

MASK_SIDE = 256  # px at which masks are grown and shrunk


def align_all(
    pack: PackLike, aligned: Sequence[AlignedReference], target: TargetMask, preset: TransferPreset, smooth: int
) -> Steps[Tensor]:
    """Align the person and every reference that M names, and join their structures: F [1,C,32,32].

    aligned: by number, the person first; F of all that are named is known.  Yields the stage "align".
    """
    others = sorted({number for number in target.sources.values() if number})
    recovered, found = {}, {}
    for number in (0, *others):
        regions = [region for region, source in target.sources.items() if source == number]
        steps = preset.align_style_steps
        if not number:
            steps = preset.align_steps
            own = target.labels[target.owner == 0].unique().tolist()
            regions = [REGIONS[k] for k in own if k] if preset.style_of_person else []
        code = yield from aligned_code(pack, aligned[number].w_plus, target, regions, steps, preset)
        with torch.no_grad():
            recovered[number], found[number] = aligned[number].feature, pack.generator.features(code)
    if preset.released_mix:
        classes = [parse_classes(pack.parser, one.image) for one in aligned]
        return mixed_feature(recovered, found, classes, target, pack.parser.table, smooth)
    layers = []
    for number in (0, *others):
        mine = target.owner == number
        if number:
            layers.append(Layer(found[number], mine, smooth))
        agree = mine & target.claimed & (aligned[number].labels == target.labels)
        layers.append(Layer(recovered[number], agree, smooth))
    return blend_structure(found[0], layers)


def aligned_code(
    pack: PackLike, w_plus: Tensor, target: TargetMask, regions: Sequence[str], steps: int, preset: TransferPreset
) -> Steps[Tensor]:
    """w_align.

    w_plus: [1,L,D], rows of w_rec below ``feature_index`` and of S from there on.  regions: whose style is kept; none:
    the cross-entropy only.  All but the last of the rows that make F are optimized, six of seven as in the code.
    Yields the stage "align"; returns [1,L,D], the code of the last loss.
    """
    generator, parser = pack.generator, pack.parser
    rows = generator.feature_index - 1
    coarse, rest = w_plus[:, :rows].detach().clone().requires_grad_(True), w_plus[:, rows:].detach()
    last = [w_plus]

    def shows(logits: Tensor) -> Tensor:
        return is_region(logits.argmax(1), regions, parser.table).float()[:, None]

    style = None
    if regions:
        with torch.no_grad():
            image = generator.synthesis(w_plus)
            style = _style_of(pack, image, shows(parser.class_logits(image)))

    def objective(_: int) -> tuple[Tensor, dict[str, Tensor]]:
        last[0] = torch.cat([coarse, rest], 1)
        image = generator.synthesis(last[0])
        logits = parser.class_logits(image)
        found = {"cross entropy": preset.cross_entropy * target_loss(logits, target, parser.table)}
        if style is not None:
            small, mask = _at_style(image, shows(logits.detach()))
            found["style"] = preset.style * pack.perceptual.style_loss(small, style, mask).mean()
        return image, found

    yield from minimise("align", steps, [(coarse, preset.align_lr)], objective, **preset.schedule)
    return last[0].detach()


def target_loss(logits: Tensor, target: TargetMask, table: str) -> Tensor:
    """Cross-entropy against M, over the parser's classes, or over regions where M is known in regions only (painted).

    logits: [1,N,S,S] of the classes.
    """
    if target.classes is not None:
        return F.cross_entropy(logits, target.classes[None])
    labels = F.interpolate(target.labels[None, None].float(), logits.shape[-2:], mode="nearest")[0].long()
    return F.nll_loss(region_log_probabilities(logits, table), labels)


def mixed_feature(
    recovered: Mapping[int, Tensor],
    aligned: Mapping[int, Tensor],
    classes: Sequence[Tensor],
    target: TargetMask,
    table: str,
    smooth: int,
) -> Tensor:
    """F of the whole as in the code.

    recovered, aligned: F_rec and F_align [1,C,32,32] of the person (0) and of each reference.  classes: long [S,S] for
    each portrait.  Where a removed region was or a given one will be, and ``smooth`` pixels (at 256 px) around, the
    person's F_rec gives way to F_align; a reference's F_align comes inside of its regions in M, and its F_rec
    where its own portrait has them, too, both ``smooth`` pixels from their border.
    """
    person = to_regions(classes[0], table)
    if target.classes is None:  # painted: anything may have changed
        labels = F.interpolate(target.labels[None, None].float(), person.shape, mode="nearest")[0, 0].long()
        changed = labels != person
    else:
        labels = to_regions(target.classes, table)
        changed = region_mask(person, target.sources)
    changed = changed | region_mask(labels, target.sources)
    side = recovered[0].shape[-1]
    mixed = torch.lerp(recovered[0], aligned[0], _share(changed, dilate, smooth, side))
    for source in sorted({number for number in target.sources.values() if number}):
        regions = [name for name, number in target.sources.items() if number == source]
        wanted = region_mask(labels, regions)
        kept = wanted & (to_regions(classes[source], table) == labels)
        mixed = torch.lerp(mixed, aligned[source], _share(wanted, erode, smooth, side))
        mixed = torch.lerp(mixed, recovered[source], _share(kept, erode, smooth, side))
    return mixed


def _share(mask: Tensor, move, smooth: int, side: int) -> Tensor:
    """bool [S,S] -> weights [1,1,32,32], slightly outside of 0..1 near edges."""
    mask = F.interpolate(mask.float()[None, None], (MASK_SIDE, MASK_SIDE), mode="nearest")
    return to_feature(move(mask, round(smooth)), side)


def _at_style(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Picture [1,3,R,R] and mask [1,1,S,S] at the size of the Gram matrices."""
    return shrink(image, STYLE_HEIGHT), F.interpolate(mask, (STYLE_HEIGHT, STYLE_HEIGHT), mode="nearest")


def _style_of(pack: PackLike, image: Tensor, mask: Tensor):
    small, mask = _at_style(image, mask)
    return pack.perceptual.style_reference(small, mask)
