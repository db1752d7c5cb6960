"""The target mask as in the authors' code, for any regions instead of hair alone.

ZPdesu/Barbershop, models/Alignment.py, ``create_target_segmentation_mask``.  It works on the parser's own classes at
the parser's size, on the portraits as they are.  Two areas are unknown once the new regions are laid on: those that
the old ones leave, and those where a reference shows a face or neck and the person background.  The generator fills
them one after the other: its coarse rows are optimized twice from the mean code until the parse of its picture is M.

Differences: the generator has its registered noise instead of new noise in each step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..editing.regions import Parser, region_index, region_mask, region_table, to_regions
from ..inversion.minimise import minimise
from ..inversion.project import mean_code
from ..networks.resample import resize
from ..progress import Steps
from ..protocols import PackLike
from .target_mask import SPREADING, TargetMask, cross_entropy, nearest
from .transfer_presets import TransferPreset

INPAINT_RADIUS = 3  # px


@dataclass(frozen=True)
class Draft:
    """M before the generator completes it, all [S,S] at the parser's size.

    labels: long, classes of the parser's table, background where unknown.  owner: long, the reference responsible
    for each pixel.  left: bool, unknown because a removed region was there.  shown: bool, unknown because a
    reference shows something of the head there.  foreground: bool, where M may not be background.
    """

    labels: Tensor
    owner: Tensor
    left: Tensor
    shown: Tensor
    foreground: Tensor


def published_mask(
    pack: PackLike,
    images: Sequence[Tensor],
    person: Tensor,
    shapes: Mapping[str, int],
    sources: Mapping[str, int],
    mode: str,
    preset: TransferPreset,
) -> Steps[TargetMask]:
    """The target mask.

    images: [1,3,R,R] in [-1,1], the person first.  person: long [R,R], the person's regions.  shapes, sources:
    region -> the portrait, by its number in ``images``, that shows its outline, and the one responsible for it.  With
    ``preset.mask_steps`` 0 unknown areas take the nearest regions, as in the article.
    Yields the stage "target mask".
    """
    table, side = pack.parser.table, person.shape[-1]
    classes = [parse_classes(pack.parser, image) for image in images]
    start = draft(classes, shapes, sources, table)
    unknown = start.left | start.shown
    if preset.mask_steps:
        labels = yield from complete(pack, start, mode, preset)
    else:
        spreading = region_mask(to_regions(start.labels, table), SPREADING)
        labels = nearest(start.labels, spreading & ~unknown, unknown)
    regions = _at(to_regions(labels, table), side)
    # The person's own outlines are kept at the portrait's resolution, which is finer than the parser's.
    same = (_at(labels, side) == _at(classes[0], side)) & ~region_mask(person, shapes)
    return TargetMask(
        torch.where(same, person, regions), _at(start.owner, side), ~_at(unknown, side), dict(sources), labels
    )


@torch.no_grad()
def parse_classes(parser: Parser, image: Tensor) -> Tensor:
    """[1,3,R,R] in [-1,1] -> the likeliest class of the parser's own table, long [S,S] at its size."""
    return parser.class_logits(resize(image, parser.input_size).clamp(-1, 1)).argmax(1)[0]


def is_region(classes: Tensor, names: Sequence[str] | Mapping[str, int], table: str) -> Tensor:
    """bool, where classes of a table belong to one of the named regions."""
    return region_mask(to_regions(classes, table), names)


def draft(classes: Sequence[Tensor], shapes: Mapping[str, int], sources: Mapping[str, int], table: str) -> Draft:
    """Lay the regions together.

    classes: long [S,S] of a label table for each portrait, the person's first.  shapes, sources: see `published_mask`.
    """
    person, background = classes[0], torch.zeros_like(classes[0])
    removed = is_region(person, shapes, table)
    labels, owner, given = torch.where(removed, background, person), background, torch.zeros_like(removed)
    for region in sorted(shapes, key=lambda name: name == "hair"):  # hair lies over the face
        mask = is_region(classes[shapes[region]], region, table)
        labels = torch.where(mask, classes[shapes[region]], labels)
        owner, given = owner.masked_fill(mask, sources[region]), given | mask
    shown = torch.zeros_like(given)
    for number in set(shapes.values()):
        shown |= ~is_region(classes[number], (*shapes, "background", "clothes"), table)
    shown &= (labels == 0) & ~given
    hair = is_region(labels, "hair", table)
    inside = _inpainted(hair, shown | ((labels != 0) & ~hair))
    strand = region_table(table).index(region_index("hair"))
    labels = torch.where(shown & inside, torch.full_like(labels, strand), labels)
    return Draft(labels, owner, removed & ~given, shown, (person != 0) | given)


def complete(pack: PackLike, start: Draft, mode: str, preset: TransferPreset) -> Steps[Tensor]:
    """M, long [S,S]: the areas that were left, then those that are shown, from the parse of a generated picture."""
    filled = yield from _fitted_parse(pack, start.labels, start.foreground, mode, preset)
    labels = torch.where(start.left, filled, start.labels)
    open_ = torch.where(start.shown, torch.zeros_like(labels), labels)
    filled = yield from _fitted_parse(pack, open_, start.foreground, mode, preset)
    return torch.where(start.shown & (filled != 0), filled, labels)


def _fitted_parse(
    pack: PackLike, labels: Tensor, foreground: Tensor, mode: str, preset: TransferPreset
) -> Steps[Tensor]:
    """The parse, long [S,S], of a picture whose coarse rows were optimized towards ``labels`` from the mean code.

    In "realistic" the background's loss is separate, and counts where neither the person nor a reference is.
    """
    w_plus = mean_code(pack.generator)
    rows = pack.generator.feature_index - 1
    coarse, rest = w_plus[:, :rows].clone().requires_grad_(True), w_plus[:, rows:]
    last: list[Tensor] = []

    def objective(_: int) -> tuple[Tensor, dict[str, Tensor]]:
        image = pack.generator.synthesis(torch.cat([coarse, rest], 1))
        logits = pack.parser.class_logits(image)
        last[:] = [logits.detach().argmax(1)[0]]
        if mode == "realistic":
            log_p, known = F.log_softmax(logits, 1), (labels != 0).float()
            loss = cross_entropy(log_p, labels[None], known) + cross_entropy(
                log_p, torch.zeros_like(labels)[None], (~foreground).float()
            )
        else:
            loss = F.cross_entropy(logits, labels[None])
        return image, {"cross entropy": preset.cross_entropy * loss}

    yield from minimise("target mask", preset.mask_steps, [(coarse, preset.mask_lr)], objective, **preset.schedule)
    return last[0]


def _inpainted(hair: Tensor, unknown: Tensor) -> Tensor:
    """Where hair goes on into the unknown: Navier-Stokes inpainting, of which only full certainty counts."""
    picture = (hair & ~unknown).to("cpu", torch.float32).numpy()
    filled = cv2.inpaint(picture, 255 * unknown.to("cpu", torch.uint8).numpy(), INPAINT_RADIUS, cv2.INPAINT_NS)
    return torch.from_numpy(np.asarray(filled >= 1)).to(hair.device)


def _at(values: Tensor, side: int) -> Tensor:
    """[S,S] at another size, the nearest value of each pixel."""
    return F.interpolate(values[None, None].float(), (side, side), mode="nearest")[0, 0].to(values.dtype)
