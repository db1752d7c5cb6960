"""The StyleGAN2 generator, in the layout of rosinality's checkpoints.

Karras et al. 2020, figure 2 with skip connections (figure 7b); parameter names follow
rosinality/stylegan2-pytorch, the layout in which FFHQ weights are shared most widely.  Other
layouts are converted on loading (``stylegan2_layouts``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from ..precision import synthesis_precision
from .resample import resize
from .stylegan2_layers import ConstantInput, EqualLinear, PixelNorm, StyledConv, ToRGB

FEATURE_SIZE = 32  # resolution of F in the F/S space (Zhu et al., Barbershop, section 3.1)
NoiseInput = Literal["none", "random"] | Sequence[Tensor] | None
LR_MLP = 0.01  # the mapping network's learning-rate factor, folded into its run-time scale


@dataclass(frozen=True)
class BlockState:
    """Activations after the block of one resolution, from which synthesis can continue.

    ``x`` is ``[B, C, resolution, resolution]``; ``skip`` is the RGB sum so far ``[B, 3, r, r]``, or
    None if it starts at zero.
    """

    resolution: int
    x: Tensor
    skip: Tensor | None = None


class Generator(nn.Module):
    """StyleGAN2 generator: z ``[B, z_dim]`` -> w ``[B, style_dim]`` -> image ``[B, 3, size, size]``.

    Args:
        size: image side, a power of two from 8 up.
        style_dim: dimension D of W.
        n_mlp: layers of the mapping network.
        channels: resolution -> channels, for every power of two from 4 to ``size``.
        z_dim: dimension of Z; D if None.

    A new generator has StyleGAN2's initialisation (equalized learning rate) and can be trained;
    ``networks.load("stylegan2", ...)`` returns a frozen one.
    """

    def __init__(self, size: int, style_dim: int, n_mlp: int, channels: dict[int, int], z_dim: int | None = None):
        super().__init__()
        if size < 8 or size & (size - 1):
            raise ValueError(f"size must be a power of two from 8 up, not {size}")
        self.size, self.style_dim, self.z_dim = size, style_dim, z_dim or style_dim
        self.channels = {r: channels[r] for r in (2**k for k in range(2, int(math.log2(size)) + 1))}
        self.n_latent = 2 * int(math.log2(size)) - 2
        self.feature_size = min(FEATURE_SIZE, size)
        self.feature_index = 2 * int(math.log2(self.feature_size)) - 3

        widths = [self.z_dim] + [style_dim] * n_mlp
        self.style = nn.Sequential(
            PixelNorm(), *(EqualLinear(a, b, lr=LR_MLP, activate=True) for a, b in zip(widths, widths[1:]))
        )
        self.input = ConstantInput(self.channels[4])
        self.conv1 = StyledConv(self.channels[4], self.channels[4], style_dim)
        self.to_rgb1 = ToRGB(self.channels[4], style_dim, up=False)
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        for below, here in zip(list(self.channels.values()), list(self.channels.values())[1:]):
            self.convs.append(StyledConv(below, here, style_dim, up=True))
            self.convs.append(StyledConv(here, here, style_dim))
            self.to_rgbs.append(ToRGB(here, style_dim))
        self.noises = nn.Module()
        for layer in range(self.n_latent - 1):
            side = 2 ** ((layer + 5) // 2)
            self.noises.register_buffer(f"noise_{layer}", torch.randn(1, 1, side, side))
        self.fused = True  # False: plain autograd, for second derivatives (path length regularization)
        self.register_buffer("w_mean", torch.zeros(style_dim), persistent=False)

    @property
    def resolutions(self) -> tuple[int, ...]:
        return tuple(self.channels)

    def mapping(self, z: Tensor) -> Tensor:
        """``[B, z_dim]`` standard normal -> w ``[B, D]``."""
        return self.style(z)

    @torch.no_grad()
    def update_w_mean(self, samples: int = 10_000, seed: int = 0) -> Tensor:
        """Set ``w_mean`` ``[D]`` to the mean of the mapping of seeded z, and return it."""
        z = torch.randn(samples, self.z_dim, generator=torch.Generator().manual_seed(seed))
        total = sum(self.mapping(part.to(self.w_mean)).sum(0) for part in z.split(1000))
        self.w_mean.copy_(total / samples)
        return self.w_mean

    def checkpoint(self) -> dict:
        """``{"g_ema": state dict, "latent_avg": [D]}``, the published layout, for ``torch.save``."""
        return {"g_ema": self.state_dict(), "latent_avg": self.w_mean.detach().clone()}

    def _affines(self) -> list[tuple[nn.Module, int]]:
        """Layer and its W+ index, in the order of S space; to_rgb shares the next convolution's index."""
        layers: list[tuple[nn.Module, int]] = [(self.conv1, 0), (self.to_rgb1, 1)]
        for block, to_rgb in enumerate(self.to_rgbs):
            layers += [
                (self.convs[2 * block], 2 * block + 1),
                (self.convs[2 * block + 1], 2 * block + 2),
                (to_rgb, 2 * block + 3),
            ]
        return layers

    def styles(self, w_plus: Tensor) -> list[Tensor]:
        """W+ ``[B, L, D]`` (or w ``[B, D]``, for every layer) -> S: one ``[B, C]`` per layer.

        Order: conv1, to_rgb1, then for each resolution up-convolution, convolution, to_rgb; C is the
        layer's number of input channels (Wu et al., StyleSpace, 2021).
        """
        w_plus = self.spread(w_plus)
        return [layer.conv.modulation(w_plus[:, index]) for layer, index in self._affines()]

    def spread(self, w: Tensor) -> Tensor:
        """w ``[B, D]`` -> the same for each layer ``[B, L, D]``; a W+ code passes unchanged."""
        return w[:, None].expand(-1, self.n_latent, -1) if w.ndim == 2 else w

    def _noise(self, noise: NoiseInput, layer: int, batch: int) -> Tensor | None:
        registered = getattr(self.noises, f"noise_{layer}")
        if noise is None:
            return registered
        if isinstance(noise, str):
            if noise == "none":
                return None
            if noise == "random":
                return torch.randn_like(registered.expand(batch, -1, -1, -1))
            raise ValueError(f"noise is None, 'none', 'random' or a list of tensors, not {noise!r}")
        return noise[layer]

    def _run(
        self, styles: list[Tensor], start: BlockState | None, stop: int, noise: NoiseInput, rgb: bool
    ) -> BlockState:
        """From ``start`` (or the constant input) up to and including the block of resolution ``stop``."""
        gradients = torch.is_grad_enabled() and any(style.requires_grad for style in styles)
        with synthesis_precision(styles[0].device, self.size, gradients):
            return self._blocks(styles, start, stop, noise, rgb)

    def _blocks(
        self, styles: list[Tensor], start: BlockState | None, stop: int, noise: NoiseInput, rgb: bool
    ) -> BlockState:
        batch = styles[0].shape[0]
        if start is None:
            x = self.input.input.expand(batch, -1, -1, -1)
            weight = self.to_rgb1.weight(styles[1]) if rgb else None
            x, colours = self.conv1(x, styles[0], self._noise(noise, 0, batch), weight, self.fused)
            start = BlockState(4, x, self.to_rgb1(colours, None) if rgb else None)
        x, skip = start.x, start.skip
        for block in range(int(math.log2(start.resolution)) - 2, int(math.log2(stop)) - 2):
            up, conv, to_rgb = styles[3 * block + 2 : 3 * block + 5]
            weight = self.to_rgbs[block].weight(to_rgb) if rgb else None
            x, _ = self.convs[2 * block](x, up, self._noise(noise, 2 * block + 1, batch), None, self.fused)
            x, colours = self.convs[2 * block + 1](
                x, conv, self._noise(noise, 2 * block + 2, batch), weight, self.fused
            )
            if rgb:
                skip = self.to_rgbs[block](colours, skip)
        return BlockState(stop, x, skip)

    def state(
        self, styles: list[Tensor], resolution: int, start: BlockState | None = None, noise: NoiseInput = None
    ) -> BlockState:
        """Activations and the RGB sum up to the block of ``resolution``, to continue from with ``start``."""
        self._check(resolution, start)
        found = self._run(styles, start, resolution, noise, rgb=True)
        return replace(found, x=_as_asked(found.x, styles[0]))

    def features(self, w_plus: Tensor, noise: NoiseInput = None) -> Tensor:
        """F: output of the 32x32 block, ``[B, C, 32, 32]``; it depends on W+ rows 0..6 only."""
        styles = self.styles(w_plus)
        return _as_asked(self._run(styles, None, self.feature_size, noise, rgb=False).x, styles[0])

    def synthesis(
        self,
        w_plus: Tensor,
        feature: Tensor | None = None,
        resolution: int | None = None,
        noise: NoiseInput = None,
        *,
        side: int | None = None,
    ) -> Tensor:
        """W+ ``[B, L, D]`` -> RGB ``[B, 3, R, R]``, about [-1, 1], not clamped.

        Args:
            feature: F ``[B, C, 32, 32]``: synthesis starts there; W+ rows below ``feature_index`` are not
                used, and the RGB skip starts at zero (Barbershop's published behaviour).
            resolution: stop there and return R = ``resolution``: the RGB sum so far, which is no picture yet where
                the blocks above add to its contrast and colour; they are not computed.
            noise: None for the registered noise, "none", "random", or one tensor per styled convolution.
            side: R; the finished picture, brought to this size (`resample.resize`).
        """
        return self.synthesis_from_styles(self.styles(w_plus), feature, resolution, noise, side=side)

    def synthesis_from_styles(
        self,
        styles: list[Tensor],
        feature: Tensor | None = None,
        resolution: int | None = None,
        noise: NoiseInput = None,
        start: BlockState | None = None,
        *,
        side: int | None = None,
    ) -> Tensor:
        """As ``synthesis``, from S codes (see ``styles``); ``start`` is a ``BlockState`` to continue from."""
        if feature is not None:
            start = BlockState(self.feature_size, feature)
        stop = resolution or self.size
        self._check(stop, start)
        image = self._run(styles, start, stop, noise, rgb=True).skip
        return image if side is None else resize(image, side)

    def _check(self, stop: int, start: BlockState | None) -> None:
        lowest = 4 if start is None else start.resolution * (2 if start.skip is None else 1)
        if stop not in self.channels or stop < lowest:
            possible = [r for r in self.channels if r >= lowest]
            raise ValueError(f"resolution {stop} is not one of {possible}")

    def forward(self, z: Tensor, noise: NoiseInput = None) -> Tensor:
        """Image of a z ``[B, z_dim]``, without truncation."""
        return self.synthesis(self.mapping(z), noise=noise)


def _as_asked(x: Tensor, style: Tensor) -> Tensor:
    """Activations in the type of the styles, unless the caller has chosen half precision (autocast)."""
    return x if torch.is_autocast_enabled(x.device.type) else x.to(style.dtype)
