"""Embedding by optimization: W, W+ with the II2S prior, and F/S.

Barbershop, section 3.3 (C_rec): a W+ code is found under LPIPS, the pixel distance and the P-norm
(Zhu et al. 2020, II2S); then F starts as the generator's own feature map of that code and is
optimized together with S under the same distances and lambda_F |F - F_init|^2.  F keeps what W+
loses: moles, strands, background.

Several portraits may be embedded as one batch, which is faster; their losses are independent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..networks.resample import shrink
from ..progress import Steps
from ..protocols import PackLike
from .codes import Code, space_name
from .inversion_presets import InversionPreset
from .minimise import minimise
from .prior import feature_drift
from .project import mean_code, project

PERCEPTUAL_SIDE = 256  # px at which LPIPS is taken, as published


def embed(pack: PackLike, images: Tensor, space: str, preset: InversionPreset) -> Steps[list[Code]]:
    """Invert aligned portraits.

    images: [B,3,R,R] RGB in [-1,1]; R is the side at which the losses are computed, at most the
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
    """The images to be matched, and LPIPS's features of them."""

    def __init__(self, pack: PackLike, images: Tensor, preset: InversionPreset):
        self.images, self.side, self.preset = images, images.shape[-1], preset
        self.perceptual = pack.perceptual
        self.reference = None
        if preset.perceptual:
            self.reference = self.perceptual.reference(shrink(images, PERCEPTUAL_SIDE))

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        """Weighted pixel and perceptual distances, each [B]."""
        found = {"l2": self.preset.l2 * (images - self.images).square().mean((1, 2, 3))}
        if self.reference is not None:
            distance = self.perceptual.lpips(shrink(images, PERCEPTUAL_SIDE), self.reference)
            found["perceptual"] = self.preset.perceptual * distance
        return found


def _embed_w(pack: PackLike, target: _Target, w: Tensor, preset: InversionPreset, total: int) -> Steps[Tensor]:
    """One row for all layers, [B,D] -> [B,D]."""
    w = w.detach().clone().requires_grad_(True)

    def objective(_: int) -> tuple[Tensor, dict[str, Tensor]]:
        images = pack.generator.synthesis(pack.generator.spread(w), side=target.side)
        return images, {**target.losses(images), "p_norm": preset.p_norm * pack.pnorm(w)}

    yield from minimise("embed W", total, [(w, preset.lr)], objective, **preset.schedule)
    return w.detach()


def _embed_w_plus(pack: PackLike, target: _Target, start: Tensor, preset: InversionPreset) -> Steps[Tensor]:
    """A row for each layer, [B,L,D] -> [B,L,D] (II2S)."""
    w_plus = start.detach().clone().requires_grad_(True)

    def objective(_: int) -> tuple[Tensor, dict[str, Tensor]]:
        images = pack.generator.synthesis(w_plus, side=target.side)
        return images, {**target.losses(images), "p_norm": preset.p_norm * pack.pnorm(w_plus)}

    yield from minimise("embed W+", preset.w_plus_steps, [(w_plus, preset.lr)], objective, **preset.schedule)
    return w_plus.detach()


def _embed_fs(pack: PackLike, target: _Target, w_plus: Tensor, preset: InversionPreset) -> Steps[tuple[Tensor, Tensor]]:
    """F and S from W+: the rows below the generator's ``feature_index`` stay, the others are S.

    Returns W+ [B,L,D] with the new S, and F [B,C,32,32].
    """
    generator, first = pack.generator, pack.generator.feature_index
    with torch.no_grad():
        initial = generator.features(w_plus)
    feature = initial.clone().requires_grad_(True)
    kept = w_plus[:, :first].detach()
    style = w_plus[:, first:].detach().clone().requires_grad_(True)

    def objective(_: int) -> tuple[Tensor, dict[str, Tensor]]:
        rows = torch.cat([kept, style], 1)
        images = generator.synthesis(rows, feature=feature, side=target.side)
        drift = preset.feature * feature_drift(feature, initial)
        return images, {**target.losses(images), "feature": drift}

    variables = [(feature, preset.feature_lr), (style, preset.style_lr)]
    yield from minimise("embed F/S", preset.fs_steps, variables, objective, **preset.schedule)
    return torch.cat([kept, style.detach()], 1), feature.detach()
