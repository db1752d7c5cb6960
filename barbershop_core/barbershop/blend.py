"""Blending references into one code.

Barbershop, sections 3.5 and 3.6.  Structure: F_blend is the sum of the aligned F_k under the masks of
M at 32x32.  Appearance: S_blend = sum_k u_k S_k, u_k >= 0 and sum_k u_k = 1 for every channel, found by
minimizing masked LPIPS (VGG blocks 1-3) between G(F_blend, S_blend) and each reference on its region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..editing.masks import dilate, to_feature
from ..inversion.minimise import minimise
from ..networks.resample import shrink
from ..progress import Steps
from ..protocols import PackLike
from .transfer_presets import TransferPreset

LEAST_OVERLAP = 0.1
"""Share of a region that the reference's must cover for masked LPIPS to say more than the colours' statistics."""


@dataclass(frozen=True)
class Layer:
    """A part of F_blend.

    feature: [1,C,32,32].  area: bool [R,R], where it lies.  smooth: pixels, at 256 px, by which the area is shrunk, so
    that nothing from outside of it gets in.
    """

    feature: Tensor
    area: Tensor
    smooth: float = 0


def blend_structure(base: Tensor, layers: Sequence[Layer]) -> Tensor:
    """F_blend: the layers over ``base`` [1,C,32,32], one after the other.

    Areas become shares at 32x32 by bicubic interpolation, as published, and may leave 0..1 a little.
    Returns [1,C,32,32].
    """
    for layer in layers:
        # Dilating the complement instead of eroding: the area does not shrink from the image's border.
        inside = ~dilate(~layer.area, round(layer.smooth * layer.area.shape[-1] / 256))
        base = base + to_feature(inside.float(), base.shape[-1]) * (layer.feature - base)
    return base


@dataclass(frozen=True)
class AppearanceTarget:
    """The appearance that a part of the result is to have.

    image: [1,3,R,R], a reference in the result's frame.  region, shown: bool, [R,R] or smaller, where the result is to
    have the part and where the reference shows it.
    """

    image: Tensor
    region: Tensor
    shown: Tensor


def blend_appearance(
    pack: PackLike,
    feature: Tensor,
    styles: Sequence[Tensor],
    targets: Sequence[AppearanceTarget],
    preset: TransferPreset,
) -> Steps[Tensor]:
    """Find S_blend.

    feature: F [1,C,32,32] of the picture in which it is sought; styles: K of [1,L,D], the person's first, of which the
    rows from ``feature_index`` on are blended.  u starts with the person's S alone; after each step its
    negative entries become 0, and where the references' sum exceeds 1 they are divided by it.
    Yields the stage "blend appearance".  Returns [1,L,D] with the person's rows before ``feature_index``.
    """
    if len(styles) == 1:
        return styles[0]
    generator, first = pack.generator, pack.generator.feature_index
    person = styles[0][:, first:]
    differences = torch.stack([style[:, first:] - person for style in styles[1:]])
    weights = torch.zeros_like(differences).requires_grad_(True)
    side = targets[0].image.shape[-1]
    goals = [_Goal(pack, target, preset) for target in targets]

    def mixed() -> Tensor:
        return torch.cat([styles[0][:, :first], person + (weights * differences).sum(0)], 1)

    def objective(_: int) -> tuple[Tensor, dict[str, Tensor]]:
        image = generator.synthesis(mixed(), feature=feature, side=side)
        small = shrink(image, preset.side)
        found: dict[str, Tensor] = {}
        for goal in goals:
            for name, value in goal(small).items():
                found[name] = found.get(name, 0.0) + value
        return image, found

    variables = [(weights, preset.blend_lr)]
    yield from minimise(
        "blend appearance", preset.blend_steps, variables, objective, optimizer=ConvexAdam, **preset.schedule
    )
    return mixed().detach()


class ConvexAdam(torch.optim.Adam):
    """Adam on weights [K,...] of K elements beside a first one, which has the rest: each step ends with weights that
    are not negative and sum to 1 at the most.  With K = 1 that is the released code's ``ClampOptimizer``."""

    @torch.no_grad()
    def step(self, closure=None):
        loss = super().step(closure)
        for group in self.param_groups:
            for weights in group["params"]:
                weights.clamp_(0, 1)
                weights.div_(weights.sum(0).clamp_min(1))
        return loss


class _Goal:
    """The losses of one target."""

    def __init__(self, pack: PackLike, target: AppearanceTarget, preset: TransferPreset):
        self.pack, self.preset = pack, preset
        self.image = shrink(target.image, preset.side)
        self.region, shown = _at(target.region, preset.side), _at(target.shown, preset.side)
        both = self.region * shown
        self.colour = _statistics(self.image, shown) if preset.colour and bool(shown.any()) else None
        least = 0 if self.colour is None else LEAST_OVERLAP * float(self.region.sum()) + 16
        self.reference = None
        if float(both.sum()) > least:
            self.reference = pack.perceptual.reference(self.image, both)

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        found = {}
        if self.reference is not None:
            found["masked LPIPS"] = self.pack.perceptual.lpips(image, self.reference).mean()
        if self.colour is not None and bool(self.region.any()):
            difference = _statistics(image, self.region) - self.colour
            found["colour"] = self.preset.colour * difference.square().mean()
        return found or {"masked LPIPS": 0.0 * image.sum()}


def _statistics(image: Tensor, mask: Tensor) -> Tensor:
    """Mean and standard deviation of the colours inside of a mask, [2,3]."""
    area = mask.sum().clamp_min(1)
    mean = (image * mask).sum((0, 2, 3)) / area
    deviation = (((image - mean.view(1, 3, 1, 1)).square() * mask).sum((0, 2, 3)) / area + 1e-5).sqrt()
    return torch.stack([mean, deviation])


def _at(mask: Tensor, side: int) -> Tensor:
    """bool [R,R] -> float [1,1,side,side] of 0 and 1."""
    return (shrink(mask.float()[None, None], side) > 0.5).float()
