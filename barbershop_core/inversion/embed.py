"""Embedding by optimization: W, W+ with the II2S prior, and F/S.

Barbershop, section 3.3 (C_rec): a W+ code is found under LPIPS, the pixel distance and the P-norm
(Zhu et al. 2020, II2S); then F starts as the generator's own feature map of that code and is
optimized together with S under the same distances and lambda_F |F - F_init|^2.  F keeps what W+
loses: moles, strands, background.

Several portraits may be embedded at once; their losses are independent, so it only saves time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..networks.resample import shrink
from ..photo.pixels import to_uint8
from ..progress import Step, Steps
from .codes import Code, space_name
from .inversion_presets import InversionPreset
from .minimise import Plateau, ramp_down
from .prior import PNorm, feature_drift
from .project import mean_code, project

PERCEPTUAL_SIDE = 256  # px at which VGG sees an image, as published


def embed(pack, images: Tensor, space: str, preset: InversionPreset) -> Steps[list[Code]]:
    """Invert aligned portraits.

    images: [B,3,R,R] RGB in [-1,1]; R is the side at which the losses are taken, at most the
        generator's.  space: "W", "W+" or "FS".
    Yields a step per iteration (stages "embed W", "embed W+", "embed F/S"); returns a code per image.
    """
    space = space_name(space)
    target = _Target(pack, images, preset)
    if preset.start == "encoder" and pack.encoder is not None:
        start = project(pack, images)
    else:
        start = mean_code(pack.generator).repeat(len(images), 1, 1)
    if space == "W" or preset.w_steps:
        w = yield from _embed_w(pack, target, start.mean(1), preset, preset.w_steps or preset.w_plus_steps)
        start = w[:, None].repeat(1, start.shape[1], 1)
    if space == "W":
        return [Code("W", row[None]) for row in start]
    w_plus = yield from _embed_w_plus(pack, target, start, preset)
    if space == "W+":
        return [Code("W+", row[None]) for row in w_plus]
    w_plus, feature = yield from _embed_fs(pack, target, w_plus, preset)
    return [Code("FS", row[None], f[None]) for row, f in zip(w_plus, feature)]


class _Target:
    """The images in the sizes at which they are compared, their perceptual share computed once."""

    def __init__(self, pack, images: Tensor, preset: InversionPreset):
        self.pack, self.preset, self.full = pack, preset, images
        self.side = images.shape[-1]
        self.coarse = min(preset.coarse_side, self.side)
        self._references: dict[int, tuple] = {}

    def losses(self, image: Tensor) -> dict[str, Tensor]:
        """Weighted pixel and perceptual distances, each [B]."""
        side = image.shape[-1]
        if side not in self._references:
            pixels = shrink(self.full, side)
            seen = (
                self.pack.perceptual.reference(shrink(pixels, PERCEPTUAL_SIDE))
                if self.preset.perceptual
                else None
            )
            self._references[side] = (pixels, seen)
        pixels, seen = self._references[side]
        found = {"l2": self.preset.l2 * (image - pixels).square().mean((1, 2, 3))}
        if seen is not None:
            found["perceptual"] = self.preset.perceptual * self.pack.perceptual.lpips(
                shrink(image, PERCEPTUAL_SIDE), seen
            )
        return found


def _embed_w(pack, target: _Target, w: Tensor, preset: InversionPreset, total: int) -> Steps[Tensor]:
    """One row for all layers, [B,D] -> [B,D]."""
    w = w.detach().clone().requires_grad_(True)
    prior = _prior(pack)

    def objective(side: int):
        image = pack.generator.synthesis(pack.generator.spread(w), resolution=side)
        return image, {**target.losses(image), "p_norm": preset.p_norm * prior(w)}

    yield from _descend("embed W", total, [(w, preset.lr)], objective, target, preset)
    return w.detach()


def _embed_w_plus(pack, target: _Target, start: Tensor, preset: InversionPreset) -> Steps[Tensor]:
    """A row for each layer, [B,L,D] -> [B,L,D] (II2S)."""
    w_plus = start.detach().clone().requires_grad_(True)
    prior = _prior(pack)

    def objective(side: int):
        image = pack.generator.synthesis(w_plus, resolution=side)
        return image, {**target.losses(image), "p_norm": preset.p_norm * prior(w_plus)}

    yield from _descend("embed W+", preset.w_plus_steps, [(w_plus, preset.lr)], objective, target, preset)
    return w_plus.detach()


def _embed_fs(pack, target: _Target, w_plus: Tensor, preset: InversionPreset) -> Steps[tuple[Tensor, Tensor]]:
    """F and S from W+: the rows below the generator's ``feature_index`` stay, the others are S.

    Returns W+ [B,L,D] with the new S, and F [B,C,32,32].
    """
    generator, first = pack.generator, pack.generator.feature_index
    with torch.no_grad():
        initial = generator.features(w_plus)
    feature = initial.clone().requires_grad_(True)
    kept = w_plus[:, :first].detach()
    style = w_plus[:, first:].detach().clone().requires_grad_(True)

    def objective(side: int):
        image = generator.synthesis(torch.cat([kept, style], 1), feature=feature, resolution=side)
        return image, {**target.losses(image), "feature": preset.feature * feature_drift(feature, initial)}

    variables = [(feature, preset.feature_lr), (style, preset.style_lr)]
    yield from _descend("embed F/S", preset.fs_steps, variables, objective, target, preset)
    return torch.cat([kept, style.detach()], 1), feature.detach()


def _descend(
    stage: str, total: int, variables, objective, target: _Target, preset: InversionPreset
) -> Steps[None]:
    """Adam on ``variables`` (tensor, learning rate); ``objective(side)`` -> image, losses [B]."""
    optimizer = torch.optim.Adam([{"params": [tensor], "lr": rate} for tensor, rate in variables])
    rates = [rate for _, rate in variables]
    coarse_until, side = total * preset.coarse_share, 0
    for index in range(total):
        wanted = target.coarse if index < coarse_until else target.side
        if wanted != side:  # another resolution: another loss
            side, plateau = wanted, Plateau(preset.patience, preset.tolerance)
        for group, rate in zip(optimizer.param_groups, rates):
            group["lr"] = rate * ramp_down(index, total, preset.ramp)
        optimizer.zero_grad(set_to_none=True)
        with torch.enable_grad():
            image, losses = objective(side)
            loss = sum(losses.values()).sum()
            loss.backward()
        optimizer.step()
        shown = image.detach()
        values = {name: float(value.detach().mean()) for name, value in losses.items()}
        yield Step(stage, index + 1, total, values, lambda shown=shown: to_uint8(shown)[0].numpy())
        if plateau(float(loss.detach())):
            if side == target.side:
                return
            coarse_until = 0


def _prior(pack) -> PNorm:
    statistics = pack.pnorm
    return PNorm(statistics.mean, statistics.components, statistics.stdev).to(pack.device)
