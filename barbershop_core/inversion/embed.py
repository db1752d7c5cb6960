"""Embedding by optimization: W, W+ with the II2S prior, and F/S.

Barbershop, section 3.3 (C_rec): a W+ code is found under LPIPS, the pixel distance and the P-norm
(Zhu et al. 2020, II2S); then F starts as the generator's own feature map of that code and is
optimized together with S under the same distances and lambda_F |F - F_init|^2.  F keeps what W+
loses: moles, strands, background.  The picture of F and S lacks the RGB of the blocks below F, as published, so
that it is not that of W+ when the optimization begins.

Several portraits may be embedded as one batch, which is faster; their losses are independent.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ..networks.resample import shrink
from ..photo.pixels import from_uint8, to_uint8
from ..progress import Steps
from ..protocols import PackLike
from .codes import Code, space_name
from .inversion_presets import SAME_PICTURE, InversionPreset
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
    space, preset = space_name(space), preset.on(pack)
    target = _Target(pack, images, preset)
    start = _start(pack, images, preset)
    if space == "W" or preset.w_steps:
        w = yield from _embed_w(pack, target, start.mean(1), preset, preset.w_steps or preset.w_plus_steps)
        start = w[:, None].repeat(1, start.shape[1], 1)
    if space == "W":
        return [Code("W", row[None]) for row in start]
    w_plus = yield from _embed_w_plus(pack, target, start, preset)
    if space == "W+":
        return [Code("W+", row[None]) for row in w_plus]
    with torch.no_grad():
        feature = pack.generator.features(w_plus, noise=target.noise())
    w_plus, feature = yield from _embed_fs(pack, target, w_plus, feature, preset)
    return [Code("FS", row[None], f[None]) for row, f in zip(w_plus, feature)]


def plain(pack: PackLike, code: Code) -> Steps[Code]:
    """A code of space "FS" as F and rows of W+ alone, for methods that combine those of several codes.

    Where its picture has an RGB sum beside F, or styles that were shifted in a way that W+ cannot express, F and S are
    optimized until they alone make nearly the same picture (stage "embed F/S").
    """
    if code.shift is None and (code.skip is None or not bool(code.skip.any())):
        return replace(code, skip=None)
    with torch.no_grad():
        images = code.synthesis(pack.generator, pack.working_size)
    target = _Target(pack, images, SAME_PICTURE)
    w_plus, feature = yield from _embed_fs(pack, target, code.w_plus, code.feature, SAME_PICTURE)
    return Code("FS", w_plus, feature)


def _start(pack: PackLike, images: Tensor, preset: InversionPreset) -> Tensor:
    """The code [B,L,D] from which the optimization of each image starts."""
    generator = pack.generator
    if preset.start == "encoder":
        return project(pack, images)
    if preset.start == "prior":
        w = pack.pnorm.unproject(torch.zeros(len(images), generator.style_dim, device=images.device))
        return generator.spread(w)
    return mean_code(generator).expand(len(images), -1, -1)


class _Target:
    """The images to be matched, LPIPS's features of them, and the noise of the pictures compared with them."""

    def __init__(self, pack: PackLike, images: Tensor, preset: InversionPreset):
        self.images, self.side, self.preset = images, images.shape[-1], preset
        self._generator, self._rng = pack.generator, torch.Generator(images.device).manual_seed(0)
        self.perceptual = pack.perceptual
        self.reference = None
        if preset.perceptual:
            self.reference = self.perceptual.reference(_reduced(images))

    def noise(self) -> list[Tensor] | None:
        """The noise of the next picture, for `Generator.synthesis`."""
        if self.preset.noise == "registered":
            return None
        return draw_noise(self._generator, len(self.images), self._rng)

    def losses(self, images: Tensor) -> dict[str, Tensor]:
        """Weighted pixel and perceptual distances, each [B]."""
        found = {"l2": self.preset.l2 * (images - self.images).square().mean((1, 2, 3))}
        if self.reference is not None:
            distance = self.perceptual.lpips(shrink(images, PERCEPTUAL_SIDE), self.reference)
            found["perceptual"] = self.preset.perceptual * distance
        return found


def _reduced(images: Tensor) -> Tensor:
    """Photos [B,3,R,R] in [-1,1] as LPIPS sees them: above 256 px by Lanczos on 8 bits, as published (generated
    pictures by the bicubic `resample.shrink`)."""
    if images.shape[-1] <= PERCEPTUAL_SIDE:
        return images
    size = (PERCEPTUAL_SIDE, PERCEPTUAL_SIDE)
    small = [Image.fromarray(x).resize(size, Image.Resampling.LANCZOS) for x in to_uint8(images).numpy()]
    return torch.cat([from_uint8(np.asarray(x), images.device) for x in small])


def draw_noise(generator: nn.Module, batch: int, rng: torch.Generator) -> list[Tensor]:
    """Standard normal noise for every styled convolution, [B,1,r,r] each, on the device of ``rng``."""
    sides = [pattern.shape[-1] for pattern in generator.noises.buffers()]
    return [torch.randn(batch, 1, side, side, generator=rng, device=rng.device) for side in sides]


def _embed_w(pack: PackLike, target: _Target, w: Tensor, preset: InversionPreset, total: int) -> Steps[Tensor]:
    """One row for all layers, [B,D] -> [B,D].

    From the start "prior" the variable is the whitened code.  Adam moves every element equally far, which there
    is equally likely along every axis.
    """
    whitened = preset.start == "prior"
    code = (pack.pnorm.project(w) if whitened else w).detach().clone().requires_grad_(True)

    def rows() -> Tensor:
        return pack.pnorm.unproject(code) if whitened else code

    def objective(_: int) -> tuple[Tensor, dict[str, Tensor]]:
        w = rows()
        images = pack.generator.synthesis(pack.generator.spread(w), side=target.side, noise=target.noise())
        return images, {**target.losses(images), "p_norm": preset.p_norm * pack.pnorm(w)}

    yield from minimise("embed W", total, [(code, preset.w_lr)], objective, **preset.schedule)
    return rows().detach()


def _embed_w_plus(pack: PackLike, target: _Target, start: Tensor, preset: InversionPreset) -> Steps[Tensor]:
    """A row for each layer, [B,L,D] -> [B,L,D] (II2S)."""
    w_plus = start.detach().clone().requires_grad_(True)

    def objective(_: int) -> tuple[Tensor, dict[str, Tensor]]:
        images = pack.generator.synthesis(w_plus, side=target.side, noise=target.noise())
        return images, {**target.losses(images), "p_norm": preset.p_norm * pack.pnorm(w_plus)}

    yield from minimise("embed W+", preset.w_plus_steps, [(w_plus, preset.lr)], objective, **preset.schedule)
    return w_plus.detach()


def _embed_fs(
    pack: PackLike, target: _Target, w_plus: Tensor, initial: Tensor, preset: InversionPreset
) -> Steps[tuple[Tensor, Tensor]]:
    """F and S from W+ and the initial F [B,C,32,32]: rows below the generator's ``feature_index`` stay, the others
    are S.

    Returns W+ [B,L,D] with the new S, and F.
    """
    generator, first = pack.generator, pack.generator.feature_index
    feature = initial.clone().requires_grad_(True)
    kept = w_plus[:, :first].detach()
    style = w_plus[:, first:].detach().clone().requires_grad_(True)

    def objective(_: int) -> tuple[Tensor, dict[str, Tensor]]:
        rows = torch.cat([kept, style], 1)
        images = generator.synthesis(rows, feature=feature, side=target.side, noise=target.noise())
        losses = target.losses(images)
        if preset.feature:
            losses["feature"] = preset.feature * feature_drift(feature, initial)
        if preset.fs_p_norm:
            losses["p_norm"] = preset.fs_p_norm * pack.pnorm(rows)
        return images, losses

    variables = [(feature, preset.feature_lr), (style, preset.style_lr)]
    yield from minimise("embed F/S", preset.fs_steps, variables, objective, **preset.schedule)
    return torch.cat([kept, style.detach()], 1), feature.detach()
