"""The person's code with a reference's hair (ours, for heads that look in different directions).

The person's code moves towards the reference's, but only in directions that leave the person's face as it is.
What remains of the difference is the hair: the result is the person with that hair, in the person's pose and
light, as the generator would draw it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..editing.masks import erode
from ..editing.regions import parse_logits, region_index, region_mask
from ..memory import pictures_at_once
from ..networks.resample import shrink
from ..precision import half_precision, synthesis_precision
from ..progress import Step, Steps
from ..protocols import PackLike
from .latent_axes import AxesInW, AxesInZ, axes_between
from .transfer_presets import TransferPreset

SIDE = 64  # px at which the face is compared
BATCH = 16  # images in one synthesis, where there is memory for them
DIFFERENCE = 0.7  # standard deviations of a step along an axis: well above the noise of parse and half precision


def code_with_hair(
    pack: PackLike, person: Tensor, reference: Tensor, labels: Tensor, preset: TransferPreset
) -> Steps[Tensor]:
    """Move the person's code towards the reference's hair.

    person, reference: [1,L,D].  labels: long [R,R], the person's.  Let p be the codes along the main axes of
    Z or W (`latent_axes`), f pixels and parse of the person's lower face, where hair is rare, and J the
    derivative of f along the axes.  The offset c minimizes

        |c - (p_reference - p_person)|^2 + |J c|^2 / preset.face_change

    If the pack has learnt which part of a move in W is hair (``pack.hair_projection``), that part of the
    difference is the offset, and J is not needed.  The rows that make F move; the others stay the person's.
    Yields the stage "align"; returns [1,L,D].
    """
    first = pack.generator.feature_index
    rest = person[:, first:]
    if pack.hair_projection is not None:
        move = (reference[:, :first].mean(1) - person[:, :first].mean(1)) @ pack.hair_projection
        yield Step("align", 1, 1)
        return torch.cat([person[:, :first] + move[:, None], rest], 1)
    axes = axes_between(pack, person[:, :first], reference[:, :first])
    wanted = axes.coordinates(reference[:, :first])
    jacobian = yield from _jacobian(pack, axes, rest, _lower_face(labels, min(SIDE, len(labels))))
    # The system is small, and the CPU solves it alike for all devices.
    jacobian, wanted = jacobian.cpu(), wanted.cpu()
    system = torch.eye(axes.count) + jacobian @ jacobian.T / preset.face_change
    offset = torch.linalg.solve(system, wanted).to(person.device)
    return torch.cat([axes.moved(offset[None]), rest], 1)


def _jacobian(pack: PackLike, axes: AxesInW | AxesInZ, rest: Tensor, face: Tensor) -> Steps[Tensor]:
    """Change of the face per standard deviation along each axis, [K,M], in pictures made from F: forward differences.

    face: float [S,S], where it is compared; pixels that hair covers on either side do not count.
    """
    generator, side, hair = pack.generator, face.shape[-1], region_index("hair")

    @torch.no_grad()
    def seen(offsets: Tensor) -> Tensor:
        rows = axes.moved(offsets)
        w_plus = torch.cat([rows, rest.expand(len(rows), -1, -1)], 1)
        with half_precision():
            picture = generator.synthesis(w_plus, feature=generator.features(w_plus))
            with synthesis_precision(picture.device, generator.size, gradients=False):
                p = parse_logits(pack.parser, picture, side).exp()
        return torch.cat([p, shrink(picture, side)], 1)

    still = seen(torch.zeros(1, axes.count, device=rest.device))
    steps = DIFFERENCE * torch.eye(axes.count, device=rest.device)
    parts, slopes = steps.split(pictures_at_once(generator, BATCH)), []
    for number, offsets in enumerate(parts, 1):
        moved = seen(offsets)
        covered = torch.maximum(moved[:, hair], still[:, hair])
        change = (moved - still) * (face * (1 - covered))[:, None]
        slopes.append(F.avg_pool2d(change, 2).flatten(1) / DIFFERENCE)
        yield Step("align", number, len(parts))
    return torch.cat(slopes)


def _lower_face(labels: Tensor, side: int) -> Tensor:
    """float [side,side]: 1 on the visible face from the height of the eyes downwards."""
    face = region_mask(labels, ("skin", "nose", "mouth", "eyes", "glasses", "brows"))
    eyes = region_mask(labels, ("eyes", "glasses", "brows"))
    rows = torch.arange(labels.shape[0], device=labels.device)[:, None].expand_as(labels)
    middle = rows[eyes].float().mean() if bool(eyes.any()) else torch.tensor(0.38 * len(labels))
    lower = face & (rows >= middle.to(rows.device) - 0.02 * len(labels))
    lower = erode(lower, max(len(labels) // 64, 1)).float()
    return F.interpolate(lower[None, None], (side, side), mode="nearest")[0, 0]
